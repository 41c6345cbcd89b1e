//! Storing and reading within the memory that is promised, plus a tenth, standard input included.

use std::{
    fs::File,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use super::{Stage, resume::client_file, trial_seed};
use crate::{Attempt, Settings, inject::MemoryGroup, process::run, report::Findings};

/// What the client states in its README, in MiB.
const STORE_MIB: u64 = 160;
const READ_MIB: u64 = 128;

pub(super) async fn memory(settings: &Settings, findings: &mut Findings) -> Attempt<()> {
    let stage = Stage::new(settings, false).await?;
    let size = settings.either(96 << 20, 1 << 30);
    let files = [0, 1].map(|number| (number, stage.world.dir.join(format!("large-{number}"))));
    for (number, path) in &files {
        std::fs::write(path, stage.book.content(*number, size))?;
    }
    let [(_, file), (_, other)] = files;
    let copy = stage.world.dir.join("copy");
    let floe = stage.world.floe.clone();
    let config = client_file(&stage.world.dir);
    let text = |path: &Path| path.display().to_string();

    let spool = text(&stage.world.dir.join("spool"));
    let named = ["store", "--progress", "off", &text(&file)].map(str::to_owned);
    let piped = ["store", "--progress", "off", "--spool-dir", &spool, "-"].map(str::to_owned);
    let mut id = String::new();
    let cases = [
        ("store FILE", named.to_vec(), None),
        ("store -", piped.to_vec(), Some(other.clone())),
    ];
    for (trial, (what, args, input)) in (0..).zip(cases) {
        let begun = Instant::now();
        let (said, note) = bounded(&floe, &config, &args, STORE_MIB, input)?;
        findings
            .notes
            .push(format!("{what}, {} MiB: {note}", size >> 20));
        let wrong = match said {
            Ok(said) => {
                id = said.trim().to_owned();
                Vec::new()
            }
            Err(error) => vec![format!("{what}: {error}")],
        };
        findings.trial(trial_seed(settings, trial), begun.elapsed(), wrong);
    }
    let begun = Instant::now();
    let read = ["read", "--progress", "off", &id, "-o", &text(&copy)].map(str::to_owned);
    let (said, note) = bounded(&floe, &config, &read, READ_MIB, None)?;
    findings
        .notes
        .push(format!("read, {} MiB: {note}", size >> 20));
    let mut wrong: Vec<String> = said.err().into_iter().collect();
    if wrong.is_empty() {
        let same = run(Command::new("cmp").arg(&other).arg(&copy));
        wrong.extend(same.err().map(|error| error.to_string()));
    }
    findings.trial(trial_seed(settings, 9), begun.elapsed(), wrong);
    findings.broken.extend(stage.world.panics());
    Ok(())
}

/// Runs the client in a control group of the promised memory plus a tenth.
fn bounded(
    floe: &Path,
    config: &Path,
    args: &[String],
    mib: u64,
    input: Option<std::path::PathBuf>,
) -> Attempt<(Result<String, String>, String)> {
    let group = MemoryGroup::new("client", (mib << 20) / 10 * 11)?;
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"echo $$ >"$0/cgroup.procs" && exec "$@""#])
        .arg(group.path())
        .arg(floe)
        .args(args)
        .env("FLOE_CONFIG", config)
        .stdin(match input {
            Some(path) => Stdio::from(File::open(path)?),
            None => Stdio::null(),
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn()?;
    let id = child.id();
    let resident = std::thread::spawn(move || {
        // The high-water mark of the process itself, for as long as there is one.
        let mut peak = 0;
        while let Ok(text) = std::fs::read_to_string(format!("/proc/{id}/status")) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let Some(kib) =
                line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
            else {
                break;
            };
            peak = peak.max(kib >> 10);
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        peak
    });
    let output = child.wait_with_output()?;
    let peak = resident.join().unwrap_or_default();
    let note = format!(
        "{peak} MiB resident at most, {} MiB allowed, {} killed for memory",
        mib * 11 / 10,
        group.killed()
    );
    let said = if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let error = String::from_utf8_lossy(&output.stderr);
        Err(format!("{}: {}", output.status, error.trim()))
    };
    Ok((said, note))
}
