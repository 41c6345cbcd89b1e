/// Sizes and ids against vectors that the codec checks too (`chain/tests/move_vectors.rs` reads this file).
#[test_only]
module floe::encoding_tests;

use floe::encoding;

#[test]
fun encoded_sizes() {
    check(4, 0, 1064);
    check(4, 1, 1064);
    check(4, 2, 1064);
    check(4, 57, 1224);
    check(4, 1000, 4384);
    check(4, 4194304, 13982064);
    check(4, 4194431, 13982464);
    check(4, 4194432, 13982464);
    check(4, 4194433, 13983528);
    check(4, 12595641, 41989576);
    check(4, 1099511627776, 3665307187568);
    check(10, 0, 6620);
    check(10, 1, 6620);
    check(10, 2, 6620);
    check(10, 57, 6840);
    check(10, 1000, 10360);
    check(10, 4194304, 16484180);
    check(10, 4195071, 16487040);
    check(10, 4195072, 16487040);
    check(10, 4195073, 16493660);
    check(10, 12597561, 49516140);
    check(10, 1099511627776, 4321187387220);
    check(64, 0, 270464);
    check(64, 1, 270464);
    check(64, 2, 270464);
    check(64, 57, 270464);
    check(64, 1000, 270464);
    check(64, 4194304, 18707584);
    check(64, 4238079, 18898944);
    check(64, 4238080, 18898944);
    check(64, 4238081, 19169408);
    check(64, 12726585, 57017216);
    check(64, 1099511627776, 4903071556608);
    check(65, 0, 279110);
    check(65, 1, 279110);
    check(65, 2, 279110);
    check(65, 57, 279110);
    check(65, 1000, 279110);
    check(65, 4194304, 18326230);
    check(65, 4209919, 18387200);
    check(65, 4209920, 18387200);
    check(65, 4209921, 18666310);
    check(65, 12642105, 55492970);
    check(65, 1099511627776, 4802214926210);
    check(100, 0, 660200);
    check(100, 1, 660200);
    check(100, 2, 660200);
    check(100, 57, 660200);
    check(100, 1000, 660200);
    check(100, 4194304, 19244200);
    check(100, 4227967, 19385600);
    check(100, 4227968, 19385600);
    check(100, 4227969, 20045800);
    check(100, 12696249, 58857400);
    check(100, 1099511627776, 5041356353400);
    check(128, 0, 1081856);
    check(128, 1, 1081856);
    check(128, 2, 1081856);
    check(128, 57, 1081856);
    check(128, 1000, 1081856);
    check(128, 4194304, 19518976);
    check(128, 4359167, 20217856);
    check(128, 4359168, 20217856);
    check(128, 4359169, 21299712);
    check(128, 13089849, 61768704);
    check(128, 1099511627776, 5099544028160);
    check(129, 0, 1090824);
    check(129, 1, 1090824);
    check(129, 2, 1090824);
    check(129, 57, 1090824);
    check(129, 1000, 1090824);
    check(129, 4194304, 19310784);
    check(129, 4259519, 19583232);
    check(129, 4259520, 19583232);
    check(129, 4259521, 20674056);
    check(129, 12790905, 59874576);
    check(129, 1099511627776, 5055028259304);
    check(1000, 0, 10194000);
    check(1000, 1, 10194000);
    check(1000, 2, 10194000);
    check(1000, 57, 10194000);
    check(1000, 1000, 10194000);
    check(1000, 4194304, 28212000);
    check(1000, 114062335, 520704000);
    check(1000, 114062336, 520704000);
    check(1000, 114062337, 530898000);
    check(1000, 342199353, 1572306000);
    check(1000, 1099511627776, 5019366340000);
    check(1024, 0, 10487808);
    check(1024, 1, 10487808);
    check(1024, 2, 10487808);
    check(1024, 57, 10487808);
    check(1024, 1000, 10487808);
    check(1024, 4194304, 27281408);
    check(1024, 119596031, 545783808);
    check(1024, 119596032, 545783808);
    check(1024, 119596033, 556271616);
    check(1024, 358800441, 1647839232);
    check(1024, 1099511627776, 5017692823552);
}

#[test]
fun blob_ids() {
    assert!(
        encoding::blob_id(1, 10, 1000, x"0101010101010101010101010101010101010101010101010101010101010101")
            == x"c1d61d38f0cf18d20d6a1ae7288aa2e983bac048c620fd5342fc368b3fd5d315",
    );
    assert!(
        encoding::blob_id(2, 1000, 70368744177664, x"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
            == x"ccfef981125ddfdefacb1ec93d434b5a31364f662df29f5dafb34b9b41d8def5",
    );
    assert!(
        encoding::blob_id(1, 64, 0, x"0000000000000000000000000000000000000000000000000000000000000000")
            == x"d09b7516452b1e29ef41c736a2760fb2ab80ea52354400c6588a1541a433f57b",
    );
    assert!(
        encoding::blob_id(2, 65, 0, x"0000000000000000000000000000000000000000000000000000000000000000")
            == x"389031effe698a13f21785f6a9041ce5b7d68c91c8ee623b074f38017da69ded",
    );
}

#[test, expected_failure(abort_code = encoding::ESize)]
fun a_size_near_the_limit_of_numbers_is_refused() {
    encoding::encoded_size(1024, std::u64::max_value!());
}

#[test, expected_failure(abort_code = encoding::ESize)]
fun a_blob_of_too_many_segments_is_refused() {
    // With four shards a segment holds 6 symbols of 699,072 bytes.
    encoding::encoded_size(4, (6 * 699_072 << 20) + 1);
}

#[test, expected_failure(abort_code = encoding::EEncoding)]
fun the_small_field_is_not_for_65_shards() {
    encoding::blob_id(1, 65, 0, vector::tabulate!(32, |_| 0));
}

#[test, expected_failure(abort_code = encoding::EEncoding)]
fun the_large_field_is_not_for_64_shards() {
    encoding::blob_id(2, 64, 0, vector::tabulate!(32, |_| 0));
}

#[test, expected_failure(abort_code = encoding::ERoot)]
fun a_short_root_is_refused() {
    encoding::blob_id(1, 10, 0, vector::tabulate!(31, |_| 0));
}

fun check(shards: u16, size: u64, expected: u64) {
    assert!(encoding::encoded_size(shards, size) == expected);
}
