#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| floe_codec_fuzz::symbol(data));
