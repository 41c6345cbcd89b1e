//! What gossip is worth: every message is judged here before it is believed or passed on. A pure
//! state machine; signatures are checked last, and never twice for the same news.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use floe_chain::{
    certificate::{CertificateError, Confirmation, UnverifiedCertificate},
    committee::{Committee, MemberIndex},
    epoch::{ChainTime, Epoch},
    id::{NetworkId, NodeId},
    keys::KeyError,
    statement::Handover,
};
use floe_codec::BlobId;
use serde::de::DeserializeOwned;

use super::{
    inventory::SignedInventory,
    news::{CommitteeNews, InconsistencyNotice, News},
    record::SignedRecord,
    signed::{Signable, Signed, SignedError},
    topic::Topic,
};
use crate::identity::{PeerId, peer_id_of};

/// What to do with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Believe it and pass it on.
    Accept(Box<News>),
    /// Drop it; whoever passed it on may be honest.
    Ignore(Ignored),
    /// Drop it and hold it against whoever passed it on.
    Reject(Rejected),
}

/// Why a message is dropped without blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// The same or later news was heard before.
    #[error("already known")]
    Known,
    /// The author is in no committee that is known here.
    #[error("its author is not a member")]
    NotAMember,
    /// Of an epoch whose committee is not known here: too old, or this peer is behind.
    #[error("of epoch {found}, whose committee is not known")]
    Epoch {
        /// The epoch it speaks of.
        found: Epoch,
    },
    /// Again sooner than the author may.
    #[error("too soon after the last from the same author")]
    TooSoon,
    /// The chain says otherwise.
    #[error("it contradicts what the chain says of epoch {epoch}")]
    ContradictsChain {
        /// The epoch.
        epoch: Epoch,
    },
    /// Written at another time than now, by this peer's clock.
    #[error(transparent)]
    Time(SignedError),
}

/// Why a message is dropped and its sender blamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Longer than any honest one.
    #[error("longer than any message of its topic")]
    TooLong,
    /// It does not decode.
    #[error("malformed")]
    Malformed,
    /// A signed value that is none.
    #[error(transparent)]
    Signed(SignedError),
    /// A certificate or signature under a committee that is none.
    #[error(transparent)]
    Certificate(CertificateError),
}

impl Ignored {
    /// A word for metrics.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::NotAMember => "not_a_member",
            Self::Epoch { .. } => "epoch",
            Self::TooSoon => "too_soon",
            Self::ContradictsChain { .. } => "contradicts_chain",
            Self::Time(_) => "time",
        }
    }
}

/// Judges the gossip of one deployment.
#[derive(Debug)]
pub struct Judge {
    network: NetworkId,
    committees: BTreeMap<Epoch, Arc<Committee>>,
    /// Peers of all committees known.
    members: HashMap<PeerId, NodeId>,
    records: HashMap<PeerId, ChainTime>,
    inventories: HashMap<PeerId, ChainTime>,
    signatures: BTreeSet<(Epoch, MemberIndex)>,
    certificates: BTreeSet<Epoch>,
    notices: VecDeque<(BlobId, PeerId)>,
}

type Judged = Result<News, Verdict>;

impl From<Ignored> for Verdict {
    fn from(why: Ignored) -> Self {
        Self::Ignore(why)
    }
}

impl From<Rejected> for Verdict {
    fn from(why: Rejected) -> Self {
        Self::Reject(why)
    }
}

impl From<SignedError> for Verdict {
    fn from(error: SignedError) -> Self {
        if error.blames_sender() {
            Rejected::Signed(error).into()
        } else {
            Ignored::Time(error).into()
        }
    }
}

impl Judge {
    /// Between two inventory summaries of a node, in milliseconds.
    pub const INVENTORY_PAUSE_MS: u64 = 10_000;
    /// Between two records of a node, in milliseconds.
    pub const RECORD_PAUSE_MS: u64 = 1_000;
    /// Inconsistency notices remembered.
    const NOTICES: usize = 4_096;

    /// A judge that knows no committee yet, so it accepts nothing.
    #[must_use]
    pub fn new(network: NetworkId) -> Self {
        Self {
            network,
            committees: BTreeMap::new(),
            members: HashMap::new(),
            records: HashMap::new(),
            inventories: HashMap::new(),
            signatures: BTreeSet::new(),
            certificates: BTreeSet::new(),
            notices: VecDeque::new(),
        }
    }

