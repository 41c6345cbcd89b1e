//! The workload: writers and readers beside the faults. The bytes of every blob follow from the seed
//! and its number, so that any read is checked without keeping what was written.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use floe_chain::id::ObjectId;
use floe_client::{
    Client,
    disk::source::Source,
    network::Network,
    plan::ByteRange,
    progress::Silent,
    store::{StoreError, StoreOptions},
};
use floe_codec::BlobId;
use floe_p2p::{
    client::DataClient,
    wire::message::{Confirm, ConfirmReply},
};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinSet;

use crate::{
    Attempt,
    report::Samples,
    world::{World, options},
};

/// Readers beside the writers.
const READERS: usize = 4;
/// How long slow nodes are served after a certificate.
const TAIL: Duration = Duration::from_secs(5);
/// Sizes at which something begins or ends, in bytes.
const EDGES: &[usize] = &[0, 1, 31, 4095, 4096, 4097, 65_536];
/// Largest blob, in bytes.
const LARGEST: usize = 1 << 20;

/// A blob that somebody was told is stored.
#[derive(Clone, Debug)]
pub(crate) struct Acked {
    pub(crate) number: u64,
    pub(crate) size: usize,
    pub(crate) blob: BlobId,
    pub(crate) object: ObjectId,
}

/// Everything acknowledged so far, and by whom.
#[derive(Debug, Default)]
pub(crate) struct Book {
    seed: u64,
    next: AtomicU64,
    acked: Mutex<Vec<Acked>>,
    /// Which member signed for which blob.
    signed: Mutex<BTreeSet<(usize, u64)>>,
    wrong: Mutex<Vec<String>>,
}

/// A running workload.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<(Samples, Samples)>,
}

impl Book {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self {
            seed,
            ..Self::default()
        })
    }

    /// The bytes of a blob.
    pub(crate) fn content(&self, number: u64, size: usize) -> Bytes {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed.to_le_bytes());
        hasher.update(&number.to_le_bytes());
        let mut bytes = vec![0; size];
        hasher.finalize_xof().fill(&mut bytes);
        bytes.into()
    }

    /// Number and size of the next blob.
    fn draw(&self) -> (u64, usize) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ number);
        let size = if rng.random_ratio(1, 4) {
            EDGES.choose(&mut rng).copied().unwrap_or_default()
        } else {
            // Even over powers of two.
            let top = 1_usize << rng.random_range(0..=LARGEST.ilog2());
            rng.random_range(top / 2..=top)
        };
        // No two blobs are equal: the empty one is stored once.
        (number, if size == 0 && number > 0 { 2 } else { size })
    }

    pub(crate) fn acked(&self) -> Vec<Acked> {
        lock(&self.acked).clone()
    }

    /// The blobs a member has signed for.
    pub(crate) fn signed_by(&self, member: usize) -> Vec<Acked> {
        let signed = lock(&self.signed).clone();
        let acked = self.acked().into_iter();
        acked
            .filter(|blob| signed.contains(&(member, blob.number)))
            .collect()
    }

    pub(crate) fn sign(&self, member: usize, number: u64) {
        lock(&self.signed).insert((member, number));
    }

    /// Reads that returned other bytes than were stored: never acceptable.
    pub(crate) fn wrong(&self) -> Vec<String> {
        lock(&self.wrong).clone()
    }

    /// Stores the next blob and enters it if it was acknowledged.
    pub(crate) async fn write(self: &Arc<Self>, client: &Client) -> Result<Acked, StoreError> {
        let (number, size) = self.draw();
        self.store(client, number, size).await
    }

    /// Stores a blob of so many bytes and enters it if it was acknowledged.
    pub(crate) async fn write_sized(
        self: &Arc<Self>,
        client: &Client,
        size: usize,
    ) -> Result<Acked, StoreError> {
        let (number, _) = self.draw();
        self.store(client, number, size).await
    }

    async fn store(
        self: &Arc<Self>,
        client: &Client,
        number: u64,
        size: usize,
    ) -> Result<Acked, StoreError> {
        let source = Source::Memory(self.content(number, size));
        let options = StoreOptions {
            epochs: 5,
            deletable: true,
            spooled: false,
        };
        let (stored, tail) = client.store(source, options, Arc::new(Silent)).await?;
        let acked = Acked {
            number,
            size,
            blob: stored.blob,
            object: stored.object,
        };
        lock(&self.acked).push(acked.clone());
        if let Some(tail) = tail {
            tokio::spawn(async move {
                tail.finish(TAIL).await;
            });
        }
        Ok(acked)
    }

    /// Reads a blob and compares it; other bytes are entered as wrong.
    pub(crate) async fn read(&self, client: &Client, blob: &Acked) -> Result<(), String> {
        let expected = self.content(blob.number, blob.size);
        let mut at = 0;
        let mut reader = client
            .read(blob.blob, ByteRange::All, Arc::new(Silent))
            .await
            .map_err(|error| format!("blob {}: {error}", blob.number))?;
        while let Some(bytes) = reader.next().await {
            let bytes = bytes.map_err(|error| format!("blob {}: {error}", blob.number))?;
            if expected.get(at..at + bytes.len()) != Some(&bytes[..]) {
                let what = format!("blob {} has wrong bytes from {at} on", blob.number);
                lock(&self.wrong).push(what.clone());
                return Err(what);
            }
            at += bytes.len();
        }
        if at == blob.size {
            Ok(())
        } else {
            let what = format!(
                "blob {} ended after {at} of {} bytes",
                blob.number, blob.size
            );
            lock(&self.wrong).push(what.clone());
            Err(what)
        }
    }

    /// Reads every acknowledged blob once, a few at a time; returns what cannot be read.
    pub(crate) async fn read_all(self: &Arc<Self>, client: &Client) -> Vec<String> {
        use futures::StreamExt;
        let reads = self.acked().into_iter().map(|blob| {
            let (book, client) = (Arc::clone(self), client.clone());
            async move { book.read(&client, &blob).await.err() }
        });
        let results = futures::stream::iter(reads).buffer_unordered(READERS);
        results.filter_map(std::future::ready).collect().await
    }
}

