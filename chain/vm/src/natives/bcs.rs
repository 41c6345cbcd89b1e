//! `std::bcs`.

use super::{Call, Outcome, Table, returns};

pub(super) const TABLE: Table = &[("bcs", "to_bytes", to_bytes)];

fn to_bytes(call: &mut Call<'_, '_>) -> Outcome {
    let value = call.copied()?;
    returns(call.encode(&value)?)
}
