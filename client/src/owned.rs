//! What a wallet owns: listing its blobs, extending them, giving them up, planning their cost. All of
//! it is on chain; nodes are not asked.

use std::ops::Range;

use floe_chain::{
    amount::Wal,
    blob::{BlobState, Registration},
    epoch::{ChainTime, Epoch},
    id::ObjectId,
    rpc::{ChainError, ChainWrite, Operation, Receipt},
};
use floe_codec::{BlobId, BlobLayout};
use serde::Serialize;

use crate::{
    Client,
    advice::{Advice, ErrorKind},
    chain::Moment,
    plan::{ByteSize, PlanError},
};

/// A blob of the wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwnedBlob {
    /// Its id.
    pub blob: BlobId,
    /// The `Blob` object.
    pub object: ObjectId,
    /// Bytes.
    pub size: ByteSize,
    /// Where it stands.
    pub state: BlobState,
    /// Whether it can be deleted.
    pub deletable: bool,
    /// First epoch in which it is gone.
    pub end: Epoch,
    /// When that is expected to begin, or began.
    pub expires: ChainTime,
}

/// How a blob is named: by its id, or by one of its registrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobName {
    /// By id.
    Blob(BlobId),
    /// By the `Blob` object.
    Object(ObjectId),
}

/// Text that names no blob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is neither a blob id (43 characters of base64url, or 64 hexadecimal digits) nor an \
     object id (0x and 64 hexadecimal digits)"
)]
pub struct ParseNameError {
    /// What was given, cut to 80 characters.
    pub text: String,
}

impl std::str::FromStr for BlobName {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, ParseNameError> {
        let named = if text.starts_with("0x") {
            text.parse().ok().map(Self::Object)
        } else {
            text.parse().ok().map(Self::Blob)
        };
        named.ok_or_else(|| ParseNameError {
            text: text.chars().take(80).collect(),
        })
    }
}

impl std::fmt::Display for BlobName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Blob(blob) => blob.fmt(f),
            Self::Object(object) => object.fmt(f),
        }
    }
}

/// More time for a blob, before it is paid for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExtendPlan {
    /// What is extended.
    #[serde(flatten)]
    pub blob: OwnedBlob,
    /// The epochs to be paid for.
    pub period: Range<Epoch>,
    /// When the last of them is expected to end.
    pub until: ChainTime,
    /// What it costs.
    pub price: Wal,
}

/// Why something about an owned blob cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum OwnedError {
    /// The chain does not do its part.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The network does not sell that.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// There is no key.
    #[error("this needs a wallet, and none is configured")]
    NoWallet,
    /// The wallet has no such blob.
    #[error("wallet {wallet} owns no blob {name}")]
    NotOwned {
        /// Whose wallet.
        wallet: floe_chain::id::Address,
        /// What was asked for.
        name: BlobName,
    },
    /// The wallet has several registrations of the blob.
    #[error("blob {blob} is registered {} times; name one: {}", objects.len(), join(objects))]
    Ambiguous {
        /// The blob.
        blob: BlobId,
        /// Its registrations.
        objects: Vec<ObjectId>,
    },
    /// It was registered as permanent.
    #[error("blob {blob} is permanent: it lasts until its end and cannot be deleted")]
    Permanent {
        /// The blob.
        blob: BlobId,
    },
    /// It is over.
    #[error("blob {blob} expired when epoch {end} began")]
    Expired {
        /// The blob.
        blob: BlobId,
        /// Its end.
        end: Epoch,
    },
}

fn join(objects: &[ObjectId]) -> String {
    objects
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

impl Advice for OwnedError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Chain(error) => Advice::kind(error),
            Self::NoWallet => ErrorKind::Unauthorized,
            Self::NotOwned { .. } | Self::Expired { .. } => ErrorKind::NotFound,
            Self::Plan(_) | Self::Ambiguous { .. } | Self::Permanent { .. } => ErrorKind::FixInput,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Chain(error) => error.code(),
            Self::Plan(_) => "owned.epochs",
            Self::NoWallet => "wallet.missing",
            Self::NotOwned { .. } => "owned.not_found",
            Self::Ambiguous { .. } => "owned.ambiguous",
            Self::Permanent { .. } => "owned.permanent",
            Self::Expired { .. } => "owned.expired",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Chain(error) => return error.hint(),
            Self::Plan(error) => return error.hint(),
            Self::NoWallet => {
                "set `wallet.key` to a key file, or make one with `floe wallet new FILE`"
            }
            Self::NotOwned { .. } => "`floe ls` lists what the wallet owns",
            Self::Ambiguous { .. } => "give the object id in place of the blob id",
            Self::Permanent { .. } => "it costs nothing more: let it run out",
            Self::Expired { .. } => "store the bytes again",
        };
        Some(hint.to_owned())
    }
}

