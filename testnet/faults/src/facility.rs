//! What the machine must offer for a row. A row whose facility is missing is skipped, and says so.

use std::path::Path;

use crate::{net, process::is_installed};

/// Something a row cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Facility {
    /// Loop devices, ext4 and the right to mount.
    LoopDisks,
    /// System calls that fail on demand.
    Strace,
    /// Memory limits, of control groups in their first version.
    MemoryGroups,
    /// A wall clock that lies to one process.
    FakeTime,
    /// Cargo and the sources, for rows that are tests of a crate.
    Cargo,
    /// Network namespaces and TUN devices.
    Namespaces,
}

/// Where libfaketime lies on Debian, by architecture.
pub(crate) const FAKETIME: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
];

/// Where the memory controller of control groups (first version) is mounted.
pub(crate) const MEMORY_GROUPS: &str = "/sys/fs/cgroup/memory";

impl Facility {
    /// What is missing, in words; `None` if nothing is.
    pub(crate) fn missing(self) -> Option<String> {
        let lacks = |present: bool, what: &str| (!present).then(|| what.to_owned());
        let root = rustix::process::geteuid().is_root();
        match self {
            Self::LoopDisks => lacks(root, "mounting needs root").or_else(|| {
                let programs = ["mkfs.ext4", "mount", "umount", "findmnt"];
                let absent = programs.into_iter().find(|program| !is_installed(program));
                absent
                    .map(|program| format!("{program} is not installed"))
                    .or_else(|| lacks(Path::new("/dev/loop-control").exists(), "no loop devices"))
            }),
            Self::Strace => lacks(root, "tracing needs root")
                .or_else(|| lacks(is_installed("strace"), "strace is not installed")),
            Self::MemoryGroups => {
                let file = Path::new(MEMORY_GROUPS).join("memory.limit_in_bytes");
                lacks(root, "control groups need root")
                    .or_else(|| lacks(file.exists(), "no memory control groups (v1)"))
            }
            Self::FakeTime => lacks(faketime().is_some(), "libfaketime is not installed"),
            Self::Cargo => lacks(is_installed("cargo"), "cargo is not installed"),
            Self::Namespaces => lacks(root, "network namespaces need root").or_else(net::missing),
        }
    }
}

/// The library that lies about the time.
pub(crate) fn faketime() -> Option<&'static str> {
    FAKETIME
        .iter()
        .copied()
        .find(|path| Path::new(path).exists())
}
