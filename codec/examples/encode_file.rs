//! Encodes a file into a folder of slivers, deletes all but the few that are needed, decodes those and
//! compares.
//!
//! `cargo run --release -p floe-codec --example encode_file -- --shards 100 FILE OUTDIR`
//!
//! Every sliver is one file, `primary-0007` or `secondary-0007`, with the segments one after the
//! other; `metadata-00000` has the hashes of segment 0. The slivers kept are the last ones, which are mostly parity.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program: it opens files, takes the time and talks to people"
)]

use std::{
    error::Error,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use clap::{Parser, ValueEnum};
use floe_codec::{
    Axis, BlobCommitment, BlobLayout, Codec, SegmentIndex, SegmentMetadata, ShardCount, SliverIndex,
};
use indicatif::{ProgressBar, ProgressStyle};

/// Encodes a file into slivers, deletes all but the needed ones, decodes these and compares.
#[derive(Parser)]
struct Options {
    /// Number of shards, 4 to 1024.
    #[arg(long)]
    shards: u16,
    /// Which slivers are left to decode from.
    #[arg(long, default_value = "primary")]
    keep: Keep,
    /// Write no others than these in the first place: takes as much room as the file, not 4.5 times.
    #[arg(long)]
    only_kept: bool,
    /// Coding threads; 0 means one per processor.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// The file to encode.
    file: PathBuf,
    /// The folder for the slivers; it must not exist.
    outdir: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Keep {
    Primary,
    Secondary,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let shards = ShardCount::new(options.shards)?;
    let layout = BlobLayout::for_shards(shards, fs::metadata(&options.file)?.len())?;
    let codec = Codec::new(options.threads)?;
    fs::create_dir(&options.outdir)?;
    println!(
        "{} bytes, {} with {shards} shards: {} segments, {} bytes encoded",
        layout.length(),
        layout.encoding(),
        layout.segment_count(),
        layout.encoded_size(),
    );

    let commitment = commit(&codec, &layout, &options.file)?;
    println!("blob {}", commitment.id());
    let axis = match options.keep {
        Keep::Primary => Axis::Primary,
        Keep::Secondary => Axis::Secondary,
    };
    let needed = usize::from(*shards.source_slivers().get(axis));
    let lost = SliverIndex::all(shards).len() - needed;
    let kept: Vec<SliverIndex> = SliverIndex::all(shards).skip(lost).collect();
    let keeps = |of: Axis, index: SliverIndex| of == axis && kept.contains(&index);

    let writes = |of, index| !options.only_kept || keeps(of, index);
    encode(&codec, &commitment, &options.file, &options.outdir, writes)?;
    println!("peak memory {} after encoding", peak_memory());
    for of in Axis::BOTH {
        for index in
            SliverIndex::all(shards).filter(|&index| writes(of, index) && !keeps(of, index))
        {
            fs::remove_file(sliver_path(&options.outdir, of, index))?;
        }
    }
    println!("kept {needed} {axis} slivers of {}", 2 * shards.get());
    let original = Compare(File::open(&options.file)?);
    decode(&codec, &commitment, axis, &kept, &options.outdir, original)?;
    println!(
        "the decoded bytes are the same; peak memory {}",
        peak_memory()
    );
    Ok(())
}

/// First pass: learns the blob id.
fn commit(
    codec: &Codec,
    layout: &BlobLayout,
    file: &Path,
) -> Result<BlobCommitment, Box<dyn Error>> {
    let progress = Progress::new("commit", layout.length());
    let commitment = codec.commit(layout, progress.bar.wrap_read(File::open(file)?))?;
    progress.finish();
    Ok(commitment)
}

/// Second pass: writes the slivers that `writes` says.
fn encode(
    codec: &Codec,
    commitment: &BlobCommitment,
    file: &Path,
    outdir: &Path,
    writes: impl Fn(Axis, SliverIndex) -> bool,
) -> Result<(), Box<dyn Error>> {
    let progress = Progress::new("encode", commitment.layout().length());
    let mut encoder = codec.encoder(commitment.clone(), File::open(file)?);
    while let Some(ready) = encoder.next_segment()? {
        let metadata = bcs::to_bytes(&ready.metadata)?;
        fs::write(metadata_path(outdir, ready.metadata.segment()), metadata)?;
        for axis in Axis::BOTH {
            let all = SliverIndex::all(commitment.layout().shards());
            for index in all.filter(|&index| writes(axis, index)) {
                let path = sliver_path(outdir, axis, index);
                let mut sliver = OpenOptions::new().append(true).create(true).open(path)?;
                sliver.write_all(ready.encoded.sliver(axis, index)?)?;
            }
        }
        progress
            .bar
            .inc(ready.metadata.layout().length().try_into()?);
        encoder.recycle(ready.encoded);
    }
    progress.finish();
    Ok(())
}

/// Decodes the blob from the slivers that are left, each checked against the blob id.
fn decode(
    codec: &Codec,
    commitment: &BlobCommitment,
    axis: Axis,
    kept: &[SliverIndex],
    outdir: &Path,
    output: impl Write + Send,
) -> Result<(), Box<dyn Error>> {
    let layout = commitment.layout();
    let progress = Progress::new("decode", layout.length());
    let mut decoder = codec.decoder(*commitment.id(), *layout, output);
    let mut offset = 0;
    for segment in layout.segments() {
        let received = fs::read(metadata_path(outdir, segment.index()))?;
        let received: SegmentMetadata<_> = bcs::from_bytes(&received)?;
        let received = received.verify(commitment.id())?;
        let size = segment.sliver_size(axis);
        let mut slivers = Vec::new();
        for &index in kept {
            let mut file = File::open(sliver_path(outdir, axis, index))?;
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = vec![0; size];
            file.read_exact(&mut bytes)?;
            slivers.push((axis, index, bytes));
        }
        let verified: Result<Vec<_>, _> = codec
            .verify_slivers(&received, slivers)
            .into_iter()
            .collect();
        decoder.push(&received, &verified?)?;
        offset += u64::try_from(size)?;
        progress.bar.inc(segment.length().try_into()?);
    }
    decoder.finish()?;
    progress.finish();
    Ok(())
}

fn metadata_path(outdir: &Path, segment: SegmentIndex) -> PathBuf {
    outdir.join(format!("metadata-{:05}", segment.get()))
}

fn sliver_path(outdir: &Path, axis: Axis, index: SliverIndex) -> PathBuf {
    outdir.join(format!("{axis}-{:04}", index.get()))
}

/// Takes what is the same as the rest of the file.
struct Compare(File);

impl Write for Compare {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut expected = vec![0; bytes.len().min(1 << 20)];
        self.0.read_exact(&mut expected)?;
        if bytes.starts_with(&expected) {
            Ok(expected.len())
        } else {
            Err(io::Error::other("the decoded bytes differ"))
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The most memory this process had, where the system tells.
fn peak_memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or("unknown".into(), |peak| peak.trim().to_owned())
}

/// A progress bar that says at the end how fast it was.
struct Progress {
    bar: ProgressBar,
    what: &'static str,
    started: Instant,
}

impl Progress {
    fn new(what: &'static str, bytes: u64) -> Self {
        let style = "{prefix:8} {bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        let style = ProgressStyle::with_template(style).expect("the template is well-formed");
        let bar = ProgressBar::new(bytes).with_style(style).with_prefix(what);
        Self {
            bar,
            what,
            started: Instant::now(),
        }
    }

    fn finish(self) {
        self.bar.finish_and_clear();
        let (bytes, time) = (self.bar.position(), self.started.elapsed());
        #[expect(clippy::cast_precision_loss, reason = "a rate to look at")]
        let rate = bytes as f64 / time.as_secs_f64().max(1e-9) / 1e6;
        println!(
            "{}: {bytes} bytes in {:.1} s, {rate:.0} MB/s",
            self.what,
            time.as_secs_f64()
        );
    }
}
