use crate::encode::guess::{Guess, Known};
use crate::encode::leaks::evidence::Evidence;
use crate::encode::leaks::findings::Findings;
use crate::encode::leaks::separation::Separation;
use crate::encode::leaks::{Leak, Treatment};

/// The lower bound of an AUC that draws a warning, if the other columns are far below.
const MIN_SUSPECT: f64 = 0.95;
/// How far above the next column it has to be.
const MIN_GAP: f64 = 0.10;

/// Excludes the columns that should not be fields, and lists those with evidence. `findings` are those
/// of the guess's columns, `None` if a column is not a field.
pub(super) fn judge(
    guess: &mut Guess,
    mut findings: Vec<Option<Findings>>,
    known: &Known,
) -> Vec<Leak> {
    let mut leaks: Vec<Option<(Evidence, Treatment)>> = Vec::new();
    for (column, findings) in guess.columns.iter().zip(&mut findings) {
        let leak = findings.as_mut().and_then(|findings| findings.leak.take());
        let treatment = match known.asks_for(&column.name) {
            true => Treatment::KeptAsAsked,
            false => Treatment::LeftOut,
        };
        leaks.push(leak.map(|leak| (leak, treatment)));
    }
    let honest = findings.iter().zip(&leaks).enumerate();
    let honest = honest.filter(|(_, (_, leak))| leak.is_none());
    let honest =
        honest.filter_map(|(at, (findings, _))| Some((at, findings.as_ref()?.separation?)));
    if let Some((suspects, (next, next_auc))) = suspects(honest.collect()) {
        for (at, Separation { auc, bound }) in suspects {
            let next = (guess.columns[next].name.clone(), next_auc);
            leaks[at] = Some((Evidence::Outranks { auc, bound, next }, Treatment::Kept));
        }
    }
    for (leak, findings) in leaks.iter_mut().zip(findings) {
        let pure = findings.and_then(|findings| findings.pure_value);
        *leak = leak.take().or(pure.map(|pure| (pure, Treatment::Kept)));
    }
    let leaks = guess.columns.iter_mut().zip(leaks);
    leaks
        .filter_map(|(column, leak)| {
            let (evidence, treatment) = leak?;
            if treatment == Treatment::LeftOut {
                column.field = None;
                column.reason = format!("excluded: {evidence}");
            } else {
                column.reason += &format!("; warning: {evidence}");
            }
            Some(Leak {
                column: column.name.clone(),
                evidence,
                treatment,
            })
        })
        .collect()
}

/// The columns that rank clicks far better than all others, and the best of the others with its AUC.
fn suspects(
    mut columns: Vec<(usize, Separation)>,
) -> Option<(Vec<(usize, Separation)>, (usize, f64))> {
    columns.sort_by(|(_, a), (_, b)| b.auc.total_cmp(&a.auc));
    let is_high = |(_, separation): &&(usize, Separation)| separation.bound >= MIN_SUSPECT;
    let num_high = columns.iter().take_while(is_high).count();
    let gap = |at: &usize| {
        let next = columns.get(at + 1);
        next.is_some_and(|(_, next)| columns[*at].1.bound - next.auc >= MIN_GAP)
    };
    let last = (0..num_high).rev().find(gap)?;
    let (next, Separation { auc, .. }) = columns[last + 1];
    columns.truncate(last + 1);
    Some((columns, (next, auc)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspects_of(bounds: &[f64]) -> Vec<usize> {
        let column = |(at, bound): (usize, &f64)| {
            let (auc, bound) = (bound + 0.002, *bound);
            (at, Separation { auc, bound })
        };
        let found = suspects(bounds.iter().enumerate().map(column).collect());
        let (suspects, _) = found.unwrap_or_default();
        suspects.into_iter().map(|(at, _)| at).collect()
    }

    #[test]
    fn a_column_far_above_the_others_is_suspect() {
        assert_eq!(suspects_of(&[0.6, 0.96, 0.7]), [1]);
        // Two copies of one leak.
        assert_eq!(suspects_of(&[0.96, 0.97, 0.7]), [1, 0]);
    }

    #[test]
    fn a_strong_column_beside_strong_ones_is_not() {
        assert_eq!(suspects_of(&[0.97, 0.90]), []);
        assert_eq!(suspects_of(&[0.97, 0.93, 0.87, 0.80, 0.72]), []);
        assert_eq!(suspects_of(&[0.94, 0.6]), []);
        assert_eq!(suspects_of(&[0.97, 0.96]), []);
        assert_eq!(suspects_of(&[]), []);
    }
}