    /// The committees to judge by: of the epoch before, the current and the next one, as the chain
    /// or their chain of certificates gave them. What was remembered of others is forgotten.
    pub fn set_committees(&mut self, committees: &[Arc<Committee>]) {
        self.committees = committees
            .iter()
            .map(|committee| (committee.epoch(), Arc::clone(committee)))
            .collect();
        self.members = members_of(committees);
        self.records
            .retain(|peer, _| self.members.contains_key(peer));
        self.inventories
            .retain(|peer, _| self.members.contains_key(peer));
        self.signatures
            .retain(|(epoch, _)| self.committees.contains_key(epoch));
        self.certificates
            .retain(|epoch| self.committees.contains_key(epoch));
    }

    /// Judges a message that `publisher` signed.
    pub fn judge(
        &mut self,
        topic: Topic,
        publisher: PeerId,
        data: &[u8],
        now: ChainTime,
    ) -> Verdict {
        if data.len() > topic.max_size() {
            return Rejected::TooLong.into();
        }
        let judged = match topic {
            Topic::Record => self.record(data, now),
            Topic::Committee => self.committee(data),
            Topic::Inventory => self.inventory(data, now),
            Topic::Inconsistency => self.inconsistency(publisher, data),
        };
        match judged {
            Ok(news) => Verdict::Accept(Box::new(news)),
            Err(verdict) => verdict,
        }
    }

    fn record(&mut self, data: &[u8], now: ChainTime) -> Judged {
        let signed: SignedRecord = decode(data)?;
        let claim = signed.peek()?;
        let (peer, written) = self.newest(&self.records, &signed, Self::RECORD_PAUSE_MS)?;
        // A member's key under another node's name is a record of nobody.
        if self.members.get(&peer) != Some(&claim.node) {
            return Err(Ignored::NotAMember.into());
        }
        let record = signed.verify(self.network, now)?;
        self.records.insert(peer, written);
        Ok(News::Record(record))
    }

    fn inventory(&mut self, data: &[u8], now: ChainTime) -> Judged {
        let signed: SignedInventory = decode(data)?;
        let (peer, written) = self.newest(&self.inventories, &signed, Self::INVENTORY_PAUSE_MS)?;
        let inventory = signed.verify(self.network, now)?;
        self.inventories.insert(peer, written);
        Ok(News::Inventory(inventory))
    }

    /// A member's signed value that is later than the last one by at least `pause_ms`.
    fn newest<T: Signable>(
        &self,
        last: &HashMap<PeerId, ChainTime>,
        signed: &Signed<T>,
        pause_ms: u64,
    ) -> Result<(PeerId, ChainTime), Verdict> {
        let claim = signed.peek()?;
        let peer = peer_id_of(&claim.signer().to_bytes()).map_err(|_| Rejected::Malformed)?;
        if !self.members.contains_key(&peer) {
            return Err(Ignored::NotAMember.into());
        }
        let written = claim.written();
        match last.get(&peer) {
            Some(last) if written <= *last => Err(Ignored::Known.into()),
            Some(last) if written < last.plus_ms(pause_ms) => Err(Ignored::TooSoon.into()),
            _ => Ok((peer, written)),
        }
    }

    fn committee(&mut self, data: &[u8]) -> Judged {
        match decode(data)? {
            CommitteeNews::Signature(confirmation) => self.signature(confirmation),
            CommitteeNews::Certificate(certificate) => self.certificate(certificate),
        }
    }

    fn signature(&mut self, confirmation: Confirmation<Handover>) -> Judged {
        let Confirmation {
            node,
            statement,
            signature,
        } = &confirmation;
        let (epoch, committee) = self.signing(statement)?;
        let index = committee.index_of(*node).ok_or(Ignored::NotAMember)?;
        let member = committee.member(index).ok_or(Ignored::NotAMember)?;
        if self.signatures.contains(&(epoch, index)) {
            return Err(Ignored::Known.into());
        }
        signature
            .verify(&statement.to_bytes(), member.bls_key())
            .map_err(|error: KeyError| Rejected::Certificate(error.into()))?;
        self.agrees_with_chain(&statement.body)?;
        self.signatures.insert((epoch, index));
        Ok(News::Signature(confirmation))
    }

    fn certificate(&mut self, certificate: UnverifiedCertificate<Handover>) -> Judged {
        let body = certificate.statement.body;
        let (epoch, committee) = self.signing(&certificate.statement)?;
        if self.certificates.contains(&epoch) {
            return Err(Ignored::Known.into());
        }
        let certificate = certificate
            .verify(self.network, &committee)
            .map_err(Rejected::Certificate)?;
        self.agrees_with_chain(&body)?;
        self.certificates.insert(epoch);
        Ok(News::Handover(certificate))
    }

