//! Faults put into a running process from outside: failing and slow system calls, memory limits.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{Attempt, facility::MEMORY_GROUPS, process::Process};

/// Failing system calls of one process, until dropped.
#[derive(Debug)]
pub(crate) struct Injection {
    tracer: Process,
}

impl Injection {
    /// Attaches to a process and all its threads. `rule` is what stands behind `inject=`.
    pub(crate) async fn attach(process: u32, rule: &str, log: &Path) -> Attempt<Self> {
        let _ = fs::remove_file(log);
        let mut command = Command::new("strace");
        command
            .args(["-f", "-p", &process.to_string(), "-e"])
            .arg(format!("inject={rule}"))
            .arg("-e")
            .arg(format!("trace={}", rule.split(':').next().unwrap_or(rule)));
        let tracer = Process::start(command, log)?;
        crate::world::wait_for("strace attached", Duration::from_secs(5), || {
            let text = fs::read_to_string(log).unwrap_or_default();
            std::future::ready(text.contains("attached"))
        })
        .await?;
        Ok(Self { tracer })
    }

    /// System calls that were tampered with so far.
    pub(crate) fn injected(&self) -> usize {
        let text = fs::read_to_string(self.tracer.log()).unwrap_or_default();
        let tampered = |line: &&str| line.contains("(INJECTED)") || line.contains("(DELAYED)");
        text.lines().filter(tampered).count()
    }
}

impl Drop for Injection {
    fn drop(&mut self) {
        // Asked politely, it lets go of the process and everything goes on untampered.
        self.tracer.stop(Duration::from_secs(5));
    }
}

/// A control group that bounds memory, page cache included. Removed when dropped.
#[derive(Debug)]
pub(crate) struct MemoryGroup {
    path: PathBuf,
}

impl MemoryGroup {
    pub(crate) fn new(name: &str, bytes: u64) -> Attempt<Self> {
        let path = Path::new(MEMORY_GROUPS).join(format!("floe-{}-{name}", std::process::id()));
        fs::create_dir_all(&path)?;
        let group = Self { path };
        fs::write(group.path.join("memory.limit_in_bytes"), bytes.to_string())?;
        Ok(group)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The most bytes that were in use at once, page cache included.
    pub(crate) fn peak(&self) -> u64 {
        self.number("memory.max_usage_in_bytes")
    }

    /// Anonymous memory in use now: what cannot be given back.
    pub(crate) fn resident(&self) -> u64 {
        let text = fs::read_to_string(self.path.join("memory.stat")).unwrap_or_default();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("total_rss "));
        line.and_then(|number| number.trim().parse().ok())
            .unwrap_or_default()
    }

    /// Processes of the group that were killed for want of memory.
    pub(crate) fn killed(&self) -> u64 {
        let text = fs::read_to_string(self.path.join("memory.oom_control")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        line.and_then(|number| number.trim().parse().ok())
            .unwrap_or_default()
    }

    fn number(&self, file: &str) -> u64 {
        let text = fs::read_to_string(self.path.join(file)).unwrap_or_default();
        text.trim().parse().unwrap_or_default()
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // The group is empty only when the kernel has forgotten its last process.
        for _ in 0..50 {
            if fs::remove_dir(&self.path).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
