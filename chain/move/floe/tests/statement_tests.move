/// The bytes of statements, field by field.
#[test_only]
module floe::statement_tests;

use floe::statement;

const SYSTEM: address = @0x2222222222222222222222222222222222222222222222222222222222222222;
const OBJECT: address = @0x4444444444444444444444444444444444444444444444444444444444444444;

#[test]
fun availability_of_a_permanent_blob() {
    let bytes = domain().available(7, of(0x33), 1_000, 1, option::none());
    assert!(bytes.length() == 70 + 74);
    let mut expected = header(1, x"07000000");
    expected.append(of(0x33));
    expected.append(x"e80300000000000001");
    expected.append(x"00");
    expected.append(of(0));
    assert!(bytes == expected);
}

#[test]
fun availability_of_a_deletable_blob() {
    let bytes = domain().available(7, of(0x33), 1_000, 2, option::some(OBJECT.to_id()));
    let mut expected = header(1, x"07000000");
    expected.append(of(0x33));
    expected.append(x"e80300000000000002");
    expected.append(x"01");
    expected.append(of(0x44));
    assert!(bytes == expected);
}

#[test]
fun inconsistency() {
    let mut expected = header(2, x"ffffffff");
    expected.append(of(0x33));
    assert!(domain().inconsistent(0xffffffff, of(0x33)) == expected);
}

#[test]
fun possession() {
    let bytes = domain().possession(OBJECT, &of(0x55), &of(0x66));
    let mut expected = header(0, x"00000000");
    expected.append(of(0x44));
    expected.append(of(0x55));
    expected.append(of(0x66));
    assert!(bytes == expected);
    let mut prefixed = b"floe/possession/1";
    prefixed.append(expected);
    assert!(statement::under_ed25519(bytes) == prefixed);
}

#[test, expected_failure(abort_code = statement::EChainId)]
fun a_chain_id_has_32_bytes() {
    statement::domain(vector[1], SYSTEM.to_id());
}

fun domain(): statement::Domain { statement::domain(of(0x11), SYSTEM.to_id()) }

fun header(kind: u8, epoch: vector<u8>): vector<u8> {
    let mut bytes = vector[kind, 1];
    bytes.append(of(0x11));
    bytes.append(of(0x22));
    bytes.append(epoch);
    bytes
}

fun of(byte: u8): vector<u8> { vector::tabulate!(32, |_| byte) }
