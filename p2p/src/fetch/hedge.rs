//! The budget for asking again before an answer has failed: hedges must stay a small share of all
//! requests, or slowness would breed load and load slowness.

/// Earns a twentieth of a hedge with every request, so hedges stay below 5 % of them.
///
/// One budget is shared by all fetches of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HedgeBudget {
    /// In twentieths of a hedge.
    saved: u32,
}

impl HedgeBudget {
    const PRICE: u32 = 20;
    /// Hedges that can be saved up.
    const MOST: u32 = 32;
    /// Hedges a new client starts with: its first read may meet a dead peer too.
    const FIRST: u32 = 8;

    /// A request was sent.
    pub const fn earn(&mut self) {
        if self.saved < Self::PRICE * Self::MOST {
            self.saved += 1;
        }
    }

    /// Takes one hedge, if there is one.
    pub const fn spend(&mut self) -> bool {
        match self.saved.checked_sub(Self::PRICE) {
            Some(rest) => {
                self.saved = rest;
                true
            }
            None => false,
        }
    }
}

impl Default for HedgeBudget {
    fn default() -> Self {
        Self {
            saved: Self::FIRST * Self::PRICE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hedges_are_one_in_twenty_requests() {
        let mut budget = HedgeBudget::default();
        let mut spent = 0;
        for _ in 0..10_000 {
            budget.earn();
            spent += u32::from(budget.spend());
        }
        assert_eq!(spent, 10_000 / 20 + HedgeBudget::FIRST);
    }

    #[test]
    fn savings_are_bounded() {
        let mut budget = HedgeBudget::default();
        (0..100_000).for_each(|_| budget.earn());
        let spent = (0..1000).filter(|_| budget.spend()).count();
        assert_eq!(spent, HedgeBudget::MOST as usize);
    }
}
