//! Symbols and their proofs: `floe_codec_fuzz::symbol` says what must hold.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| floe_codec_fuzz::symbol(data));