    /// The committee whose members may make this statement.
    fn signing(
        &self,
        statement: &floe_chain::statement::Statement<Handover>,
    ) -> Result<(Epoch, Arc<Committee>), Verdict> {
        if statement.network != self.network {
            let found = statement.network;
            return Err(Rejected::Certificate(CertificateError::Network { found }).into());
        }
        let epoch = statement.epoch;
        if epoch.next() != Some(statement.body.next) {
            return Err(Rejected::Malformed.into());
        }
        let committee = self.committees.get(&epoch);
        Ok((
            epoch,
            Arc::clone(committee.ok_or(Ignored::Epoch { found: epoch })?),
        ))
    }

    /// Where the chain already named the next committee, it must be this one.
    fn agrees_with_chain(&self, body: &Handover) -> Result<(), Ignored> {
        match self.committees.get(&body.next) {
            Some(known) if known.digest() != body.digest => {
                Err(Ignored::ContradictsChain { epoch: body.next })
            }
            _ => Ok(()),
        }
    }

    fn inconsistency(&mut self, publisher: PeerId, data: &[u8]) -> Judged {
        let notice: InconsistencyNotice = decode(data)?;
        if notice.size == 0 || notice.size > InconsistencyNotice::MAX_PROOF {
            return Err(Rejected::Malformed.into());
        }
        if !self.members.contains_key(&publisher) {
            return Err(Ignored::NotAMember.into());
        }
        let seen = (notice.blob, publisher);
        if self.notices.contains(&seen) {
            return Err(Ignored::Known.into());
        }
        if self.notices.len() == Self::NOTICES {
            self.notices.pop_front();
        }
        self.notices.push_back(seen);
        Ok(News::Inconsistency(publisher, notice))
    }
}

/// The peers of committees and the nodes they are.
#[must_use]
pub fn members_of(committees: &[Arc<Committee>]) -> HashMap<PeerId, NodeId> {
    let members = committees.iter().flat_map(|committee| committee.members());
    members
        .filter_map(|member| {
            let peer = peer_id_of(&member.identity().to_bytes()).ok()?;
            Some((peer, member.node()))
        })
        .collect()
}

fn decode<T: DeserializeOwned>(data: &[u8]) -> Result<T, Verdict> {
    bcs::from_bytes(data).map_err(|_| Rejected::Malformed.into())
}

#[cfg(test)]
mod tests {
    use floe_chain::{certificate::Collector, event::EventCursor, statement::Statement};
    use floe_codec::{BlobId, SegmentIndex, ShardIndex};

    use super::super::{
        inventory::{InventorySummary, ShardSummary, VerifiedInventory},
        testing::{NETWORK, NOW, bls, committee, identity, node, record},
    };
    use super::*;

    fn judge(committees: &[(u32, u16)]) -> Judge {
        let mut judge = Judge::new(NETWORK);
        let committees: Vec<_> = committees
            .iter()
            .map(|(epoch, members)| Arc::new(committee(*epoch, *members, 10)))
            .collect();
        judge.set_committees(&committees);
        judge
    }

    fn sign(epoch: u32, member: u16, next: &Committee) -> Confirmation<Handover> {
        let statement = Statement {
            network: NETWORK,
            epoch: Epoch::new(epoch),
            body: Handover::to(next),
        };
        Confirmation::sign(node(member), statement, &bls(member))
    }

    fn certify(epoch: u32, next: &Committee) -> UnverifiedCertificate<Handover> {
        let by = committee(epoch, 4, 10);
        let mut collector = Collector::new(NETWORK, &by, Handover::to(next));
        for member in 1..=4 {
            collector.add(&sign(epoch, member, next)).unwrap();
        }
        collector.certificate().unwrap().into_unverified()
    }

    fn said(judge: &mut Judge, topic: Topic, message: &impl serde::Serialize) -> Verdict {
        let data = bcs::to_bytes(message).unwrap();
        judge.judge(topic, identity(1).peer_id(), &data, NOW)
    }

    fn certified(judge: &mut Judge, certificate: UnverifiedCertificate<Handover>) -> Verdict {
        said(
            judge,
            Topic::Committee,
            &CommitteeNews::Certificate(certificate),
        )
    }

