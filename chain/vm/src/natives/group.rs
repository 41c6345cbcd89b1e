//! `sui::group_ops`: arithmetic in the groups of BLS12-381.
//!
//! Elements are byte strings: scalars 32 bytes big-endian, G1 48 and G2 96 bytes compressed, GT 576
//! bytes, uncompressed G1 96 bytes. Elements that Move code holds were validated when they were
//! made, so operations skip the subgroup check, as on Sui.

use blst::blst_fp12;
use blstrs::{G1Affine, G1Projective, G2Affine, G2Projective, Scalar};
use ff::Field;

use super::{
    ARGUMENT, Call, Outcome, Table, abort,
    bls::{DOMAIN_G1, DOMAIN_G2},
    returns,
};
use crate::{failure::FailureKind, value::Value};

pub(super) const TABLE: Table = &[
    ("group_ops", "internal_validate", validate),
    ("group_ops", "internal_add", add),
    ("group_ops", "internal_sub", subtract),
    ("group_ops", "internal_mul", multiply),
    ("group_ops", "internal_div", divide),
    ("group_ops", "internal_hash_to", hash_to),
    (
        "group_ops",
        "internal_multi_scalar_mul",
        multi_scalar_multiply,
    ),
    ("group_ops", "internal_pairing", pairing),
    ("group_ops", "internal_convert", convert),
    ("group_ops", "internal_sum", sum),
];

const SCALAR: u8 = 0;
const G1: u8 = 1;
const G2: u8 = 2;
const GT: u8 = 3;
const UNCOMPRESSED_G1: u8 = 4;

const E_INVALID_INPUT: u64 = 1;
const E_INPUT_TOO_LONG: u64 = 2;

/// Most terms of a multi-scalar multiplication, and of a sum, on Sui.
const MAX_PRODUCTS: usize = 32;
const MAX_TERMS: usize = 1_200;

const PRICE_ADD: u64 = 500;
const PRICE_MULTIPLY: u64 = 5_000;
const PRICE_PAIRING: u64 = 20_000;
const PRICE_TERM: u64 = 50;

/// An element of one of the groups.
enum Element {
    Scalar(Scalar),
    G1(G1Projective),
    G2(G2Projective),
}

/// Decodes an element; `checked` asks for membership in the subgroup.
fn element(group: u8, bytes: &[u8], checked: bool) -> Option<Element> {
    Some(match group {
        SCALAR => Element::Scalar(Option::from(Scalar::from_bytes_be(bytes.try_into().ok()?))?),
        G1 => {
            let bytes = bytes.try_into().ok()?;
            let point: Option<G1Affine> = if checked {
                G1Affine::from_compressed(bytes).into()
            } else {
                G1Affine::from_compressed_unchecked(bytes).into()
            };
            Element::G1(point?.into())
        }
        G2 => {
            let bytes = bytes.try_into().ok()?;
            let point: Option<G2Affine> = if checked {
                G2Affine::from_compressed(bytes).into()
            } else {
                G2Affine::from_compressed_unchecked(bytes).into()
            };
            Element::G2(point?.into())
        }
        _ => return None,
    })
}

impl Element {
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Scalar(scalar) => scalar.to_bytes_be().to_vec(),
            Self::G1(point) => point.to_compressed().to_vec(),
            Self::G2(point) => point.to_compressed().to_vec(),
        }
    }
}

fn finish(result: Option<Element>) -> Outcome {
    match result {
        Some(element) => returns(element.to_bytes()),
        None => abort(E_INVALID_INPUT),
    }
}

fn validate(call: &mut Call<'_, '_>) -> Outcome {
    call.charge(PRICE_ADD)?;
    let group = call.u8()?;
    let bytes = call.bytes()?;
    returns(element(group, &bytes, true).is_some())
}

/// The group an operation is in. Of GT only pairings are supported.
fn group(call: &mut Call<'_, '_>) -> Result<u8, FailureKind> {
    match call.u8()? {
        GT => Err(FailureKind::UnsupportedNative(
            "group_ops arithmetic in GT".into(),
        )),
        group => Ok(group),
    }
}

fn add(call: &mut Call<'_, '_>) -> Outcome {
    call.charge(PRICE_ADD)?;
    let group = group(call)?;
    let (left, right) = (call.bytes()?, call.bytes()?);
    let operands = element(group, &left, false).zip(element(group, &right, false));
    finish(operands.and_then(|operands| match operands {
        (Element::Scalar(a), Element::Scalar(b)) => Some(Element::Scalar(a + b)),
        (Element::G1(a), Element::G1(b)) => Some(Element::G1(a + b)),
        (Element::G2(a), Element::G2(b)) => Some(Element::G2(a + b)),
        _ => None,
    }))
}

fn subtract(call: &mut Call<'_, '_>) -> Outcome {
    call.charge(PRICE_ADD)?;
    let group = group(call)?;
    let (left, right) = (call.bytes()?, call.bytes()?);
    let operands = element(group, &left, false).zip(element(group, &right, false));
    finish(operands.and_then(|operands| match operands {
        (Element::Scalar(a), Element::Scalar(b)) => Some(Element::Scalar(a - b)),
        (Element::G1(a), Element::G1(b)) => Some(Element::G1(a - b)),
        (Element::G2(a), Element::G2(b)) => Some(Element::G2(a - b)),
        _ => None,
    }))
}

