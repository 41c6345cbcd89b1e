//! What of a store was paid before, and paying for the rest: the journal, the wallet's registrations, the
//! chain. Decides nothing about nodes.

use floe_chain::{
    blob::{BlobState, Registration},
    cost::encoded_bytes,
    epoch::epoch_count,
    id::ObjectId,
    rpc::{ChainError, ChainWrite, Operation, Room},
};
use floe_codec::{BlobCommitment, BlobId};

use super::{StoreError, StoreOptions};
use crate::{
    Client,
    chain::Moment,
    disk::journal::Kept,
    plan::{Purchase, Standing, StorePlan, StoreQuestion},
    progress::{Event, Listener, Phase},
};

impl Client {
    /// A registration that is of use: that of the journal, else any of the wallet's. That of the journal
    /// lasts as long as is wished, or was paid for as many epochs and not certified; to resume, what is
    /// left of it will do.
    pub(super) async fn found(
        &self,
        journal: &Kept,
        options: &StoreOptions,
        resumed: bool,
        state: &Moment,
    ) -> Result<Option<Standing>, StoreError> {
        let journaled = match &journal.registered {
            Some(registered) => self.chain.blob(registered.object).await?,
            None => None,
        };
        let of_use = |registration: &Registration| {
            let unfinished = registration.certified.is_none()
                && epoch_count(&registration.period) >= options.epochs;
            let lasts = unfinished || lasts(registration, options, state);
            resumed || (lasts && registration.deletable == options.deletable)
        };
        match journaled
            .filter(of_use)
            .and_then(|it| standing_of(&it, state))
        {
            Some(standing) => Ok(Some(standing)),
            None => self.standing(journal.started.blob, options, state).await,
        }
    }

    /// What the wallet has registered of the same bytes, on this or another machine.
    async fn standing(
        &self,
        blob: BlobId,
        options: &StoreOptions,
        state: &Moment,
    ) -> Result<Option<Standing>, StoreError> {
        let Some(wallet) = &self.wallet else {
            return Ok(None);
        };
        let registrations = self.registrations(wallet.address(), blob).await?;
        let usable = registrations.iter().filter(|registration| {
            registration.deletable == options.deletable && lasts(registration, options, state)
        });
        let standings = usable.filter_map(|registration| standing_of(registration, state));
        // Certified ones first, then those that last longest.
        Ok(standings.max_by_key(|standing| {
            (
                matches!(standing, Standing::Certified { .. }),
                standing.end(),
            )
        }))
    }

    pub(super) async fn question(
        &self,
        length: u64,
        blob: Option<BlobId>,
        options: &StoreOptions,
        state: &Moment,
        registered: Option<Standing>,
    ) -> Result<StoreQuestion, StoreError> {
        let storage = match &self.wallet {
            Some(wallet) if registered.is_none() => {
                self.chain.owned_storage(wallet.address()).await?
            }
            _ => Vec::new(),
        };
        let nodes = self.network().await?.committee.members().len();
        Ok(StoreQuestion {
            length,
            blob,
            epochs: options.epochs,
            deletable: options.deletable,
            spooled: options.spooled,
            shards: state.system.shards,
            nodes: u16::try_from(nodes).unwrap_or(u16::MAX),
            epoch: state.epoch(),
            epoch_start: state.schedule.started,
            epoch_ms: state.schedule.duration_ms,
            max_epochs: state.max_epochs(),
            prices: state.system.prices,
            storage,
            registered,
        })
    }

    /// Plans with what the chain says now, and makes the registration that the plan wants or finds the
    /// one that was paid for.
    pub(super) async fn purchase(
        &self,
        wallet: &dyn ChainWrite,
        commitment: &BlobCommitment,
        journal: &Kept,
        options: &StoreOptions,
        resumed: bool,
        listener: &Listener,
    ) -> Result<(StorePlan, Registration), StoreError> {
        let state = self.moment().await?;
        let (blob, layout) = (*commitment.id(), commitment.layout());
        let standing = self.found(journal, options, resumed, &state).await?;
        let question = self
            .question(layout.length(), Some(blob), options, &state, standing)
            .await?;
        let plan = StorePlan::new(&question)?;
        let room = match &plan.payment.purchase {
            Purchase::Paid(standing) => {
                let registration = self.registration(standing.object()).await?;
                return Ok((plan, registration));
            }
            Purchase::Reuse { object, .. } => Room::Owned(*object),
            Purchase::Buy { .. } => Room::Reserve {
                bytes: encoded_bytes(layout).unwrap_or(u64::MAX),
                period: plan.period.clone(),
            },
        };
        listener.on(Event::Phase {
            phase: Phase::Reserve,
        });
        let available = self.chain.balance(wallet.address()).await?.wal;
        let needed = plan.payment.total;
        if available < needed {
            return Err(ChainError::Funds { needed, available }.into());
        }
        let register = Operation::Register {
            room,
            root: commitment.root(),
            size: layout.length(),
            encoding: layout.encoding(),
            deletable: plan.deletable,
        };
        let receipt = wallet.execute(vec![register]).await?;
        let object = receipt.registered().next().map(|event| event.object);
        let object = object.ok_or_else(|| ChainError::Malformed {
            what: format!("transaction {}", receipt.digest),
            reason: "it registered no blob".to_owned(),
        })?;
        self.registered(blob, object).await;
        let registration = self.registration(object).await?;
        Ok((plan, registration))
    }

    pub(super) async fn registration(&self, object: ObjectId) -> Result<Registration, StoreError> {
        let found = self.chain.blob(object).await?;
        Ok(found.ok_or_else(|| ChainError::NotFound {
            what: "blob",
            id: object.to_string(),
        })?)
    }
}

/// A registration that lasts as long as is wished.
fn lasts(registration: &Registration, options: &StoreOptions, state: &Moment) -> bool {
    Some(registration.period.end) >= state.epoch().after(options.epochs)
}

/// A registration that still counts.
fn standing_of(registration: &Registration, state: &Moment) -> Option<Standing> {
    let (object, end) = (registration.object, registration.period.end);
    match registration.state(state.epoch()) {
        BlobState::Registered => Some(Standing::Registered { object, end }),
        BlobState::Certified => Some(Standing::Certified { object, end }),
        BlobState::Expired | BlobState::Deleted | BlobState::Invalid => None,
    }
}
