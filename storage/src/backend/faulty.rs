//! A simulated disk that fails: the [`Backend`] under every durability test.
//!
//! Owns the model of what a power cut may leave behind, and of a file system that runs full, loses
//! an fsync or rots. One seed decides everything; the decisions depend on what was written where,
//! never on addresses, time or the order of independent writes.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex, atomic::AtomicBool},
};

use super::{
    Backend, File, FileName, Lock,
    memory::{SharedLock, locked, read_slice, resize, write_slice},
};

/// A disk writes this many bytes at once or not at all.
const SECTOR: usize = 512;

/// What goes wrong, and when. Counts are from the moment of [`FaultyBackend::set_faults`].
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// The power goes out instead of the nth write, sync, creation or removal (1 is the next).
    pub power_cut_at: Option<u64>,
    /// The nth sync fails with EIO; what it should have made durable never becomes so by syncing
    /// again.
    pub failed_sync: Option<u64>,
    /// Bytes all files may hold together; growing beyond fails with ENOSPC.
    pub capacity: Option<u64>,
    /// Every write stops after at most this many bytes.
    pub longest_write: Option<usize>,
}

/// A directory on a simulated disk. Clones share the disk.
#[derive(Clone, Debug)]
pub struct FaultyBackend {
    disk: Arc<Mutex<Disk>>,
    locked: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Disk {
    seed: u64,
    /// Handles of an earlier boot are dead.
    boot: u64,
    powered: bool,
    operations: u64,
    syncs: u64,
    faults: Faults,
    inodes: Vec<Inode>,
    live_names: BTreeMap<FileName, usize>,
    durable_names: BTreeMap<FileName, usize>,
}

#[derive(Debug, Default)]
struct Inode {
    /// What the running system sees.
    live: Vec<u8>,
    /// What the last successful sync put on the platter.
    durable: Vec<u8>,
    /// Changes since then.
    pending: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    SetLen(u64),
}

impl Change {
    fn apply(&self, image: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Change::Write { offset, bytes } => write_slice(image, *offset, bytes),
            Change::SetLen(len) => resize(image, *len),
        }
    }
}

impl FaultyBackend {
    /// An empty disk without faults.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let disk = Disk {
            seed,
            boot: 0,
            powered: true,
            operations: 0,
            syncs: 0,
            faults: Faults::default(),
            inodes: Vec::new(),
            live_names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
        };
        Self {
            disk: Arc::new(Mutex::new(disk)),
            locked: Arc::default(),
        }
    }

    /// Plans faults, and starts their counts.
    pub fn set_faults(&self, faults: Faults) {
        let mut disk = locked(&self.disk);
        disk.faults = faults;
        disk.operations = 0;
        disk.syncs = 0;
    }

    /// Whether the power is on.
    #[must_use]
    pub fn is_powered(&self) -> bool {
        locked(&self.disk).powered
    }

    /// Cuts the power now, if it is still on, and starts the machine again: any subset of what was
    /// not synced is gone, torn or applied out of order. Open handles are dead, faults cleared.
    pub fn power_cut(&self) {
        let mut disk = locked(&self.disk);
        disk.reboot();
        drop(disk);
        self.locked
            .store(false, std::sync::atomic::Ordering::Release);
    }

    /// Flips `count` bits in the files whose name passes `chosen`, on the platter and in memory.
    /// Returns how many were flipped: none if the files are empty.
    pub fn flip_bits(&self, count: u64, chosen: impl Fn(&FileName) -> bool) -> u64 {
        let mut disk = locked(&self.disk);
        let mut random = disk.random(b"rot", count);
        let inodes: Vec<usize> = disk
            .live_names
            .iter()
            .filter(|(name, _)| chosen(name))
            .map(|(_, &inode)| inode)
            .filter(|&inode| !disk.inodes[inode].live.is_empty())
            .collect();
        for _ in 0..count {
            let Some(&inode) = random.pick(&inodes) else {
                return 0;
            };
            let inode = &mut disk.inodes[inode];
            let position = random.below(inode.live.len() as u64);
            let bit = 1u8 << random.below(8);
            for image in [&mut inode.live, &mut inode.durable] {
                if let Some(byte) = usize::try_from(position)
                    .ok()
                    .and_then(|at| image.get_mut(at))
                {
                    *byte ^= bit;
                }
            }
        }
        count
    }

    /// A hash of every name and byte a power cut could not take away.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let disk = locked(&self.disk);
        let mut hasher = blake3::Hasher::new();
        for (name, &inode) in &disk.durable_names {
            let bytes = &disk.inodes[inode].durable;
            hasher.update(name.as_str().as_bytes());
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        }
        *hasher.finalize().as_bytes()
    }

    fn handle(&self, disk: &Disk, inode: usize) -> Arc<dyn File> {
        Arc::new(FaultyFile {
            disk: Arc::clone(&self.disk),
            boot: disk.boot,
            inode,
        })
    }
}

