//! `devnet.json`: what a client needs to know about a running chain.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};
use sui_sdk_types::ValidatorCommittee;

/// How to reach a chain and what to trust.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Endpoint of gRPC and gRPC-web.
    pub url: String,
    /// Endpoint of the faucet: `POST v2/gas` below it.
    pub faucet: String,
    /// Digest of the first checkpoint, in base58.
    pub chain_id: String,
    /// The validators of epoch 0: BCS of a `ValidatorCommittee`, in hexadecimal.
    pub anchor: String,
}

impl Info {
    /// The textual form of a trust anchor.
    pub(crate) fn anchor_of(committee: &ValidatorCommittee) -> String {
        let bytes = bcs::to_bytes(committee).expect("a committee holds keys and numbers only");
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Writes the file in one step: a reader sees the old one or all of the new one.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let next = path.with_extension("json.new");
        fs::write(&next, serde_json::to_vec_pretty(self)?)?;
        fs::rename(next, path)
    }
}
