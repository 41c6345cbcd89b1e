#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| floe_storage_fuzz::files(data));
