//! From symbols to a verified sliver, or to who lied, or to the proof that there is no such sliver.
//! Computes and reads the disk; to be run where that may take its time.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use floe_codec::{
    Axis, HelperSymbols, InconsistencyProof, ShardIndex, SliverIndex, SymbolIndex, SymbolProof,
};
use floe_p2p::identity::PeerId;

use super::plan::Lost;
use crate::{
    node::{Failed, Node},
    service::sliver_index,
};

/// What came of one sliver's symbols.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rebuilt {
    /// The committed one.
    Sliver(Bytes),
    /// Too few symbols, or nothing to check them against.
    Short,
    /// Not the committed one: somebody's symbol is wrong, or the blob is inconsistent.
    Wrong,
}

/// What came of proven symbols.
#[derive(Debug)]
pub(super) enum Proven {
    Rebuilt(Rebuilt),
    /// These sent symbols that are not the committed ones.
    Liars(BTreeSet<PeerId>),
    /// Every symbol is the committed one and their sliver is not: the proof, in BCS.
    Inconsistent(Bytes),
}

type Symbols<T> = BTreeMap<ShardIndex, (PeerId, T)>;

/// Rebuilds the sliver that `shard` keeps of `lost`.
pub(super) fn rebuild(
    node: &Node,
    (shard, axis): (ShardIndex, Axis),
    lost: &Lost,
    symbols: &Symbols<Bytes>,
) -> Result<Rebuilt, Failed> {
    let symbols = symbols
        .iter()
        .map(|(from, (_, symbol))| (*from, &symbol[..]));
    recover(node, (shard, axis), lost, symbols)
}

/// The same from proofs, each of which is checked first.
pub(super) fn rebuild_proven(
    node: &Node,
    (shard, axis): (ShardIndex, Axis),
    lost: &Lost,
    symbols: &Symbols<SymbolProof>,
) -> Result<Proven, Failed> {
    let Some(metadata) = node.metadata(&lost.blob, lost.segment)? else {
        return Ok(Proven::Rebuilt(Rebuilt::Short));
    };
    let target = index(lost, shard, axis)?;
    let mut checked = Vec::new();
    let mut liars = BTreeSet::new();
    for (from, (peer, proof)) in symbols {
        let at = SymbolIndex::at(axis, target, index(lost, *from, axis.orthogonal())?);
        match proof.verify(&metadata) {
            Ok(symbol) if symbol.at == at => checked.push((*from, symbol.bytes)),
            _ => drop(liars.insert(*peer)),
        }
    }
    if !liars.is_empty() {
        return Ok(Proven::Liars(liars));
    }
    let rebuilt = recover(node, (shard, axis), lost, checked)?;
    if rebuilt != Rebuilt::Wrong {
        return Ok(Proven::Rebuilt(rebuilt));
    }
    let proofs = symbols.values().map(|(_, proof)| proof.clone()).collect();
    let proof = InconsistencyProof::mismatch(node.codec(), &metadata, axis, target, proofs);
    let proof = proof.map_err(|error| Failed(error.to_string()))?;
    let proof = bcs::to_bytes(&proof).map_err(|error| Failed(error.to_string()))?;
    Ok(Proven::Inconsistent(proof.into()))
}

fn recover<'a>(
    node: &Node,
    (shard, axis): (ShardIndex, Axis),
    lost: &Lost,
    symbols: impl IntoIterator<Item = (ShardIndex, &'a [u8])>,
) -> Result<Rebuilt, Failed> {
    let Some(metadata) = node.metadata(&lost.blob, lost.segment)? else {
        return Ok(Rebuilt::Short);
    };
    let helper = |(from, symbols)| {
        let sliver = index(lost, from, axis.orthogonal())?;
        Ok(HelperSymbols { sliver, symbols })
    };
    let helpers: Vec<_> = (symbols.into_iter().map(helper)).collect::<Result<_, Failed>>()?;
    let target = index(lost, shard, axis)?;
    let recovered = (node.codec()).recover_slivers(&metadata, axis, &[target], &helpers);
    Ok(match recovered.map(|mut slivers| slivers.pop()) {
        Ok(Some(Ok(sliver))) => Rebuilt::Sliver(sliver.into_bytes().into()),
        Ok(Some(Err(_))) => Rebuilt::Wrong,
        Ok(None) | Err(_) => Rebuilt::Short,
    })
}

fn index(lost: &Lost, shard: ShardIndex, axis: Axis) -> Result<SliverIndex, Failed> {
    sliver_index(&lost.blob, &lost.layout, shard, axis)
        .map_err(|refusal| Failed(refusal.to_string()))
}
