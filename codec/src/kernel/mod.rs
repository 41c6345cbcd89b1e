//! Own arithmetic for the hot loops, byte-identical to the crates that define the code.
//!
//! A *tier* is one implementation of all of it for one kind of processor. Everything here is generic
//! over the vector type of a tier; the only unsafe code is the intrinsics of `gf16/{avx2,avx512}.rs`
//! and `gf8/{avx2,avx512}.rs`, the calls that enter a tier, each behind a run-time check, the streaming
//! stores of `copy.rs`, which every x86-64 processor has, and the advice to the system in `pages.rs`.

#[expect(unsafe_code, reason = "streaming stores")]
pub(crate) mod copy;
#[expect(unsafe_code, reason = "vector instructions, behind run-time checks")]
pub(crate) mod gf16;
#[expect(unsafe_code, reason = "vector instructions, behind run-time checks")]
pub(crate) mod gf8;
pub(crate) mod hash;
#[expect(unsafe_code, reason = "advice on memory")]
pub(crate) mod pages;
pub(crate) mod symbols;
mod tier;

pub use tier::{Tier, TierError};