impl Load {
    /// Starts every writer and reader of a network. `confirm` also collects every node's signature
    /// for each blob, at once.
    pub(crate) fn start(world: &World, book: &Arc<Book>, confirm: bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for client in &world.writers {
            let collect = confirm.then(|| (world.peers.clone(), Arc::clone(&world.network)));
            tasks.spawn(writer(
                client.clone(),
                Arc::clone(book),
                Arc::clone(&stop),
                collect,
            ));
        }
        for number in 0..READERS {
            let client = world.reader.clone();
            tasks.spawn(reader(client, Arc::clone(book), Arc::clone(&stop), number));
        }
        Self { stop, tasks }
    }

    /// Runs for a while and ends.
    pub(crate) async fn run_for(
        world: &World,
        book: &Arc<Book>,
        time: Duration,
    ) -> (Samples, Samples) {
        let load = Self::start(world, book, false);
        tokio::time::sleep(time).await;
        load.stop().await
    }

    /// Lets what is under way end; returns reads and writes.
    pub(crate) async fn stop(mut self) -> (Samples, Samples) {
        self.stop.store(true, Ordering::Relaxed);
        let (mut reads, mut writes) = (Samples::default(), Samples::default());
        while let Some(joined) = self.tasks.join_next().await {
            match joined {
                Ok((read, written)) => {
                    reads.add(read);
                    writes.add(written);
                }
                Err(error) => writes.failures.push(error.to_string()),
            }
        }
        (reads, writes)
    }
}

type Collect = Option<(DataClient, Arc<Network>)>;

async fn writer(
    client: Client,
    book: Arc<Book>,
    stop: Arc<AtomicBool>,
    collect: Collect,
) -> (Samples, Samples) {
    let mut writes = Samples::default();
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        match book.write(&client).await {
            Ok(acked) => {
                writes.times.push(begun.elapsed());
                if let Some((peers, network)) = &collect {
                    confirm(peers, network, &book, &acked).await;
                }
            }
            Err(error) => {
                writes.failures.push(error.to_string());
                // What does not work now may work in a moment.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    (Samples::default(), writes)
}

async fn reader(
    client: Client,
    book: Arc<Book>,
    stop: Arc<AtomicBool>,
    number: usize,
) -> (Samples, Samples) {
    let mut reads = Samples::default();
    let mut rng = ChaCha8Rng::seed_from_u64(book.seed.wrapping_add(number as u64));
    while !stop.load(Ordering::Relaxed) {
        let Some(blob) = book.acked().choose(&mut rng).cloned() else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let begun = Instant::now();
        match book.read(&client, &blob).await {
            Ok(()) => reads.times.push(begun.elapsed()),
            Err(error) => reads.failures.push(error),
        }
        // Writers shall have a share of the machine.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (reads, Samples::default())
}

/// Asks every node to sign for a blob and enters who did.
pub(crate) async fn confirm(peers: &DataClient, network: &Network, book: &Book, blob: &Acked) {
    let request = Confirm {
        blob: blob.blob,
        object: blob.object,
    };
    let (request, options) = (&request, &options(network, Duration::from_secs(2)));
    let asked = network.committee.iter().map(|(member, _)| async move {
        let reply = peers
            .confirm(network.address(member), request, options)
            .await;
        matches!(reply, Ok(ConfirmReply::Confirmed(_))).then_some(member.as_usize())
    });
    for member in futures::future::join_all(asked).await.into_iter().flatten() {
        book.sign(member, blob.number);
    }
}

/// Writes until so many blobs are acknowledged, and waits until every node has its slivers.
pub(crate) async fn fill(world: &World, book: &Arc<Book>, count: usize) -> Attempt<()> {
    use futures::StreamExt;
    let clients = world.writers.iter().cycle().take(count);
    let writes = clients.map(|client| book.write(client));
    let written: Vec<_> = futures::stream::iter(writes)
        .buffer_unordered(world.writers.len())
        .collect()
        .await;
    for result in written {
        result?;
    }
    for blob in book.acked() {
        let begun = Instant::now();
        loop {
            confirm(&world.peers, &world.network, book, &blob).await;
            let members = world.network.committee.members().len();
            if (0..members).all(|member| lock(&book.signed).contains(&(member, blob.number))) {
                break;
            }
            if begun.elapsed() > TAIL * 2 {
                return Err(format!("blob {} did not reach every node", blob.number).into());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    Ok(())
}

fn lock<T>(value: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
