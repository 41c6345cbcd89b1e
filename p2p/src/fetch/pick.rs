//! Which of several equally good candidates to ask next: the better of two random ones.

use std::time::Duration;

use rand::Rng;

/// Takes one position out of `group`: of two random ones, that with the earlier expected finish.
///
/// Always taking the fastest source would send every client to the same one; two random choices
/// spread the load almost as well as knowing everybody's queue.
pub(super) fn pick(
    group: &mut Vec<usize>,
    finish: impl Fn(usize) -> Duration,
    rng: &mut impl Rng,
) -> Option<usize> {
    if group.is_empty() {
        return None;
    }
    let random = |rng: &mut _| Rng::random_range(rng, 0..group.len());
    let (one, other) = (random(rng), random(rng));
    let time = |at: usize| group.get(at).map(|position| finish(*position));
    let better = if time(other) < time(one) { other } else { one };
    Some(group.swap_remove(better))
}
