//! What a client knows of the deployment at one moment, and what a failed call to the chain means to
//! the caller. Refuses to talk to an endpoint itself: that is `floe_chain::rpc`.

use floe_chain::{
    epoch::{ChainTime, Epoch, Schedule, epoch_count},
    rpc::{self, ChainError, ChainRead, SystemState, abort::Refusal},
};

use crate::advice::{Advice, Culprit, ErrorKind};

/// The deployment as it is now.
#[derive(Debug, Clone)]
pub struct Moment {
    /// Prices, room, shards, the running epoch.
    pub system: SystemState,
    /// The epoch machine's clock.
    pub schedule: Schedule,
}

impl Moment {
    /// Reads it.
    ///
    /// # Errors
    /// The chain does not answer.
    pub async fn read(chain: &dyn ChainRead) -> Result<Self, ChainError> {
        let (system, state) = futures::try_join!(chain.system(), chain.epoch_state())?;
        Ok(Self {
            system,
            schedule: state.schedule,
        })
    }

    /// The running epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.system.epoch
    }

    /// When an epoch is expected to begin, if epochs keep their length.
    #[must_use]
    pub fn expected_start(&self, epoch: Epoch) -> ChainTime {
        let epochs = u64::from(epoch_count(&(self.epoch()..epoch)));
        self.schedule
            .started
            .plus_ms(self.schedule.duration_ms.saturating_mul(epochs))
    }

    /// Most epochs that can be bought.
    #[must_use]
    pub fn max_epochs(&self) -> u32 {
        epoch_count(&(self.epoch()..self.system.horizon()))
    }
}

/// The certificate is of another epoch than the chain's.
#[must_use]
pub fn is_stale(error: &ChainError) -> bool {
    matches!(error.refusal(), Some(Refusal::SystemStaleEpoch))
}

/// The epoch for which room was planned, bought or owned, ended before the transaction ran.
#[must_use]
pub fn is_late(error: &ChainError) -> bool {
    let refusal = error.refusal();
    matches!(
        refusal,
        Some(Refusal::LedgerPeriod | Refusal::SystemStorage)
    )
}

impl Advice for ChainError {
    fn kind(&self) -> ErrorKind {
        match Self::kind(self) {
            rpc::ErrorKind::Retry => ErrorKind::Retry,
            rpc::ErrorKind::FixInput => ErrorKind::FixInput,
            rpc::ErrorKind::FixConfig => ErrorKind::FixConfig,
            rpc::ErrorKind::Funds => ErrorKind::Funds,
            rpc::ErrorKind::Unauthorized => ErrorKind::Unauthorized,
            rpc::ErrorKind::NotFound => ErrorKind::NotFound,
            rpc::ErrorKind::Corrupt { .. } => ErrorKind::Corrupt {
                who: Culprit::Chain,
            },
            rpc::ErrorKind::Bug => ErrorKind::Bug,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "chain.unreachable",
            Self::WrongChain { .. } => "chain.wrong_chain",
            Self::WrongSystem { .. } => "chain.wrong_system",
            Self::NotFound { .. } => "chain.not_found",
            Self::Malformed { .. } => "chain.malformed",
            Self::Unproven(_) => "chain.unproven",
            Self::Fork { .. } => "chain.fork",
            Self::Refused(_) => "chain.refused",
            Self::Failed { .. } => "chain.failed",
            Self::Rejected { .. } => "chain.rejected",
            Self::OutcomeUnknown { .. } => "chain.outcome_unknown",
            Self::Gas { .. } => "chain.gas",
            Self::Funds { .. } => "chain.funds",
            Self::GasLimit { .. } => "chain.gas_limit",
            Self::Wallet { .. } => "chain.wallet",
            Self::Build { .. } => "chain.build",
            Self::NotSimulated { .. } => "chain.not_simulated",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreachable { .. } => {
                "check that an endpoint of the setting `chain.urls` is up".to_owned()
            }
            Self::WrongChain { .. } | Self::WrongSystem { .. } => {
                "the network was set up anew, or the endpoint is another chain's: use its current \
                 client.toml"
                    .to_owned()
            }
            Self::OutcomeUnknown { .. } => {
                "look before you repeat it: floe ls, floe stake list, floe wallet; a store that is repeated finds what was paid"
                    .to_owned()
            }
            Self::Gas { .. } | Self::Funds { .. } => {
                "send it to the account that `floe wallet show` prints".to_owned()
            }
            _ => return None,
        })
    }
}
