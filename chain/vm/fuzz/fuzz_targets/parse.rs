//! Any bytes parse to a module or a typed error, within memory proportional to their length.
#![no_main]

use floe_move_vm::{Module, relocate};
use libfuzzer_sys::fuzz_target;
use sui_sdk_types::Address;

fuzz_target!(|bytes: &[u8]| {
    let Ok(module) = Module::parse(bytes) else {
        return;
    };
    let mut moved = bytes.to_vec();
    relocate(&mut moved, module.address(), &Address::THREE).expect("a module has its tables");
    let again = Module::parse(&moved).expect("addresses are not checked");
    assert_eq!(*again.address(), Address::THREE);
    assert_eq!(again.functions().count(), module.functions().count());
});