impl Client {
    /// Every blob of the wallet, those that end first in front.
    ///
    /// # Errors
    /// There is no wallet, or the chain does not answer.
    pub async fn owned(&self) -> Result<Vec<OwnedBlob>, OwnedError> {
        let wallet = self.signer()?;
        let moment = self.moment().await?;
        let found = self.chain.owned_blobs(wallet.address()).await?;
        let mut blobs: Vec<_> = found.iter().map(|it| OwnedBlob::new(it, &moment)).collect();
        blobs.sort_by_key(|blob| (blob.end, blob.blob, blob.object));
        Ok(blobs)
    }

    /// One blob of the wallet.
    ///
    /// # Errors
    /// It is not there, or there are several of that id.
    pub async fn owned_blob(&self, name: BlobName) -> Result<OwnedBlob, OwnedError> {
        self.named(&self.owned().await?, name)
    }

    /// One of the blobs that [`owned`](Self::owned) listed.
    ///
    /// # Errors
    /// It is not there, or there are several of that id.
    pub fn named(&self, owned: &[OwnedBlob], name: BlobName) -> Result<OwnedBlob, OwnedError> {
        let named = |it: &&OwnedBlob| match name {
            BlobName::Blob(blob) => it.blob == blob,
            BlobName::Object(object) => it.object == object,
        };
        let mut found: Vec<_> = owned.iter().filter(named).cloned().collect();
        let objects: Vec<_> = found.iter().map(|it| it.object).collect();
        match (found.pop(), found.is_empty()) {
            (Some(blob), true) => Ok(blob),
            (Some(blob), false) => Err(OwnedError::Ambiguous {
                blob: blob.blob,
                objects,
            }),
            (None, _) => Err(OwnedError::NotOwned {
                wallet: self.signer()?.address(),
                name,
            }),
        }
    }

    /// What `epochs` more epochs cost.
    ///
    /// # Errors
    /// The blob is not there or over, or so many epochs are not for sale.
    pub async fn plan_extend(&self, name: BlobName, epochs: u32) -> Result<ExtendPlan, OwnedError> {
        let blob = self.owned_blob(name).await?;
        let moment = self.moment().await?;
        if blob.end <= moment.epoch() {
            return Err(OwnedError::Expired {
                blob: blob.blob,
                end: blob.end,
            });
        }
        let on_sale = floe_chain::epoch::epoch_count(&(blob.end..moment.system.horizon()));
        let too_many = PlanError::Epochs {
            asked: epochs,
            max: on_sale,
        };
        let end = blob
            .end
            .after(epochs)
            .filter(|end| *end <= moment.system.horizon());
        let (Some(end), true) = (end, epochs > 0) else {
            return Err(too_many.into());
        };
        let period = blob.end..end;
        let layout =
            BlobLayout::for_shards(moment.system.shards, blob.size.0).map_err(PlanError::from)?;
        let bytes = floe_chain::cost::encoded_bytes(&layout).unwrap_or(u64::MAX);
        let price = moment
            .system
            .prices
            .reserve(bytes, &period)
            .map_err(PlanError::from)?;
        Ok(ExtendPlan {
            until: moment.expected_start(end),
            blob,
            period,
            price,
        })
    }

    /// Pays for what was planned.
    ///
    /// # Errors
    /// The chain refuses.
    pub async fn extend(&self, plan: &ExtendPlan) -> Result<Receipt, OwnedError> {
        let epochs = floe_chain::epoch::epoch_count(&plan.period);
        let extend = Operation::Extend {
            blob: plan.blob.object,
            epochs,
        };
        Ok(self.signer()?.execute(vec![extend]).await?)
    }

    /// Gives a deletable blob up. Its storage comes back to the wallet from the next epoch on; an
    /// expired registration is only cleared away.
    ///
    /// # Errors
    /// It is permanent, or the chain refuses.
    pub async fn remove(&self, blob: &OwnedBlob) -> Result<Receipt, OwnedError> {
        let object = blob.object;
        let operation = match (blob.state, blob.deletable) {
            (BlobState::Expired, _) => Operation::Burn { blob: object },
            (_, true) => Operation::Delete { blob: object },
            (_, false) => return Err(OwnedError::Permanent { blob: blob.blob }),
        };
        Ok(self.signer()?.execute(vec![operation]).await?)
    }

    pub(crate) fn signer(&self) -> Result<&dyn ChainWrite, OwnedError> {
        self.wallet.as_deref().ok_or(OwnedError::NoWallet)
    }
}

impl OwnedBlob {
    fn new(registration: &Registration, moment: &Moment) -> Self {
        Self {
            blob: registration.blob,
            object: registration.object,
            size: ByteSize(registration.size),
            state: registration.state(moment.epoch()),
            deletable: registration.deletable,
            end: registration.period.end,
            expires: moment.expected_start(registration.period.end),
        }
    }
}
