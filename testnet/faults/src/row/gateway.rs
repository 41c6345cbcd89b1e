//! F28: a gateway before the nodes is killed again and again while it is read from, and its cache is
//! damaged while it runs and while it is down. Every byte that a reader gets is compared.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use floe_client::{disk::source::Source, progress::Silent, store::StoreOptions};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use super::{Stage, trial_seed};
use crate::{
    Attempt, Settings,
    load::{Acked, Book, fill},
    process::Process,
    report::{Findings, Samples},
    world::http_get,
};

/// Readers of the gateway.
const READERS: u64 = 6;
/// Within which the gateway must serve again.
const AGAIN: Duration = Duration::from_secs(3);
/// Longest wait for a part of an answer: as long as the gateway itself waits for nodes, and more.
const PATIENCE: Duration = Duration::from_secs(40);
/// MiB of the cache: not everything fits, so that segments are also evicted.
const CACHE_MIB: u64 = 48;
/// Bytes of the blobs of several segments.
const LARGE: usize = 10 << 20;
/// Segments damaged at once.
const DAMAGED: usize = 12;
/// First number of the large blobs, far above those of the others.
const FIRST_LARGE: u64 = 1 << 40;

/// The gateway, running or not, and what readers saw of it.
struct Gateway {
    floe: PathBuf,
    config: PathBuf,
    cache: PathBuf,
    log: PathBuf,
    port: u16,
    process: Option<Process>,
    /// Counts starts and kills: odd while it runs.
    lives: Arc<AtomicU64>,
}

/// What came of one request.
enum Got {
    /// All of it.
    Whole,
    /// Nothing, or a part that says it is one.
    Failed(String),
    /// Never acceptable.
    Wrong(String),
}

