//! What every benchmark prints and computes.

mod machine;

pub use machine::{print_machine, program};

/// Median, least and greatest of a few repeats.
pub fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    let last = values.len().saturating_sub(1);
    // Of an even number, between the two in the middle.
    let median = f64::midpoint(at(last / 2), at(values.len() / 2));
    (median, at(0), at(last))
}
