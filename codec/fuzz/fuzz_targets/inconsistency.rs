//! Proofs of inconsistency: `floe_codec_fuzz::inconsistency` says what must hold.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| floe_codec_fuzz::inconsistency(data));
