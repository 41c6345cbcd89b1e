//! `sui::event`.

use super::{Call, Outcome, Table};
use crate::objects::EmittedEvent;

pub(super) const TABLE: Table = &[("event", "emit", emit)];

fn emit(call: &mut Call<'_, '_>) -> Outcome {
    let tag = call.type_argument(0)?.tag()?;
    let event = call.value()?;
    let contents = call.encode(&event)?;
    let machine = &mut *call.machine;
    #[cfg(feature = "testing")]
    if machine.breaks(crate::testing::Fault::EventLost) && machine.objects.events.len() % 2 == 1 {
        return Ok(None);
    }
    machine
        .objects
        .emit(EmittedEvent { tag, contents }, &machine.limits)?;
    Ok(None)
}
