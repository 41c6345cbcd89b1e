//! A node's disk of its own: an ext4 image behind a loop device, whose power can be cut.
//!
//! A cut takes what the device had at one instant: the machine's memory (page cache, and everything
//! a process only believes to have written) is lost. Whoever writes is stopped first, then the image
//! is copied; the copy counts only if the device was written to neither before nor during it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::Duration,
};

use crate::{Attempt, process::run};

/// An ext4 file system in a file, mounted. Unmounted when dropped.
#[derive(Debug)]
pub(crate) struct LoopDisk {
    image: PathBuf,
    mount: PathBuf,
}

/// Tries until an image was quiet for the time of a copy.
const TRIES: usize = 200;

impl LoopDisk {
    /// Makes and mounts an empty disk of `mib` MiB.
    pub(crate) fn new(image: &Path, mount: &Path, mib: u64) -> Attempt<Self> {
        fs::File::create(image)?.set_len(mib << 20)?;
        run(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(image))?;
        fs::create_dir_all(mount)?;
        let disk = Self {
            image: image.to_owned(),
            mount: mount.to_owned(),
        };
        disk.mount()?;
        Ok(disk)
    }

    fn mount(&self) -> Attempt<()> {
        run(Command::new("mount")
            .args(["-o", "loop,nodiscard"])
            .arg(&self.image)
            .arg(&self.mount))?;
        Ok(())
    }

    fn unmount(&self) -> Attempt<()> {
        for _ in 0..50 {
            if run(Command::new("umount").arg(&self.mount)).is_ok() {
                return Ok(());
            }
            // The last file of a killed process may take a moment to be closed.
            sleep(Duration::from_millis(20));
        }
        run(Command::new("umount").arg(&self.mount))?;
        Ok(())
    }

    /// Copies the image as of one instant. Whoever writes to the disk must be stopped.
    pub(crate) fn snapshot(&self) -> Attempt<PathBuf> {
        let copy = self.image.with_extension("cut");
        let device = run(Command::new("findmnt")
            .args(["-n", "-o", "SOURCE", "--mountpoint"])
            .arg(&self.mount))?;
        let name = device.trim().trim_start_matches("/dev/");
        let statistics = PathBuf::from(format!("/sys/block/{name}/stat"));
        for _ in 0..TRIES {
            let before = activity(&statistics)?;
            run(Command::new("cp")
                .arg("--sparse=always")
                .arg(&self.image)
                .arg(&copy))?;
            if before.in_flight == 0 && before == activity(&statistics)? {
                return Ok(copy);
            }
        }
        Err(format!("{name} is never quiet").into())
    }

    /// The file system finds an error and takes no more writes, as ext4 does when a drive fails.
    pub(crate) fn fail(&self) -> Attempt<()> {
        run(Command::new("mount")
            .args(["-o", "remount,abort"])
            .arg(&self.mount))?;
        Ok(())
    }

    /// Mounts it anew. Whoever used the disk must be gone.
    pub(crate) fn repair(&self) -> Attempt<()> {
        self.unmount()?;
        self.mount()
    }

    /// Goes back to a snapshot, as a machine does that was switched off then. Whoever used the disk
    /// must be gone.
    pub(crate) fn restore(&self, snapshot: &Path) -> Attempt<()> {
        self.unmount()?;
        fs::rename(snapshot, &self.image)?;
        self.mount()
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        let _ = self.unmount();
    }
}

/// What a block device has done so far.
#[derive(Debug, PartialEq, Eq)]
struct Activity {
    writes: u64,
    flushes: u64,
    in_flight: u64,
}

/// Reads `/sys/block/NAME/stat`: field 5 counts writes, 9 is what is in flight, 16 counts flushes.
fn activity(statistics: &Path) -> Attempt<Activity> {
    let text = fs::read_to_string(statistics)?;
    let fields: Vec<u64> = text
        .split_whitespace()
        .filter_map(|field| field.parse().ok())
        .collect();
    let field = |number: usize| fields.get(number - 1).copied().unwrap_or_default();
    Ok(Activity {
        writes: field(5),
        flushes: field(16),
        in_flight: field(9),
    })
}
