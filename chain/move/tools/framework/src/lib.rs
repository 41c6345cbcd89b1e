//! Intentionally empty: the manifest beside it only pins where the Move sources come from.
