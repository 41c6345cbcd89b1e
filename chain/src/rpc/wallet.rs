//! The key of an account: it owns coins and objects and signs transactions.

use std::fmt;

use sui_crypto::SuiSigner;
use sui_crypto::ed25519::Ed25519PrivateKey;
use sui_sdk_types::{Transaction, UserSignature};

use super::error::ChainError;
use crate::id::Address;

/// An account key (Ed25519, as Sui's wallets use it). Never printed.
#[derive(Clone)]
pub struct Wallet {
    key: Ed25519PrivateKey,
    address: Address,
}

impl Wallet {
    /// The account of a 32-byte seed; give it fresh random bytes.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self::new(Ed25519PrivateKey::new(seed))
    }

    /// Reads the one line of a `wallet.key` file: `suiprivkey1...`.
    ///
    /// # Errors
    /// It is not such a line, or not an Ed25519 key.
    pub fn from_line(line: &str) -> Result<Self, ChainError> {
        let key = Ed25519PrivateKey::from_suiprivkey(line.trim()).map_err(unusable)?;
        Ok(Self::new(key))
    }

    /// The one line of a `wallet.key` file. Whoever calls this handles a secret.
    #[must_use]
    pub fn to_line(&self) -> String {
        self.key
            .to_suiprivkey()
            .expect("33 bytes always fit a bech32 string")
    }

    fn new(key: Ed25519PrivateKey) -> Self {
        let address = Address::from_bytes(key.public_key().derive_address().into_inner());
        Self { key, address }
    }

    /// The account's address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    pub(crate) fn sign(&self, transaction: &Transaction) -> Result<UserSignature, ChainError> {
        self.key.sign_transaction(transaction).map_err(unusable)
    }
}

fn unusable(error: impl fmt::Display) -> ChainError {
    ChainError::Wallet {
        reason: error.to_string(),
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wallet({})", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_round_trip_and_others_are_refused() {
        let wallet = Wallet::from_seed([1; 32]);
        let line = wallet.to_line();
        assert!(line.starts_with("suiprivkey1"));
        let read = Wallet::from_line(&format!("{line}\n")).unwrap();
        assert_eq!(read.address(), wallet.address());
        assert!(!format!("{wallet:?}").contains(&line));
        let (checksum, last) = line.split_at(line.len() - 1);
        let wrong = format!("{checksum}{}", if last == "q" { "p" } else { "q" });
        for wrong in ["", "suiprivkey1", wrong.as_str()] {
            assert!(matches!(
                Wallet::from_line(wrong),
                Err(ChainError::Wallet { .. })
            ));
        }
    }
}
