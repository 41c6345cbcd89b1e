//! Metadata of segments: `floe_codec_fuzz::metadata` says what must hold.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| floe_codec_fuzz::metadata(data));
