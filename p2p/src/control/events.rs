//! What the swarm reports: connections, gossip, requests, addresses. Work goes to bounded queues; what
//! finds one full is refused and counted.

use std::{net::IpAddr, sync::Arc};

use libp2p::{
    Multiaddr, autonat, connection_limits, gossipsub, identify, kad,
    multiaddr::Protocol,
    request_response,
    swarm::{ConnectionDenied, DialError, ListenError, SwarmEvent},
};
use tokio::time::Instant;

use super::{
    behaviour::{BehaviourEvent, KAD},
    check::Checkable,
    crowd::{Full, MadeRoom},
    meter::Metering,
    place::subnet,
    plane::AskError,
    request::{self, ControlAnswer, ControlRequest},
    respond::Asked,
    score::Fault,
    store::is_plausible,
    swarm::SwarmTask,
    table,
};
use crate::{identity::PeerId, wire::Bounded};

/// Addresses taken from one peer's identify message.
const ADDRESSES: usize = 8;

impl SwarmTask {
    /// Takes what the swarm reports.
    pub(super) fn event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.behaviour_event(event),
            SwarmEvent::NewListenAddr { address, .. } => {
                tracing::info!(%address, "the control plane listens");
                if self.acceptable(&address) {
                    self.swarm.add_external_address(address.clone());
                }
                self.listening.send_modify(|all| all.push(address));
            }
            SwarmEvent::ConnectionEstablished {
                peer_id,
                num_established,
                ..
            } if num_established.get() == 1 => {
                self.tried(&peer_id);
                self.connected.send_modify(|all| all.push(peer_id));
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                num_established: 0,
                ..
            } => {
                self.state.greeted.remove(&peer_id);
                self.connected
                    .send_modify(|all| all.retain(|peer| *peer != peer_id));
            }
            SwarmEvent::OutgoingConnectionError {
                peer_id: Some(peer),
                error,
                ..
            } => {
                tracing::debug!(%peer, %error, "dial failed");
                self.tried(&peer);
                if let DialError::Denied { cause } = error {
                    self.denied(cause);
                }
            }
            SwarmEvent::IncomingConnectionError {
                error: ListenError::Denied { cause },
                ..
            } => self.denied(cause),
            _ => {}
        }
    }

    fn denied(&self, cause: ConnectionDenied) {
        let limit = cause.downcast::<connection_limits::Exceeded>().map(drop);
        let limit = limit.or_else(|cause| cause.downcast::<Full>().map(drop));
        if limit.is_ok() {
            self.metrics.saturated("connections");
        }
    }

    fn behaviour_event(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Gossip(Metering::Gossip(gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            })) => self.heard(propagation_source, message_id, message),
            BehaviourEvent::Gossip(Metering::Loud(peer)) => self.flooding(peer, "gossip_frames"),
            BehaviourEvent::Gossip(Metering::Crowded) => {
                self.metrics.saturated("gossip_strangers");
            }
            BehaviourEvent::Requests(event) => self.request_event(event),
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.identified(peer_id, &info);
            }
            BehaviourEvent::Kad(event) => self.kad_event(event),
            BehaviourEvent::Crowd(MadeRoom) => self.metrics.saturated("places"),
            BehaviourEvent::AutonatClient(autonat::v2::client::Event {
                tested_addr,
                result,
                ..
            }) => {
                let reachable = result.is_ok();
                tracing::debug!(address = %tested_addr, reachable, "address tested from outside");
            }
            _ => {}
        }
    }

    fn heard(&mut self, source: PeerId, id: gossipsub::MessageId, message: gossipsub::Message) {
        use gossipsub::MessageAcceptance::Ignore;
        let topic = self.state.topics.get(&message.topic);
        let within = self.state.gossip.take(source, Instant::now());
        let refused = match (topic, message.source) {
            (Some(topic), Some(publisher)) if within => {
                let (id, data) = (id.clone(), message.data);
                let item = Checkable::Gossip {
                    topic,
                    source,
                    publisher,
                    id,
                    data,
                };
                !self.hand_to_check(item)
            }
            _ => true,
        };
        if refused {
            let gossip = &mut self.swarm.behaviour_mut().gossip;
            gossip.report_message_validation_result(&id, &source, Ignore);
        }
        if !within {
            self.flooding(source, "gossip_messages");
        }
    }

    /// A peer asks or says more than its quota of something.
    fn flooding(&mut self, peer: PeerId, what: &'static str) {
        self.metrics.saturated(what);
        self.fault(peer, Fault::Flooding);
    }

    fn hand_to_check(&self, item: Checkable) -> bool {
        let taken = self.check.try_send(item).is_ok();
        if !taken {
            self.metrics.saturated("check");
        }
        taken
    }

    fn request_event(&mut self, event: request_response::Event<ControlRequest, ControlAnswer>) {
        use request_response::{Event, Message, OutboundFailure};
        match event {
            Event::Message {
                peer,
                message:
                    Message::Request {
                        request_id,
                        request,
                        channel,
                    },
                ..
            } => {
                if !self.state.requests.take(peer, Instant::now()) {
                    return self.flooding(peer, "peer_requests");
                }
                let channel = if !self.book.is_member(&peer) && self.state.reads_too_little(&peer) {
                    self.metrics.saturated("unread_answers");
                    channel
                } else if let Err(full) = self.asked.try_send(Asked { request, channel }) {
                    self.metrics.saturated("requests");
                    full.into_inner().channel
                } else {
                    let unread = self.state.unread.entry(peer).or_default();
                    unread.insert(request_id);
                    return;
                };
                let requests = &mut self.swarm.behaviour_mut().requests;
                let _ = requests.send_response(channel, ControlAnswer::Busy);
            }
            Event::Message {
                peer,
                message:
                    Message::Response {
                        request_id,
                        response,
                    },
                ..
            } => {
                let unread = match self.state.waiting.remove(&request_id) {
                    Some(reply) => reply.send(Ok(response)).err(),
                    None => Some(Ok(response)),
                };
                // Nobody waits for greetings but the book, and for what comes late.
                if let Some(Ok(ControlAnswer::Records(records))) = unread {
                    let records = records.into_inner();
                    self.hand_to_check(Checkable::Records {
                        from: peer,
                        records,
                    });
                }
            }
            Event::OutboundFailure {
                peer,
                request_id,
                error,
                ..
            } => {
                let malformed = matches!(&error, OutboundFailure::Io(error)
                    if error.kind() == std::io::ErrorKind::InvalidData);
                match error {
                    _ if malformed => self.fault(peer, Fault::Malformed),
                    OutboundFailure::Timeout => self.fault(peer, Fault::Unanswered),
                    _ => {}
                }
                if let Some(reply) = self.state.waiting.remove(&request_id) {
                    let why = error.to_string();
                    let _ = reply.send(Err(AskError::Failed { peer, why }));
                }
            }
            Event::InboundFailure {
                peer,
                request_id,
                error,
                ..
            } => {
                self.state.was_read(peer, request_id);
                if let request_response::InboundFailure::Io(error) = error
                    && error.kind() == std::io::ErrorKind::InvalidData
                {
                    self.fault(peer, Fault::Malformed);
                }
            }
            Event::ResponseSent {
                peer, request_id, ..
            } => self.state.was_read(peer, request_id),
        }
    }

    fn identified(&mut self, peer: PeerId, info: &identify::Info) {
        if !self.state.requests.take(peer, Instant::now()) {
            return self.flooding(peer, "peer_requests");
        }
        if info.protocols.contains(&KAD) {
            self.enter_in_table(peer, &info.listen_addrs);
        }
        let answers = info
            .protocols
            .iter()
            .any(|p| p.as_ref() == request::PROTOCOL);
        if answers && self.state.greeted.insert(peer) {
            let own = ControlRequest::Records(Bounded::default());
            self.swarm.behaviour_mut().requests.send_request(&peer, own);
        }
    }

    /// Only where a peer said last that it is: the table itself would keep every address it ever named.
    fn enter_in_table(&mut self, peer: PeerId, addresses: &[Multiaddr]) {
        let trusted = self.book.is_member(&peer) || self.book.is_bootstrap(&peer);
        let known = trusted || self.local_network;
        let crowd = &self.swarm.behaviour().crowd;
        let is_met = |address| subnet(address).is_some_and(|at| crowd.is_met_in(at, &peer));
        let addresses = addresses
            .iter()
            .filter(|address| self.acceptable(address) && (known || is_met(address)))
            .take(ADDRESSES);
        let addresses: Vec<_> = addresses.cloned().collect();
        if addresses.is_empty() {
            // It may have entered with others, where this side dialled it.
            return;
        }
        let book = Arc::clone(&self.book);
        let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() else {
            return;
        };
        kad.remove_peer(&peer);
        if book.is_member(&peer) {
            table::make_room(kad, &peer, |other| book.is_member(other));
        }
        if !known && !table::has_room(kad, &peer, &addresses) {
            return self.metrics.saturated("table_places");
        }
        for address in addresses {
            kad.add_address(&peer, address);
        }
    }

    fn kad_event(&mut self, event: kad::Event) {
        match event {
            kad::Event::InboundRequest {
                request:
                    kad::InboundRequest::PutRecord {
                        source,
                        record: Some(record),
                        ..
                    },
            } => {
                if !is_plausible(&record.key, &record.value) {
                    self.fault(source, Fault::Malformed);
                } else if self.state.requests.take(source, Instant::now()) {
                    self.hand_to_check(Checkable::Put {
                        from: source,
                        record,
                    });
                } else {
                    self.flooding(source, "peer_requests");
                }
            }
            kad::Event::OutboundQueryProgressed {
                id,
                result: kad::QueryResult::GetRecord(result),
                step,
                ..
            } => {
                if step.last {
                    self.state.lookups.remove(&id);
                }
                if let Ok(kad::GetRecordOk::FoundRecord(found)) = result {
                    let kad::PeerRecord { peer: from, record } = found;
                    self.hand_to_check(Checkable::Found { from, record });
                }
            }
            _ => {}
        }
    }

    /// Whether an address that somebody names may be dialled: private ones only at home.
    fn acceptable(&self, address: &Multiaddr) -> bool {
        match address.iter().next() {
            Some(Protocol::Ip4(ip)) => self.is_reachable(ip.into()),
            Some(Protocol::Ip6(ip)) => self.is_reachable(ip.into()),
            Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_)) => true,
            _ => false,
        }
    }

    fn is_reachable(&self, ip: IpAddr) -> bool {
        if ip.is_unspecified() || ip.is_multicast() {
            return false;
        }
        let private = match ip {
            IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
            IpAddr::V6(ip) => {
                ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()
            }
        };
        self.local_network || !private
    }
}
