//! Every codec of the wire: `floe_p2p_fuzz::codecs` says what must hold.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| floe_p2p_fuzz::codecs(data));
