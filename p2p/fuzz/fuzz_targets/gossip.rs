//! Gossip messages: `floe_p2p_fuzz::gossip` says what must hold.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| floe_p2p_fuzz::gossip(data));
