//! An amount of money, exact however small its parts are.

use std::{
    iter::Sum,
    ops::{Add, Sub},
};

/// Pico-dollars in a micro-dollar.
const PICOS: u128 = 1_000_000;

/// Dollars, in pico-dollars (10⁻¹²): the cheapest token of any provider costs 130 of them, so a sum has no rounding in
/// it. It is rounded once, where it is shown.
///
/// Stored as two whole numbers: `costMicros`, the whole micro-dollars, and `costPicos`, what is left below one. A single
/// number of pico-dollars would end at 9.2 million dollars (2⁶³), which a few made-up records reach. Of the two, the
/// one ends at 9.2 million million dollars, and the other, below a million a record, at nine million million records.
/// Records from before there were pico-dollars have none, and count as they did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost(u128);

impl Cost {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// This many pico-dollars.
    pub const fn from_picos(picos: u128) -> Self {
        Self(picos)
    }

    /// As stored.
    pub fn from_stored(micros: u64, picos: u64) -> Self {
        Self(u128::from(micros) * PICOS + u128::from(picos))
    }

    /// Whole micro-dollars: what is stored as `costMicros`.
    pub fn whole_micros(self) -> u64 {
        u64::try_from(self.0 / PICOS).unwrap_or(u64::MAX)
    }

    /// What is left below a micro-dollar: what is stored as `costPicos`.
    pub fn picos_left(self) -> u64 {
        u64::try_from(self.0 % PICOS).unwrap_or_default()
    }

    /// As shown: to the nearest micro-dollar, half of one up.
    pub fn rounded_micros(self) -> u64 {
        Self(self.0 + PICOS / 2).whole_micros()
    }

    /// All of it in pico-dollars.
    pub const fn picos(self) -> u128 {
        self.0
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Cost {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_in_two_parts_is_the_same_amount_again() {
        for picos in [0, 1, 999_999, 1_000_000, 12_345_678_901_234, u128::from(u64::MAX)] {
            let cost = Cost::from_picos(picos);
            assert_eq!(Cost::from_stored(cost.whole_micros(), cost.picos_left()), cost);
            assert!(cost.picos_left() < 1_000_000);
        }
        assert_eq!(Cost::from_stored(7, 0).rounded_micros(), 7, "a record from before");
        assert_eq!(Cost::from_stored(0, 3_500_000).whole_micros(), 3, "parts of many records");
    }

    #[test]
    fn small_parts_are_rounded_once_and_as_a_whole() {
        let small = Cost::from_picos(450_000);
        assert_eq!(small.rounded_micros(), 0);
        assert_eq!((0..10).map(|_| small).sum::<Cost>().rounded_micros(), 5, "4.5, half up");
        assert_eq!((0..1_000_000).map(|_| small).sum::<Cost>().rounded_micros(), 450_000);
    }
}
