//! Files of a store: `floe_storage_fuzz::files` says what must hold.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| floe_storage_fuzz::files(data));
