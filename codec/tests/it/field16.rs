//! `RedStuff16` as `docs/protocol.md` defines it, by polynomial interpolation in the plain field.

use crate::{definition::extend, support::Choices};

const BASIS: [u16; 16] = [
    0x0001, 0xacca, 0x3c0e, 0x163e, 0xc582, 0xed2e, 0x914c, 0x4012, 0x6c98, 0x10d8, 0x6a72, 0xb900,
    0xfdb8, 0xfb34, 0xff38, 0x991e,
];

/// The field element that 16 bits stand for.
fn element(bits: u16) -> u16 {
    (0..16)
        .filter(|bit| bits >> bit & 1 == 1)
        .fold(0, |sum, bit| sum ^ BASIS[bit])
}

fn mul(a: u16, b: u16) -> u16 {
    (0..16).rev().fold(0, |product: u16, bit| {
        let carry = if product >> 15 == 1 { 0x002d } else { 0 };
        product << 1 ^ carry ^ if b >> bit & 1 == 1 { a } else { 0 }
    })
}

fn inverse(a: u16) -> u16 {
    // a^(2^16 - 2)
    let mut power = mul(a, a);
    let mut product = power;
    for _ in 0..14 {
        power = mul(power, power);
        product = mul(product, power);
    }
    product
}

/// The value at `at` of the polynomial of lowest degree with these values at `first`, `first + 1`, ...
fn interpolate(values: &[u16], first: usize, at: usize) -> u16 {
    let point = |index: usize| element(u16::try_from(index).unwrap());
    let x = point(at);
    let mut sum = 0;
    for (i, &value) in values.iter().enumerate() {
        let (mut above, mut below) = (element(value), 1);
        for j in (0..values.len()).filter(|&j| j != i) {
            above = mul(above, x ^ point(first + j));
            below = mul(below, point(first + i) ^ point(first + j));
        }
        sum ^= mul(above, inverse(below));
    }
    sum
}

#[test]
fn the_fft_code_is_the_polynomial_code_of_the_protocol() {
    let mut choices = Choices::new(11);
    for (n, k) in [(65usize, 23usize), (65, 44), (100, 34), (70, 48)] {
        let m = n - k;
        let source: Vec<_> = (0..k).map(|_| choices.bytes(2)).collect();
        let values: Vec<_> = source
            .iter()
            .map(|s| u16::from_le_bytes([s[0], s[1]]))
            .collect();
        let (group_k, group_m) = (k.next_power_of_two(), m.next_power_of_two());
        let high_rate = group_k > group_m || group_k == group_m && k <= m;
        let extended = extend(n.try_into().unwrap(), &source);
        for t in 0..m {
            let sum = if high_rate {
                let groups = values.chunks(group_m).enumerate().map(|(index, group)| {
                    let mut group = group.to_vec();
                    group.resize(group_m, 0);
                    interpolate(&group, (index + 1) * group_m, t)
                });
                groups.fold(0, |sum, value| sum ^ value)
            } else {
                let mut group = values.clone();
                group.resize(group_k, 0);
                interpolate(&group, 0, group_k + t)
            };
            let got = u16::from_le_bytes([extended[k + t][0], extended[k + t][1]]);
            assert_eq!(element(got), sum, "n = {n}, k = {k}, recovery symbol {t}");
        }
    }
}
