//! Network namespaces of Linux, each with a loopback and one TUN device. A namespace lives while a
//! process is in it or [`Namespace`] is held; nothing is left behind, however the harness ends.

use std::{fs::File, io, net::Ipv4Addr, os::fd::AsFd, path::Path, process::Command, thread};

use nix::sched::{CloneFlags, setns, unshare};
use tun_rs::{DeviceBuilder, SyncDevice};

use crate::{
    Attempt,
    process::{is_installed, run},
};

/// Bytes of the largest packet, as on an Ethernet.
pub(super) const MTU: u16 = 1500;
/// The network of the calling thread.
const OWN: &str = "/proc/thread-self/ns/net";

/// A network namespace with one device.
#[derive(Debug)]
pub(crate) struct Namespace {
    file: File,
}

impl Namespace {
    /// A new one, and its device.
    pub(super) fn new(address: Ipv4Addr) -> Attempt<(Self, SyncDevice)> {
        // Whoever enters a namespace never leaves it: a thread of its own does.
        on_a_thread(move || {
            leave_the_machines_network()?;
            let file = File::open(OWN)?;
            Ok((Self { file }, wire(address)?))
        })
    }

    /// Does something inside: sockets opened and processes started there stay there.
    pub(crate) fn within<T: Send>(&self, act: impl FnOnce() -> Attempt<T> + Send) -> Attempt<T> {
        on_a_thread(|| {
            setns(self.file.as_fd(), CloneFlags::CLONE_NEWNET).map_err(io::Error::from)?;
            act()
        })
    }
}

/// Puts the calling thread, and every thread and process it starts from now on, into an empty network
/// of their own: nothing they send can reach the machine's.
pub(crate) fn leave_the_machines_network() -> Attempt<()> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(io::Error::from)?;
    run(Command::new("ip").args(["link", "set", "lo", "up"]))?;
    Ok(())
}

/// A TUN device in the network of the calling thread; it is gone when dropped.
pub(super) fn wire(address: Ipv4Addr) -> Attempt<SyncDevice> {
    let device = DeviceBuilder::new()
        .name("floe0")
        .mtu(MTU)
        .ipv4(address, 24, None);
    Ok(device.build_sync()?)
}

/// Why namespaces cannot be had here; `None` if they can.
pub(crate) fn missing() -> Option<String> {
    if !is_installed("ip") {
        return Some("ip (iproute2) is not installed".to_owned());
    }
    if !Path::new("/dev/net/tun").exists() {
        return Some("no TUN devices".to_owned());
    }
    let tried = Namespace::new(Ipv4Addr::new(10, 77, 0, 254));
    tried
        .err()
        .map(|error| format!("no network namespaces: {error}"))
}

fn on_a_thread<T: Send>(act: impl FnOnce() -> Attempt<T> + Send) -> Attempt<T> {
    thread::scope(|scope| {
        let joined = scope.spawn(act).join();
        joined.unwrap_or_else(|_| Err("a thread of the harness panicked".into()))
    })
}
