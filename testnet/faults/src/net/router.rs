//! Carries packets between the devices of all places, as the model says. Decides nothing.

use std::{
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Instant,
};

use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tun_rs::{AsyncDevice, SyncDevice};

use super::{
    dials::Dials,
    lock,
    model::{Model, Place},
    namespace::MTU,
    packet::{Initial, addresses},
};
use crate::Attempt;

/// A running router; it ends when dropped.
pub(super) struct Router {
    pub(super) shared: Arc<Mutex<Shared>>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// What the router and the rows look at together.
pub(super) struct Shared {
    pub(super) model: Model,
    pub(super) dials: Dials,
}

impl Router {
    /// Starts to carry packets between the devices of places 0, 1, 2...
    pub(super) fn start(wires: Vec<SyncDevice>, model: Model) -> Attempt<Self> {
        let shared = Arc::new(Mutex::new(Shared {
            model,
            dials: Dials::default(),
        }));
        let stop = CancellationToken::new();
        // A thread of its own: what the harness computes must not delay packets.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let wires = {
            let _inside = runtime.enter();
            let wires = wires.into_iter().map(AsyncDevice::new);
            wires.collect::<Result<Vec<_>, _>>()?
        };
        let carry = carry(wires, Arc::clone(&shared), stop.clone());
        let thread = std::thread::Builder::new()
            .name("router".to_owned())
            .spawn(move || runtime.block_on(carry))?;
        Ok(Self {
            shared,
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic of the router was printed when it happened.
            let _ = thread.join();
        }
    }
}

async fn carry(wires: Vec<AsyncDevice>, shared: Arc<Mutex<Shared>>, stop: CancellationToken) {
    let wires = Arc::new(wires);
    let sooner = Arc::new(Notify::new());
    let mut readers = JoinSet::new();
    for place in 0..wires.len() {
        let (wires, shared, sooner) =
            (Arc::clone(&wires), Arc::clone(&shared), Arc::clone(&sooner));
        readers.spawn(read(Place(place), wires, shared, sooner));
    }
    let deliver = async {
        loop {
            let next = lock(&shared).model.next();
            let pause = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = pause => {
                    deliver_due(&wires, &shared);
                }
                () = sooner.notified() => {}
            }
        }
    };
    tokio::select! {
        () = deliver => {}
        () = stop.cancelled() => {}
    }
}

/// Takes packets from one device.
async fn read(
    from: Place,
    wires: Arc<Vec<AsyncDevice>>,
    shared: Arc<Mutex<Shared>>,
    sooner: Arc<Notify>,
) {
    let mut buffer = [0; MTU as usize];
    let Some(wire) = wires.get(from.0) else {
        return;
    };
    while let Ok(size) = wire.recv(&mut buffer).await {
        let packet = buffer.get(..size).unwrap_or_default();
        // Who says to be somebody else, or talks of IPv6 to nobody, is not heard.
        let Some(to) = addresses(packet)
            .filter(|(source, _)| *source == from.address())
            .and_then(|(_, to)| Place::at(to))
        else {
            continue;
        };
        let now = Instant::now();
        {
            let shared = &mut *lock(&shared);
            if let Some(initial) = Initial::read(packet) {
                shared.dials.seen(now, initial);
            }
            shared.model.send(now, from, to, packet);
        }
        if deliver_due(&wires, &shared) {
            sooner.notify_one();
        }
    }
}

/// Hands over what has arrived; returns whether more is on its way.
fn deliver_due(wires: &[AsyncDevice], shared: &Arc<Mutex<Shared>>) -> bool {
    let now = Instant::now();
    loop {
        let (to, packet) = {
            let model = &mut lock(shared).model;
            match model.arrived(now) {
                Some(arrived) => arrived,
                None => return model.next().is_some(),
            }
        };
        if let Some(wire) = wires.get(to.0) {
            // A device whose process is gone, or that is full, loses packets as any other does.
            let _ = wire.try_send(&packet);
        }
    }
}