impl Disk {
    fn random(&self, purpose: &[u8], detail: u64) -> Random {
        let mut hasher = blake3::Hasher::new_derive_key("floe/simulated disk/1");
        for number in [self.seed, self.boot, self.syncs, detail] {
            hasher.update(&number.to_le_bytes());
        }
        Random(hasher.update(purpose).finalize_xof())
    }

    /// Counts one operation that changes the disk; the power may go out instead.
    fn operate(&mut self) -> io::Result<()> {
        self.check_power()?;
        self.operations += 1;
        if self.faults.power_cut_at == Some(self.operations) {
            self.powered = false;
        }
        self.check_power()
    }

    fn check_power(&self) -> io::Result<()> {
        if self.powered {
            return Ok(());
        }
        Err(io::Error::other("the simulated machine has no power"))
    }

    /// Counts one sync; it may fail, after which `inode`'s changes are beyond its reach.
    fn sync_inodes(&mut self, inodes: &[usize]) -> io::Result<()> {
        self.operate()?;
        self.syncs += 1;
        let failed = self.faults.failed_sync == Some(self.syncs);
        for &index in inodes {
            let mut random = self.random(b"failed sync", index as u64);
            let inode = &mut self.inodes[index];
            if failed {
                // Some of it arrived; the cache keeps showing all of it, and calls it clean.
                inode.durable = inode.after_power_cut(&mut random);
                inode.pending.clear();
            }
            for change in inode.pending.drain(..) {
                change.apply(&mut inode.durable)?;
            }
        }
        if failed {
            return Err(io::Error::from_raw_os_error(
                rustix::io::Errno::IO.raw_os_error(),
            ));
        }
        Ok(())
    }

    fn change(&mut self, inode: usize, change: Change) -> io::Result<()> {
        self.operate()?;
        let end = match &change {
            Change::Write { offset, bytes } => offset + bytes.len() as u64,
            Change::SetLen(len) => *len,
        };
        let growth = end.saturating_sub(self.inodes[inode].live.len() as u64);
        if growth > self.free_bytes() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let inode = &mut self.inodes[inode];
        change.apply(&mut inode.live)?;
        inode.pending.push(change);
        Ok(())
    }

    fn free_bytes(&self) -> u64 {
        let used = |inode: &usize| self.inodes[*inode].live.len() as u64;
        let used: u64 = self.live_names.values().map(used).sum();
        self.faults
            .capacity
            .unwrap_or(u64::MAX)
            .saturating_sub(used)
    }

    fn reboot(&mut self) {
        let names: BTreeSet<FileName> = [&self.live_names, &self.durable_names]
            .into_iter()
            .flat_map(|names| names.keys().cloned())
            .collect();
        let mut inodes = Vec::new();
        let mut survivors = BTreeMap::new();
        for name in names {
            let mut random = self.random(name.as_str().as_bytes(), 0);
            let (live, durable) = (self.live_names.get(&name), self.durable_names.get(&name));
            let kept = if live == durable || random.below(2) == 0 {
                durable
            } else {
                live
            };
            if let Some(&inode) = kept {
                survivors.insert(name, inodes.len());
                let image = self.inodes[inode].after_power_cut(&mut random);
                inodes.push(Inode {
                    durable: image.clone(),
                    live: image,
                    ..Inode::default()
                });
            }
        }
        self.inodes = inodes;
        self.durable_names = survivors.clone();
        self.live_names = survivors;
        self.boot += 1;
        self.powered = true;
        self.faults = Faults::default();
        self.operations = 0;
        self.syncs = 0;
    }
}

impl Inode {
    /// The durable bytes with some of the changes, some of them torn, in some order.
    fn after_power_cut(&self, random: &mut Random) -> Vec<u8> {
        let mut image = self.durable.clone();
        let mut changes: Vec<&Change> = self.pending.iter().collect();
        // The order of writes to different places carries no meaning; without it a seed repeats.
        changes.sort_by_key(|change| match change {
            Change::Write { offset, .. } => *offset,
            Change::SetLen(len) => *len,
        });
        // Whole disks tend to lose everything or nothing: let every run lean one way.
        let kept_of_8 = 1 + random.below(7);
        random.shuffle(&mut changes);
        for change in changes {
            let fate = random.below(8);
            if fate < kept_of_8 {
                apply_within_memory(change, &mut image);
            } else if let (Change::Write { offset, bytes }, 7) = (change, fate) {
                for (offset, sector) in sectors(*offset, bytes) {
                    if random.below(2) == 0 {
                        let sector = Change::Write {
                            offset,
                            bytes: sector.to_vec(),
                        };
                        apply_within_memory(&sector, &mut image);
                    }
                }
            }
        }
        image
    }
}

