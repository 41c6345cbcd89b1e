//! The small requests of the control plane and their answers.

use floe_chain::{
    certificate::{Confirmation, UnverifiedCertificate},
    committee::Committee,
    epoch::Epoch,
    statement::Handover,
};
use serde::{Deserialize, Serialize};

use super::record::SignedRecord;
use crate::{
    identity::{PeerId, peer_id_of, public_key_of},
    wire::Bounded,
};

/// The name of the protocol.
pub const PROTOCOL: &str = "/floe/control/1";
/// The longest request, in bytes.
pub const MAX_REQUEST: usize = 16 << 10;
/// The longest answer: the signatures of a committee of 1,024, in bytes.
pub const MAX_ANSWER: usize = 384 << 10;

/// A peer by its Ed25519 key.
///
/// # Layout
/// BCS: `key 32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PeerKey([u8; 32]);

impl PeerKey {
    /// The key of a peer; `None` for peers with keys of other types, of which Floe has none.
    #[must_use]
    pub fn of(peer: &PeerId) -> Option<Self> {
        public_key_of(peer).map(Self)
    }

    /// The peer, if the key is one.
    #[must_use]
    pub fn peer(&self) -> Option<PeerId> {
        peer_id_of(&self.0).ok()
    }
}

/// What one peer asks another.
///
/// # Layout
/// BCS: variant u8, then its fields; at most 16 KiB. On the wire: length u32 LE, then the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlRequest {
    /// 0: the records of these peers; of the asked peer itself if the list is empty.
    Records(Bounded<PeerKey, 256>),
    /// 1: the committee of an epoch and the certificate that names it.
    Committee(Epoch),
    /// 2: signatures known under the committee of an epoch, by members of the one before.
    Signatures(Epoch),
}

/// What it is answered.
///
/// # Layout
/// BCS: variant u8, then its fields; at most 384 KiB. On the wire: length u32 LE, then the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlAnswer {
    /// 0: not known here.
    Unknown,
    /// 1: too much to do; ask again later, or somebody else.
    Busy,
    /// 2: the records known of those asked for, at most 128.
    Records(Bounded<SignedRecord, 128>),
    /// 3: the committee.
    Committee(Box<NamedCommittee>),
    /// 4: the signatures.
    Signatures(Bounded<Confirmation<Handover>, 1024>),
}

/// A committee with the certificate of the one before; reading the contents checks their
/// consistency.
///
/// # Layout
/// BCS: `contents | certificate option`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedCommittee {
    /// The committee.
    pub committee: Committee,
    /// The certificate by which its predecessor names it; none for the first one, or if the node
    /// has none.
    pub handover: Option<UnverifiedCertificate<Handover>>,
}
