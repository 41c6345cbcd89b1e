//! The numbers of real Sui that a package or a client can run into. Owns constants only; each is enforced where its name is used.

/// Bytes of a BCS-encoded transaction.
pub(crate) const TRANSACTION_BYTES: usize = 128 * 1024;
/// Bytes of one pure input.
pub(crate) const PURE_BYTES: usize = 16 * 1024;
/// Bytes of one serialized Move object.
pub(crate) const OBJECT_BYTES: usize = 250 * 1024;
/// Bytes of one package, all modules together.
pub(crate) const PACKAGE_BYTES: usize = 100 * 1024;
/// Modules in one package.
pub(crate) const PACKAGE_MODULES: usize = 64;
/// Inputs of one programmable transaction (objects and gas coins together).
pub(crate) const INPUT_OBJECTS: usize = 2_048;
/// Commands in one programmable transaction.
pub(crate) const COMMANDS: usize = 1_024;
/// Arguments of one command.
pub(crate) const ARGUMENTS: usize = 512;
/// Type arguments of one call.
pub(crate) const TYPE_ARGUMENTS: usize = 16;
/// Publish and upgrade commands in one transaction.
pub(crate) const PUBLISHES: usize = 5;
/// Coins that may pay for one transaction.
pub(crate) const GAS_COINS: usize = 256;
/// Highest budget of one transaction, in MIST.
pub(crate) const GAS_BUDGET: u64 = 50_000_000_000;
/// Highest gas price, in MIST per unit.
pub(crate) const GAS_PRICE: u64 = 100_000;
/// Object ids one transaction may create.
pub(crate) const NEW_IDS: usize = 2_048;
/// Object ids one transaction may delete.
pub(crate) const DELETED_IDS: usize = 2_048;
/// Objects one transaction may transfer.
pub(crate) const TRANSFERS: usize = 2_048;
/// Events one transaction may emit.
pub(crate) const EVENTS: usize = 1_024;
/// Bytes of one event.
pub(crate) const EVENT_BYTES: usize = 250 * 1024;
/// Dynamic fields (child objects) one transaction may touch.
pub(crate) const CHILD_OBJECTS: usize = 1_000;
/// Bytes of all objects one transaction writes.
pub(crate) const WRITTEN_BYTES: usize = 5_000_000;
/// Bytes of one transaction's serialized effects.
pub(crate) const EFFECTS_BYTES: usize = 512 * 1024;
