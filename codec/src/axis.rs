//! The two directions of the code matrix, and a pair of values with one for each.
//!
//! The axis is a value, not a type parameter: slivers arrive from disks and peers with their axis
//! written beside them, and one code path serves both.

use serde::{Deserialize, Serialize};

/// A direction in the code matrix.
///
/// # Layout
/// One byte in BCS: 0 primary, 1 secondary. `"primary"` or `"secondary"` in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    /// Rows: primary sliver `i` is row `i`, extended to n symbols.
    Primary,
    /// Columns: secondary sliver `j` is column `j`, extended to n symbols.
    Secondary,
}

impl Axis {
    /// Both axes, primary first.
    pub const BOTH: [Axis; 2] = [Axis::Primary, Axis::Secondary];

    /// The other axis: a sliver is rebuilt from symbols of slivers of its orthogonal axis.
    #[must_use]
    pub const fn orthogonal(self) -> Axis {
        match self {
            Axis::Primary => Axis::Secondary,
            Axis::Secondary => Axis::Primary,
        }
    }
}

impl std::fmt::Display for Axis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Axis::Primary => "primary",
            Axis::Secondary => "secondary",
        })
    }
}

/// One value for each axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ByAxis<T> {
    /// The value of the primary axis.
    pub primary: T,
    /// The value of the secondary axis.
    pub secondary: T,
}

impl<T> ByAxis<T> {
    /// Calls `f` for the primary, then for the secondary axis.
    pub fn from_fn(mut f: impl FnMut(Axis) -> T) -> Self {
        Self {
            primary: f(Axis::Primary),
            secondary: f(Axis::Secondary),
        }
    }

    /// The value of `axis`.
    pub const fn get(&self, axis: Axis) -> &T {
        match axis {
            Axis::Primary => &self.primary,
            Axis::Secondary => &self.secondary,
        }
    }

    /// The value of `axis`, to change.
    pub const fn get_mut(&mut self, axis: Axis) -> &mut T {
        match axis {
            Axis::Primary => &mut self.primary,
            Axis::Secondary => &mut self.secondary,
        }
    }
}