    const fn is_accepted(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Accept(_))
    }

    #[test]
    fn a_certificate_of_the_previous_committee_is_believed_once() {
        let mut judge = judge(&[(7, 4)]);
        let certificate = certify(7, &committee(8, 4, 10));
        assert!(is_accepted(&certified(&mut judge, certificate.clone())));
        // Replayed, it costs no second pairing and goes no further.
        assert_eq!(certified(&mut judge, certificate), Ignored::Known.into());
    }

    #[test]
    fn forged_stale_and_forked_committees_are_refused() {
        let mut judge = judge(&[(7, 4), (8, 4)]);
        // Two epochs ago: whoever signed it may have withdrawn its stake since.
        let stale = certify(5, &committee(6, 4, 10));
        let found = Epoch::new(5);
        assert_eq!(
            certified(&mut judge, stale),
            Ignored::Epoch { found }.into()
        );
        // Properly signed, but the chain named another committee: the keys were used twice.
        let fork = certify(7, &committee(8, 5, 10));
        let epoch = Epoch::new(8);
        assert_eq!(
            certified(&mut judge, fork),
            Ignored::ContradictsChain { epoch }.into()
        );

        let good = certify(7, &committee(8, 4, 10));
        let mut forged = good.clone();
        forged.statement.body.digest = committee(8, 5, 10).digest();
        let mut elsewhere = good.clone();
        elsewhere.statement.network.system = floe_chain::id::SystemId::from_bytes([9; 32]);
        let mut skipping = good.clone();
        skipping.statement.body.next = Epoch::new(9);
        let mut thin = good.clone();
        thin.signers = floe_chain::signers::SignersBitmap::from_bytes(vec![0b0011]);
        for refused in [forged, elsewhere, skipping, thin] {
            assert!(matches!(certified(&mut judge, refused), Verdict::Reject(_)));
        }
        assert!(is_accepted(&certified(&mut judge, good)));
    }

    #[test]
    fn signatures_count_once_and_only_of_members() {
        let mut judge = judge(&[(7, 4)]);
        let next = committee(8, 4, 10);
        let message = |confirmation| CommitteeNews::Signature(confirmation);
        let good = message(sign(7, 2, &next));
        assert!(is_accepted(&said(&mut judge, Topic::Committee, &good)));
        assert_eq!(
            said(&mut judge, Topic::Committee, &good),
            Ignored::Known.into()
        );
        let stranger = message(sign(7, 9, &next));
        let verdict = said(&mut judge, Topic::Committee, &stranger);
        assert_eq!(verdict, Ignored::NotAMember.into());
        let mut forged = sign(7, 3, &next);
        forged.signature = sign(7, 4, &next).signature;
        let verdict = said(&mut judge, Topic::Committee, &message(forged));
        assert!(matches!(verdict, Verdict::Reject(_)));
        assert!(is_accepted(&said(
            &mut judge,
            Topic::Committee,
            &message(sign(7, 3, &next))
        )));
    }

    #[test]
    fn records_replace_older_ones_and_name_their_own_node() {
        let mut judge = judge(&[(7, 4)]);
        let mut offer = |record: &super::super::record::VerifiedRecord| {
            said(&mut judge, Topic::Record, record.signed())
        };
        let later = NOW.plus_ms(60_000);
        assert!(is_accepted(&offer(&record(1, NOW, 4000))));
        assert!(is_accepted(&offer(&record(1, later, 5000))));
        assert_eq!(offer(&record(1, NOW, 4000)), Ignored::Known.into());
        assert_eq!(
            offer(&record(1, later.plus_ms(1), 6000)),
            Ignored::TooSoon.into()
        );
        assert_eq!(offer(&record(77, NOW, 4000)), Ignored::NotAMember.into());
        let ancient = ChainTime::from_ms(1);
        assert!(matches!(
            offer(&record(2, ancient, 1)),
            Verdict::Ignore(Ignored::Time(_))
        ));
    }

    fn inventory(member: u16, written: ChainTime, shards: u16) -> VerifiedInventory {
        let identity = identity(member);
        let shards: Vec<_> = (0..shards)
            .map(|shard| ShardSummary {
                shard: ShardIndex(shard),
                held: floe_codec::ByAxis::default(),
            })
            .collect();
        let summary = InventorySummary {
            network: NETWORK,
            identity: identity.public_key(),
            written,
            epoch: Epoch::new(7),
            cursor: EventCursor::default(),
            shards: shards.try_into().unwrap(),
        };
        VerifiedInventory::sign(summary, &identity)
    }

    #[test]
    fn inventories_come_from_members_and_not_too_often() {
        let mut judge = judge(&[(7, 4)]);
        let mut offer =
            |summary: &VerifiedInventory| said(&mut judge, Topic::Inventory, summary.signed());
        assert!(is_accepted(&offer(&inventory(1, NOW, 3))));
        let soon = NOW.plus_ms(Judge::INVENTORY_PAUSE_MS - 1);
        assert_eq!(offer(&inventory(1, soon, 3)), Ignored::TooSoon.into());
        let late = NOW.plus_ms(Judge::INVENTORY_PAUSE_MS);
        assert!(is_accepted(&offer(&inventory(1, late, 3))));
        assert_eq!(offer(&inventory(9, NOW, 3)), Ignored::NotAMember.into());
    }

    #[test]
    fn inconsistency_notices_come_from_members_once() {
        let mut judge = judge(&[(7, 4)]);
        let notice = InconsistencyNotice {
            blob: BlobId::from_bytes([1; 32]),
            segment: SegmentIndex(0),
            digest: [2; 32],
            size: 1_000,
        };
        let topic = Topic::Inconsistency;
        let data = bcs::to_bytes(&notice).unwrap();
        let stranger = judge.judge(topic, identity(9).peer_id(), &data, NOW);
        assert_eq!(stranger, Ignored::NotAMember.into());
        assert!(is_accepted(&said(&mut judge, topic, &notice)));
        assert_eq!(said(&mut judge, topic, &notice), Ignored::Known.into());
        let huge = InconsistencyNotice {
            size: InconsistencyNotice::MAX_PROOF + 1,
            ..notice
        };
        assert!(matches!(said(&mut judge, topic, &huge), Verdict::Reject(_)));
    }

    /// At 1,000 members and 1,024 shards every message is under the cap of gossip.
    #[test]
    fn the_largest_committee_fits_every_message() {
        let fits = |topic: Topic, message: &dyn erased::Size| {
            let (size, max) = (message.size(), topic.max_size());
            assert!(size <= max && max <= Topic::MAX_SIZE, "{topic:?}: {size}");
        };
        let (current, next) = (committee(7, 1_000, 1_000), committee(8, 1_000, 1_000));
        // Sizes do not depend on who signed.
        let signature = sign(7, 1, &next);
        let certificate = UnverifiedCertificate {
            statement: signature.statement.clone(),
            signers: floe_chain::signers::SignersBitmap::from_bytes(vec![0xff; 125]),
            signature: signature.signature,
        };
        let signatures = vec![signature; current.members().len()];
        let signed = CommitteeNews::Signature(signatures[0].clone());
        fits(Topic::Committee, &signed);
        fits(
            Topic::Committee,
            &CommitteeNews::Certificate(certificate.clone()),
        );
        fits(Topic::Inventory, inventory(1, NOW, 1_024).signed());
        let notice = InconsistencyNotice {
            blob: BlobId::from_bytes([1; 32]),
            segment: SegmentIndex(0),
            digest: [2; 32],
            size: 1_000,
        };
        fits(Topic::Inconsistency, &notice);
        let mut largest = (*record(1, NOW, 4000)).clone();
        let name = format!("{}:65535", "a".repeat(120));
        largest.data = vec![name.parse().unwrap(); 8].try_into().unwrap();
        let address = "/ip6/2001:db8::7/udp/65535/quic-v1".parse().unwrap();
        let address = super::super::record::ControlAddress::new(address).unwrap();
        largest.control = vec![address; 8].try_into().unwrap();
        let largest = super::super::record::VerifiedRecord::sign(largest, &identity(1));
        fits(Topic::Record, largest.signed());

        use super::super::request::{ControlAnswer, MAX_ANSWER, NamedCommittee};
        let handover = Some(certificate);
        let named = NamedCommittee {
            committee: next,
            handover,
        };
        let committee = ControlAnswer::Committee(Box::new(named));
        let signatures = ControlAnswer::Signatures(signatures.try_into().unwrap());
        for answer in [committee, signatures] {
            let size = bcs::serialized_size(&answer).unwrap();
            assert!(size <= MAX_ANSWER, "{size}");
        }
    }

    mod erased {
        pub(super) trait Size {
            fn size(&self) -> usize;
        }

        impl<T: serde::Serialize> Size for T {
            fn size(&self) -> usize {
                bcs::serialized_size(self).unwrap()
            }
        }
    }
}
