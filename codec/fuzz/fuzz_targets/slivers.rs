//! Slivers of blobs written wrong: `floe_codec_fuzz::slivers` says what must hold.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| floe_codec_fuzz::slivers(data));