/// The scalar and the element of a multiplication or division, in this order.
fn scaled(call: &mut Call<'_, '_>) -> Result<Option<(Scalar, Element)>, FailureKind> {
    call.charge(PRICE_MULTIPLY)?;
    let group = group(call)?;
    let (scalar, base) = (call.bytes()?, call.bytes()?);
    let Some(Element::Scalar(scalar)) = element(SCALAR, &scalar, false) else {
        return Ok(None);
    };
    Ok(element(group, &base, false).map(|base| (scalar, base)))
}

fn scale((scalar, base): (Scalar, Element)) -> Element {
    match base {
        Element::Scalar(a) => Element::Scalar(a * scalar),
        Element::G1(a) => Element::G1(a * scalar),
        Element::G2(a) => Element::G2(a * scalar),
    }
}

fn multiply(call: &mut Call<'_, '_>) -> Outcome {
    finish(scaled(call)?.map(scale))
}

fn divide(call: &mut Call<'_, '_>) -> Outcome {
    let operands = scaled(call)?;
    finish(operands.and_then(|(scalar, base)| {
        let inverse: Option<Scalar> = scalar.invert().into();
        Some(scale((inverse?, base)))
    }))
}

fn hash_to(call: &mut Call<'_, '_>) -> Outcome {
    call.charge(PRICE_MULTIPLY)?;
    let group = call.u8()?;
    let message = call.bytes()?;
    finish(match group {
        _ if message.is_empty() => None,
        G1 => Some(Element::G1(G1Projective::hash_to_curve(
            &message,
            DOMAIN_G1,
            &[],
        ))),
        G2 => Some(Element::G2(G2Projective::hash_to_curve(
            &message,
            DOMAIN_G2,
            &[],
        ))),
        _ => None,
    })
}

fn multi_scalar_multiply(call: &mut Call<'_, '_>) -> Outcome {
    let group = call.u8()?;
    let (scalars, points) = (call.bytes()?, call.bytes()?);
    let size = match group {
        G1 => 48,
        G2 => 96,
        _ => return abort(E_INVALID_INPUT),
    };
    let count = scalars.len() / 32;
    if count == 0 || scalars.len() != count * 32 || points.len() != count * size {
        return abort(E_INVALID_INPUT);
    }
    if count > MAX_PRODUCTS {
        return abort(E_INPUT_TOO_LONG);
    }
    let mut total: Option<Element> = None;
    for (scalar, point) in scalars.chunks(32).zip(points.chunks(size)) {
        call.charge(PRICE_MULTIPLY)?;
        let (Some(Element::Scalar(scalar)), Some(point)) =
            (element(SCALAR, scalar, false), element(group, point, false))
        else {
            return abort(E_INVALID_INPUT);
        };
        total = match (total, scale((scalar, point))) {
            (Some(Element::G1(sum)), Element::G1(term)) => Some(Element::G1(sum + term)),
            (Some(Element::G2(sum)), Element::G2(term)) => Some(Element::G2(sum + term)),
            (_, first) => Some(first),
        };
    }
    finish(total)
}

fn pairing(call: &mut Call<'_, '_>) -> Outcome {
    call.charge(PRICE_PAIRING)?;
    let group = call.u8()?;
    let (left, right) = (call.bytes()?, call.bytes()?);
    if group != G1 {
        return abort(E_INVALID_INPUT);
    }
    match (element(G1, &left, false), element(G2, &right, false)) {
        (Some(Element::G1(left)), Some(Element::G2(right))) => {
            let (left, right) = (G1Affine::from(left), G2Affine::from(right));
            let loops = blst_fp12::miller_loop(right.as_ref(), left.as_ref());
            returns(loops.final_exp().to_bendian().to_vec())
        }
        _ => abort(E_INVALID_INPUT),
    }
}

fn convert(call: &mut Call<'_, '_>) -> Outcome {
    call.charge(PRICE_ADD)?;
    let (from, to) = (call.u8()?, call.u8()?);
    let bytes = call.bytes()?;
    match (from, to) {
        (UNCOMPRESSED_G1, G1) => match uncompressed(&bytes) {
            Some(point) => returns(point.to_compressed().to_vec()),
            None => abort(E_INVALID_INPUT),
        },
        (G1, UNCOMPRESSED_G1) => match element(G1, &bytes, false) {
            Some(Element::G1(point)) => returns(G1Affine::from(point).to_uncompressed().to_vec()),
            _ => abort(E_INVALID_INPUT),
        },
        _ => abort(E_INVALID_INPUT),
    }
}

fn uncompressed(bytes: &[u8]) -> Option<G1Affine> {
    G1Affine::from_uncompressed_unchecked(bytes.try_into().ok()?).into()
}

/// `internal_sum(type, &vector<vector<u8>>)`, for uncompressed G1 only.
fn sum(call: &mut Call<'_, '_>) -> Outcome {
    let group = call.u8()?;
    let Value::Vector(terms) = call.copied()? else {
        return Err(ARGUMENT);
    };
    if group != UNCOMPRESSED_G1 {
        return abort(E_INVALID_INPUT);
    }
    if terms.len() > MAX_TERMS {
        return abort(E_INPUT_TOO_LONG);
    }
    let mut total = G1Projective::from(G1Affine::default());
    for term in terms.iter() {
        call.charge(PRICE_TERM)?;
        let Value::Bytes(bytes) = term else {
            return Err(ARGUMENT);
        };
        match uncompressed(bytes) {
            Some(point) => total += point,
            None => return abort(E_INVALID_INPUT),
        }
    }
    returns(G1Affine::from(total).to_uncompressed().to_vec())
}