pub(super) async fn killed(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    let stage = Stage::new(settings, false).await?;
    fill(&stage.world, &stage.book, settings.either(24, 60)).await?;
    let mut blobs = stage.book.acked();
    for number in 0..settings.either(3, 6) {
        blobs.push(large(&stage, FIRST_LARGE + number).await?);
    }
    let blobs: Arc<[Acked]> = blobs.into();
    let mut gateway = Gateway::new(&stage)?;
    gateway.start()?;
    gateway
        .serves(&stage.book, &blobs, Duration::from_secs(30))
        .await?;

    let load = Load::start(&gateway, &stage.book, &blobs, settings.seed);
    let mut found = 0;
    for trial in 0..settings.either(3, 20) {
        let seed = trial_seed(settings, trial);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Long enough for readers to have filled the cache; then it is damaged under their eyes.
        tokio::time::sleep(Duration::from_millis(rng.random_range(2_000..4_000))).await;
        spoil(&gateway.cache, &mut rng)?;
        tokio::time::sleep(Duration::from_millis(rng.random_range(500..1_500))).await;
        found += gateway.damage_found().await;
        gateway.kill();
        spoil(&gateway.cache, &mut rng)?;
        let begun = Instant::now();
        gateway.start()?;
        let served = gateway.serves(&stage.book, &blobs, AGAIN).await;
        let mut wrong = load.wrong();
        wrong.extend(served.err().map(|error| error.to_string()));
        findings.trial(seed, begun.elapsed(), wrong);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    found += gateway.damage_found().await;
    let (reads, cut, wrong) = load.stop().await;
    findings.reads = reads;
    findings.broken.extend(wrong);
    findings.bar(
        found > 0,
        format!("{found} damaged segments were found and fetched again"),
    );
    findings.notes.push(format!(
        "{cut} reads came while the gateway was killed or did not listen yet, and knew it"
    ));
    let calm = &findings.reads;
    findings.bar(
        calm.count() > 0 && calm.succeeded(990),
        format!(
            "{} of {} reads that no kill fell into succeeded, 990 permille wanted {}",
            calm.times.len(),
            calm.count(),
            calm.failures.first().map_or("", String::as_str)
        ),
    );
    for blob in blobs.iter() {
        if let Got::Failed(what) | Got::Wrong(what) =
            read(gateway.port, &stage.book, blob, None).await
        {
            findings.broken.push(format!("in the end: {what}"));
        }
    }
    findings.broken.extend(gateway.panics());
    stage.close(findings).await;
    Ok(())
}

/// Stores a blob of several segments.
async fn large(stage: &Stage, number: u64) -> Attempt<Acked> {
    let size = LARGE + usize::try_from(number % 7)?;
    let source = Source::Memory(stage.book.content(number, size));
    let options = StoreOptions {
        epochs: 5,
        deletable: true,
        spooled: false,
    };
    let writer = stage.world.writers.first().ok_or("no writers")?;
    let (stored, tail) = writer.store(source, options, Arc::new(Silent)).await?;
    if let Some(tail) = tail {
        tail.finish(Duration::from_secs(10)).await;
    }
    Ok(Acked {
        number,
        size,
        blob: stored.blob,
        object: stored.object,
    })
}

impl Gateway {
    fn new(stage: &Stage) -> Attempt<Self> {
        let dir = &stage.world.dir;
        let free = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        Ok(Self {
            floe: stage.world.floe.clone(),
            config: dir.join("client.toml"),
            cache: dir.join("gateway-cache"),
            log: dir.join("gateway.log"),
            port: free.local_addr()?.port(),
            process: None,
            lives: Arc::default(),
        })
    }

    fn start(&mut self) -> Attempt<()> {
        let mut command = Command::new(&self.floe);
        command
            .args(["gateway", "--listen", &format!("127.0.0.1:{}", self.port)])
            .args(["--cache-size", &CACHE_MIB.to_string(), "--cache"])
            .arg(&self.cache)
            .env("FLOE_CONFIG", &self.config);
        self.process = Some(Process::start(command, &self.log)?);
        self.lives.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn kill(&mut self) {
        self.lives.fetch_add(1, Ordering::SeqCst);
        // Dropped, it is killed.
        self.process = None;
    }

    /// Waits until a blob comes whole, whichever.
    async fn serves(&self, book: &Book, blobs: &[Acked], patience: Duration) -> Attempt<()> {
        let begun = Instant::now();
        let blob = blobs.first().ok_or("nothing was written")?;
        loop {
            let got = timeout(patience, read(self.port, book, blob, None)).await;
            match got {
                Ok(Got::Whole) if begun.elapsed() <= patience => return Ok(()),
                Ok(Got::Wrong(what)) => return Err(what.into()),
                _ if begun.elapsed() > patience => {
                    let seconds = patience.as_secs();
                    return Err(format!("the gateway does not serve within {seconds} s").into());
                }
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Damaged segments that this process has come across.
    async fn damage_found(&self) -> u64 {
        let page = async {
            let stream = std::net::TcpStream::connect(("127.0.0.1", self.port)).ok()?;
            stream.set_nonblocking(true).ok()?;
            http_get(stream, "/metrics").await
        };
        let page = page.await.unwrap_or_default();
        let name = "floe_gateway_cache_damaged_total ";
        let line = page.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    fn panics(&self) -> Vec<String> {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines = log.lines().filter(|line| line.contains("panicked at"));
        lines.map(|line| format!("gateway: {line}")).collect()
    }
}

/// Readers that read until they are stopped.
struct Load {
    stop: Arc<AtomicBool>,
    wrong: Arc<Mutex<Vec<String>>>,
    tasks: JoinSet<(Samples, usize)>,
}

impl Load {
    fn start(gateway: &Gateway, book: &Arc<Book>, blobs: &Arc<[Acked]>, seed: u64) -> Self {
        let (stop, wrong) = (Arc::<AtomicBool>::default(), Arc::default());
        let mut tasks = JoinSet::new();
        for number in 0..READERS {
            let reader = Reader {
                port: gateway.port,
                lives: Arc::clone(&gateway.lives),
                book: Arc::clone(book),
                blobs: Arc::clone(blobs),
                stop: Arc::clone(&stop),
                wrong: Arc::clone(&wrong),
            };
            tasks.spawn(reader.run(ChaCha8Rng::seed_from_u64(seed.wrapping_add(number))));
        }
        Self { stop, wrong, tasks }
    }

    /// What was wrong since the last call.
    fn wrong(&self) -> Vec<String> {
        std::mem::take(&mut *self.wrong.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads that no kill fell into, how many others did not succeed, and what was wrong.
    async fn stop(mut self) -> (Samples, usize, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let (mut calm, mut cut) = (Samples::default(), 0);
        while let Some(joined) = self.tasks.join_next().await {
            match joined {
                Ok((samples, count)) => {
                    calm.add(samples);
                    cut += count;
                }
                Err(error) => calm.failures.push(error.to_string()),
            }
        }
        let wrong = self.wrong();
        (calm, cut, wrong)
    }
}

struct Reader {
    port: u16,
    lives: Arc<AtomicU64>,
    book: Arc<Book>,
    blobs: Arc<[Acked]>,
    stop: Arc<AtomicBool>,
    wrong: Arc<Mutex<Vec<String>>>,
}

impl Reader {
    async fn run(self, mut rng: ChaCha8Rng) -> (Samples, usize) {
        let (mut calm, mut cut) = (Samples::default(), 0);
        while !self.stop.load(Ordering::Relaxed) {
            let Some(blob) = self.blobs.choose(&mut rng) else {
                break;
            };
            let range = (blob.size > 0 && rng.random_ratio(1, 3)).then(|| {
                let first = rng.random_range(0..blob.size);
                (first, rng.random_range(first..blob.size))
            });
            let (life, begun) = (self.lives.load(Ordering::SeqCst), Instant::now());
            let got = read(self.port, &self.book, blob, range).await;
            let alive = life % 2 == 1 && self.lives.load(Ordering::SeqCst) == life;
            match got {
                Got::Whole => calm.times.push(begun.elapsed()),
                // A process that was just started does not listen yet.
                Got::Failed(what) if alive && !what.contains("refused") => calm.failures.push(what),
                Got::Failed(_) => {
                    cut += 1;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Got::Wrong(what) => {
                    let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
                    wrong.push(what);
                }
            }
        }
        (calm, cut)
    }
}

/// Reads a blob, or the bytes from and to (both included), and compares them with what was stored.
async fn read(port: u16, book: &Book, blob: &Acked, range: Option<(usize, usize)>) -> Got {
    let content = book.content(blob.number, blob.size);
    let expected = match range {
        Some((first, last)) => content.slice(first..=last),
        None => content,
    };
    let name = format!("blob {} {range:?}", blob.number);
    let mut at = 0;
    match exchange(port, blob, range, &expected, &mut at).await {
        Ok(None) => Got::Whole,
        Ok(Some(wrong)) => Got::Wrong(format!("{name}: {wrong}")),
        Err(error) => Got::Failed(format!("{name}: after {at} bytes: {error}")),
    }
}

/// One request. `Some` is what was wrong with an answer that claims to be right.
async fn exchange(
    port: u16,
    blob: &Acked,
    range: Option<(usize, usize)>,
    expected: &[u8],
    at: &mut usize,
) -> Attempt<Option<String>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut stream = BufReader::new(stream);
    let range_field = range.map_or(String::new(), |(first, last)| {
        format!("Range: bytes={first}-{last}\r\n")
    });
    let request = format!(
        "GET /v1/blobs/{} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n{range_field}\r\n",
        blob.blob
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if timeout(PATIENCE, stream.read_line(&mut line)).await?? == 0 {
            return Err("the head ends early".into());
        }
        match line.trim_end() {
            "" => break,
            field => head.push(field.to_ascii_lowercase()),
        }
    }
    let status = head.first().cloned().unwrap_or_default();
    let wanted = if range.is_some() { " 206 " } else { " 200 " };
    if !status.contains(wanted) {
        return Err(status.into());
    }
    let length = head
        .iter()
        .find_map(|field| field.strip_prefix("content-length: "));
    if length.and_then(|length| length.parse().ok()) != Some(expected.len()) {
        return Ok(Some(format!(
            "{length:?} bytes announced, {} are right",
            expected.len()
        )));
    }
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = timeout(PATIENCE, stream.read(&mut buffer)).await??;
        if count == 0 {
            break;
        }
        if expected.get(*at..*at + count) != buffer.get(..count) {
            return Ok(Some(format!("wrong bytes from {at} on")));
        }
        *at += count;
    }
    // Announced were more: whoever counts knows that this is a part.
    (*at == expected.len())
        .then_some(None)
        .ok_or_else(|| "the connection ended".into())
}

/// Flips bits of some cached segments, cuts some, and puts some in each other's place.
fn spoil(cache: &Path, rng: &mut ChaCha8Rng) -> Attempt<()> {
    let mut files = Vec::new();
    for folder in fs::read_dir(cache)? {
        let folder = folder?.path();
        if folder.is_dir() {
            for file in fs::read_dir(folder)? {
                files.push(file?.path());
            }
        }
    }
    for _ in 0..DAMAGED {
        let (Some(file), Some(other)) = (files.choose(rng), files.choose(rng)) else {
            return Ok(());
        };
        // While the gateway runs a segment may be evicted before it can be damaged.
        let _ = match rng.random_range(0..3) {
            0 => flip(file, rng),
            1 => cut(file, rng),
            _ => fs::copy(other, file).map(drop),
        };
    }
    Ok(())
}

fn flip(file: &Path, rng: &mut ChaCha8Rng) -> std::io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(file)?;
    let length = file.metadata()?.len().max(1);
    for _ in 0..8 {
        let at = rng.random_range(0..length);
        let mut byte = [0];
        file.read_exact_at(&mut byte, at)?;
        byte[0] ^= 1 << rng.random_range(0..8);
        file.write_all_at(&byte, at)?;
    }
    Ok(())
}

fn cut(file: &Path, rng: &mut ChaCha8Rng) -> std::io::Result<()> {
    let file = OpenOptions::new().write(true).open(file)?;
    let length = file.metadata()?.len().max(1);
    file.set_len(rng.random_range(0..length))
}
