//! A bad network between real processes. Every node runs in a network namespace whose only way out
//! is a TUN device; the harness holds the other end of all of them and is the router in between.
//!
//! [`model`] decides, purely, what becomes of each packet; [`router`] carries packets and decides
//! nothing; [`namespace`] makes places to run in and leaves none behind: a namespace lives as long
//! as somebody is in it, a device as long as it is held.

mod dials;
mod model;
mod namespace;
mod packet;
mod router;

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};

use self::router::Router;
pub(crate) use self::{
    model::{Model, Place, Tally, Way},
    namespace::{Namespace, leave_the_machines_network, missing},
};
use crate::Attempt;

/// The network of all places: only ever seen inside namespaces that the harness made.
const SUBNET: [u8; 3] = [10, 77, 0];

/// The network between the harness and its nodes.
pub(crate) struct BadNetwork {
    router: Router,
}

impl BadNetwork {
    /// As many places as there are nodes, besides the one of the harness itself, which must have
    /// left the machine's network; everything arrives at once.
    pub(crate) fn new(nodes: usize, seed: u64) -> Attempt<(Self, Vec<Namespace>)> {
        let mut wires = vec![namespace::wire(Place::HERE.address())?];
        let mut spaces = Vec::new();
        for node in 0..nodes {
            let (space, wire) = Namespace::new(Place::node(node).address())?;
            spaces.push(space);
            wires.push(wire);
        }
        let model = Model::new(wires.len(), seed);
        let router = Router::start(wires, model)?;
        Ok((Self { router }, spaces))
    }

    /// Changes the ways between places.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Model)) {
        change(&mut lock(&self.router.shared).model);
    }

    /// From now on everything arrives at once.
    pub(crate) fn heal(&self) {
        self.change(Model::heal);
    }

    /// The most QUIC connections that one socket began to another within a minute, and which two.
    pub(crate) fn most_dials(&self) -> Option<(usize, String)> {
        lock(&self.router.shared).dials.most()
    }

    /// What became of all packets so far.
    pub(crate) fn tally(&self) -> Tally {
        lock(&self.router.shared).model.tally()
    }
}

impl Place {
    /// The harness: its clients and the local chain.
    pub(crate) const HERE: Self = Self(0);

    pub(crate) const fn node(node: usize) -> Self {
        Self(node + 1)
    }

    /// Where the place is on the network.
    pub(crate) fn address(self) -> Ipv4Addr {
        let [a, b, c] = SUBNET;
        let host = u8::try_from(self.0 + 1).expect("a network has few places");
        Ipv4Addr::new(a, b, c, host)
    }

    fn at(address: Ipv4Addr) -> Option<Self> {
        let [a, b, c, host] = address.octets();
        let host = usize::from(host).checked_sub(1)?;
        ([a, b, c] == SUBNET).then_some(Self(host))
    }
}

fn lock<T>(value: &Arc<Mutex<T>>) -> std::sync::MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