fn apply_within_memory(change: &Change, image: &mut Vec<u8>) {
    change
        .apply(image)
        .expect("it was applied to the live image, so it fits into memory");
}

/// The parts of a write that fall into different sectors, with their offsets.
fn sectors(mut offset: u64, mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let within = usize::try_from(offset % SECTOR as u64).expect("below the sector size");
        let (part, rest) = bytes.split_at(bytes.len().min(SECTOR - within));
        parts.push((offset, part));
        offset += part.len() as u64;
        bytes = rest;
    }
    parts
}

/// A stream of random numbers that is a function of what it was made from.
struct Random(blake3::OutputReader);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % bound.max(1)
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let index = self.below(items.len() as u64);
        usize::try_from(index)
            .ok()
            .and_then(|index| items.get(index))
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1);
            items.swap(last, usize::try_from(other).unwrap_or(last));
        }
    }
}

impl Backend for FaultyBackend {
    fn create(&self, name: &FileName) -> io::Result<Arc<dyn File>> {
        let mut disk = locked(&self.disk);
        disk.operate()?;
        if disk.live_names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = disk.inodes.len();
        disk.inodes.push(Inode::default());
        disk.live_names.insert(name.clone(), inode);
        Ok(self.handle(&disk, inode))
    }

    fn open(&self, name: &FileName) -> io::Result<Arc<dyn File>> {
        let disk = locked(&self.disk);
        disk.check_power()?;
        match disk.live_names.get(name) {
            Some(&inode) => Ok(self.handle(&disk, inode)),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn remove(&self, name: &FileName) -> io::Result<()> {
        let mut disk = locked(&self.disk);
        disk.operate()?;
        let removed = disk.live_names.remove(name);
        removed.map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn list(&self) -> io::Result<Vec<FileName>> {
        let disk = locked(&self.disk);
        disk.check_power()?;
        Ok(disk.live_names.keys().cloned().collect())
    }

    fn replace(&self, name: &FileName, content: &[u8]) -> io::Result<()> {
        let mut disk = locked(&self.disk);
        disk.operate()?;
        let inode = disk.inodes.len();
        disk.inodes.push(Inode {
            live: content.to_vec(),
            durable: content.to_vec(),
            ..Inode::default()
        });
        disk.live_names.insert(name.clone(), inode);
        disk.durable_names.insert(name.clone(), inode);
        Ok(())
    }

    fn sync(&self, files: &[Arc<dyn File>]) -> io::Result<()> {
        files.iter().try_for_each(|file| file.sync())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut disk = locked(&self.disk);
        disk.sync_inodes(&[])?;
        disk.durable_names = disk.live_names.clone();
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(locked(&self.disk).free_bytes())
    }

    fn lock(&self) -> io::Result<Box<dyn Lock>> {
        SharedLock::take(&self.locked)
    }
}

#[derive(Debug)]
struct FaultyFile {
    disk: Arc<Mutex<Disk>>,
    boot: u64,
    inode: usize,
}

impl FaultyFile {
    fn with_disk<T>(&self, act: impl FnOnce(&mut Disk) -> io::Result<T>) -> io::Result<T> {
        let mut disk = locked(&self.disk);
        if disk.boot != self.boot {
            return Err(io::Error::other("a handle from before the power cut"));
        }
        act(&mut disk)
    }
}

impl File for FaultyFile {
    fn size(&self) -> io::Result<u64> {
        self.with_disk(|disk| {
            disk.check_power()?;
            Ok(disk.inodes[self.inode].live.len() as u64)
        })
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.with_disk(|disk| {
            disk.check_power()?;
            Ok(read_slice(&disk.inodes[self.inode].live, offset, buffer))
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.with_disk(|disk| {
            let longest = disk.faults.longest_write.unwrap_or(usize::MAX);
            let bytes = bytes[..bytes.len().min(longest)].to_vec();
            let written = bytes.len();
            disk.change(self.inode, Change::Write { offset, bytes })?;
            Ok(written)
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with_disk(|disk| disk.change(self.inode, Change::SetLen(len)))
    }

    fn sync(&self) -> io::Result<()> {
        self.with_disk(|disk| disk.sync_inodes(&[self.inode]))
    }

    fn evict(&self) -> io::Result<()> {
        self.with_disk(|disk| {
            let inode = &mut disk.inodes[self.inode];
            inode.live = inode.durable.clone();
            let pending = inode.pending.iter();
            pending.for_each(|change| apply_within_memory(change, &mut inode.live));
            Ok(())
        })
    }
}
