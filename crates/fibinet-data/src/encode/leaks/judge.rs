use crate::encode::column_guess::Remark;
use crate::encode::guess::{Guess, Known};
use crate::encode::leaks::evidence::Evidence;
use crate::encode::leaks::findings::Findings;
use crate::encode::leaks::leak::{Leak, Treatment};
use crate::encode::leaks::separation::Separation;

/// The lower bound of an AUC that draws a warning, if the other columns are far below.
const MIN_SUSPECT: f64 = 0.95;
/// How far above the next column it has to be.
const MIN_GAP: f64 = 0.10;

/// Excludes the columns that should not be fields, and lists those with evidence. `findings` are those
/// of the guess's columns, `None` if a column was not looked at. `are_copies` tells it of two of these columns. What
/// speaks against a column that is no field anyway is added to the reason for that.
pub(super) fn judge(
    guess: &mut Guess,
    findings: Vec<Option<Findings>>,
    known: &Known,
    are_copies: impl Fn(usize, usize) -> bool,
) -> Vec<Leak> {
    let mut verdicts = verdicts(guess, findings, known);
    name_originals(&mut verdicts, guess, are_copies);
    let columns = guess.columns.iter_mut().zip(verdicts);
    let leaks = columns.filter_map(|(column, verdict)| {
        let (evidence, treatment) = verdict?;
        if treatment == Treatment::LeftOut {
            column.field = None;
            column.reason = format!("excluded: {evidence}");
            column.remark = None;
        } else if column.field.is_none() {
            column.reason += &format!("; {evidence}");
            if let Some(Remark::LeftOut(why) | Remark::Note(why)) = &mut column.remark {
                *why += &format!("; {evidence}");
            }
            return None;
        } else {
            column.reason += &format!("; warning: {evidence}");
        }
        Some(Leak {
            column: column.name.clone(),
            evidence,
            treatment,
        })
    });
    leaks.collect()
}

type Verdict = Option<(Evidence, Treatment)>;

fn verdicts(guess: &Guess, mut findings: Vec<Option<Findings>>, known: &Known) -> Vec<Verdict> {
    let columns = guess.columns.iter().zip(&mut findings);
    let leaks = columns.map(|(column, findings)| {
        let treatment = if known.asks_for(&column.name) {
            Treatment::KeptAsAsked
        } else {
            Treatment::LeftOut
        };
        Some((findings.as_mut()?.leak.take()?, treatment))
    });
    let mut verdicts: Vec<Verdict> = leaks.collect();
    let others = findings.iter().zip(&verdicts).enumerate();
    let others = others.filter(|(_, (_, verdict))| verdict.is_none());
    let others = others.filter_map(|(at, (findings, _))| {
        let separation = findings.as_ref()?.separation?;
        Some(Ranked { at, separation })
    });
    if let Some((suspects, next)) = suspects(others.collect()) {
        let next = (guess.columns[next.at].name.clone(), next.separation.auc);
        for Ranked { at, separation } in suspects {
            let Separation { auc, bound } = separation;
            let next = next.clone();
            verdicts[at] = Some((Evidence::Outranks { auc, bound, next }, Treatment::Kept));
        }
    }
    for (verdict, findings) in verdicts.iter_mut().zip(findings) {
        let pure = findings.and_then(|findings| findings.pure_value);
        *verdict = verdict.take().or(pure.map(|pure| (pure, Treatment::Kept)));
    }
    verdicts
}

/// Columns that draw a warning and are copies of an earlier one have that one as their evidence.
fn name_originals(
    verdicts: &mut [Verdict],
    guess: &Guess,
    are_copies: impl Fn(usize, usize) -> bool,
) {
    let mut originals = Vec::new();
    for (at, verdict) in verdicts.iter_mut().enumerate() {
        let Some((evidence, Treatment::Kept)) = verdict else {
            continue;
        };
        if guess.columns[at].field.is_none() {
            continue;
        }
        match originals.iter().find(|original| are_copies(**original, at)) {
            Some(original) => {
                let column = guess.columns[*original].name.clone();
                *evidence = Evidence::CopyOf { column };
            }
            None => originals.push(at),
        }
    }
}

/// A column, by its index, and its separation.
#[derive(Debug, Clone, Copy)]
struct Ranked {
    at: usize,
    separation: Separation,
}

/// The columns that rank clicks far better than all others, and the best of the others.
fn suspects(mut columns: Vec<Ranked>) -> Option<(Vec<Ranked>, Ranked)> {
    columns.sort_by(|a, b| b.separation.auc.total_cmp(&a.separation.auc));
    let is_high = |column: &&Ranked| column.separation.bound >= MIN_SUSPECT;
    let num_high = columns.iter().take_while(is_high).count();
    let is_above_next = |at: &usize| {
        let bound = columns[*at].separation.bound;
        let next = columns.get(at + 1);
        next.is_some_and(|next| bound - next.separation.auc >= MIN_GAP)
    };
    let last = (0..num_high).rev().find(is_above_next)?;
    let next = columns[last + 1];
    columns.truncate(last + 1);
    Some((columns, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspects_of(bounds: &[f64]) -> Vec<usize> {
        let column = |(at, bound): (usize, &f64)| {
            let (auc, bound) = (bound + 0.002, *bound);
            let separation = Separation { auc, bound };
            Ranked { at, separation }
        };
        let found = suspects(bounds.iter().enumerate().map(column).collect());
        let suspects = found.map_or(Vec::new(), |(suspects, _)| suspects);
        suspects.into_iter().map(|column| column.at).collect()
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
