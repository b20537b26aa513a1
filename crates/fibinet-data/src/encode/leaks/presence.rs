use crate::encode::leaks::sample::CellKey;
use crate::encode::leaks::values::Values;

/// The greatest share of rows that break a rule which otherwise tells the label.
const MAX_EXCEPTIONS: f64 = 0.001;
/// The greatest share of the clicks, and of the other rows, that do.
const MAX_EXCEPTIONS_OF_A_LABEL: f64 = 0.05;

/// A rule of the cells that may hold for clicks only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// The cell has a value.
    Present,
    /// The cell has a value besides 0.
    NonZero,
    /// The cell has another value than this one.
    Besides(CellKey),
}

impl Presence {
    /// The rules of a column, the simplest first. The last one is about its most frequent cell, which may be a word
    /// for "nothing".
    pub(super) fn rules(values: &Values) -> Vec<Self> {
        let mut rules = vec![Self::Present, Self::NonZero];
        let totals = values.totals();
        let most_frequent = totals.max_by_key(|(_, [others, clicks])| others + clicks);
        let cell = most_frequent.map(|(cell, _)| cell);
        let cell = cell.filter(|cell| !matches!(cell, CellKey::Missing | CellKey::Integer(0)));
        rules.extend(cell.map(Self::Besides));
        rules
    }

    pub(super) fn holds(self, cell: CellKey) -> bool {
        match self {
            Self::Present => cell != CellKey::Missing,
            Self::NonZero => !matches!(cell, CellKey::Missing | CellKey::Integer(0)),
            Self::Besides(most_frequent) => cell != CellKey::Missing && cell != most_frequent,
        }
    }

    /// The rule that holds for clicks and for no other rows, with the number of exceptions.
    pub(super) fn of(values: &Values) -> Option<(Self, u64)> {
        Self::rules(values).into_iter().find_map(|rule| {
            let (mut exceptions, mut rows) = ([0_u64; 2], [0_u64; 2]);
            for (cell, counts) in values.totals() {
                rows = [rows[0] + counts[0], rows[1] + counts[1]];
                let wrong = usize::from(!rule.holds(cell));
                exceptions[wrong] += counts[wrong];
            }
            let sum = exceptions[0] + exceptions[1];
            let is_few = |own: u64, of: u64, share: f64| own as f64 <= share * of as f64;
            let few = is_few(sum, rows[0] + rows[1], MAX_EXCEPTIONS)
                && is_few(exceptions[0], rows[0], MAX_EXCEPTIONS_OF_A_LABEL)
                && is_few(exceptions[1], rows[1], MAX_EXCEPTIONS_OF_A_LABEL);
            few.then_some((rule, sum))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::leaks::sample::testing::{repeated, values_of};

    fn presence(rows: &[(bool, String)]) -> Option<(Presence, u64)> {
        Presence::of(&values_of(rows))
    }

    #[test]
    fn a_cell_that_clicks_alone_have_is_told_with_its_exceptions() {
        let rows = repeated(&[(2000, true, "3.5"), (3000, false, "")]);
        assert_eq!(presence(&rows), Some((Presence::Present, 0)));
        let rows = repeated(&[(2000, true, "3"), (3000, false, "0.0")]);
        assert_eq!(presence(&rows), Some((Presence::NonZero, 0)));
        let rows = repeated(&[(2000, true, "3"), (2997, false, ""), (3, false, "1")]);
        assert_eq!(presence(&rows), Some((Presence::Present, 3)));
        let rows = repeated(&[(2000, true, "3"), (2990, false, ""), (10, false, "1")]);
        assert_eq!(presence(&rows), None);
    }

    #[test]
    fn an_empty_column_of_a_log_of_rare_clicks_tells_nothing() {
        let rows = repeated(&[(60, true, ""), (90_000, false, "")]);
        assert_eq!(presence(&rows), None);
    }

    #[test]
    fn a_word_for_nothing_is_the_most_frequent_cell() {
        let rows = repeated(&[(2000, true, "3"), (2997, false, "-1"), (3, false, "1")]);
        let besides = Presence::Besides(CellKey::Integer(-1));
        assert_eq!(presence(&rows), Some((besides, 3)));
        let rows = repeated(&[(2000, true, "3"), (1000, true, "-1"), (2000, false, "-1")]);
        assert_eq!(presence(&rows), None);
    }

    #[test]
    fn an_empty_cell_is_no_other_value_than_the_most_frequent_one() {
        let rows = repeated(&[(2000, true, "3"), (2500, false, "-1"), (500, false, "")]);
        let besides = Presence::Besides(CellKey::Integer(-1));
        assert_eq!(presence(&rows), Some((besides, 0)));
        let rows = repeated(&[(2000, true, ""), (3000, false, "-1")]);
        assert_eq!(presence(&rows), None);
    }
}
