use crate::encode::leaks::sample::CellKey;
use crate::encode::leaks::values::Values;

/// The greatest share of rows that break a rule which otherwise tells the label.
const MAX_EXCEPTIONS: f64 = 0.001;
/// The greatest share of the clicks, and of the other rows, that do.
const MAX_EXCEPTIONS_OF_A_LABEL: f64 = 0.05;
/// The least number of rows of a value that says something by its clicks.
const MIN_ROWS: u64 = 50;
/// The probability below which clicks alone are no chance.
const CHANCE: f64 = 1e-9;

/// A rule of the cells that holds exactly for clicks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// The cell has a value.
    Present,
    /// The cell has a value besides 0.
    NonZero,
}

impl Presence {
    fn holds(self, cell: CellKey) -> bool {
        let is_zero = self == Self::NonZero && cell == CellKey::Integer(0);
        cell != CellKey::Missing && !is_zero
    }

    /// The rule that holds for clicks and for no other rows, with the number of exceptions.
    pub(super) fn of(values: &Values) -> Option<(Self, u64)> {
        [Self::Present, Self::NonZero].into_iter().find_map(|rule| {
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

/// A value that only clicks have.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PureValue {
    /// `None` for all numbers but 0, such as amounts that were paid.
    pub(super) cell: Option<CellKey>,
    pub(super) rows: u64,
}

impl PureValue {
    /// The most frequent value that only clicks have, if chance does not explain it. Chance is a row
    /// with the click rate of all rows, or of the value that is clicked most besides those that only
    /// clicks have: an honest column has such values beside others that come near.
    pub(super) fn of(values: &Values) -> Option<Self> {
        let all = values.totals();
        let all = all.fold([0, 0], |all, (_, own)| [all[0] + own[0], all[1] + own[1]]);
        let rate = |[others, clicks]: [u64; 2]| clicks as f64 / (clicks + others) as f64;
        let frequent = || {
            let totals = values.totals();
            totals.filter(|(_, [others, clicks])| others + clicks >= MIN_ROWS)
        };
        let mixed = frequent().filter(|(_, [others, _])| *others > 0);
        let highest = mixed
            .map(|(_, total)| rate(total))
            .fold(rate(all), f64::max);
        let pure = frequent().filter(|(_, [others, _])| *others == 0);
        let pure = pure.map(|(cell, [_, rows])| Self {
            cell: Some(cell),
            rows,
        });
        let amounts = Self::of_amounts(values).into_iter();
        let pure = amounts.chain(pure).max_by_key(|pure| pure.rows)?;
        (highest.powf(pure.rows as f64) < CHANCE).then_some(pure)
    }

    /// The numbers other than 0, if only clicks have them, and not all clicks.
    fn of_amounts(values: &Values) -> Option<Self> {
        let is_amount = |cell: CellKey| cell.value().is_some_and(|number| number != 0.0);
        let (mut amounts, mut others) = ([0; 2], [0; 2]);
        for (cell, [without, with]) in values.totals() {
            let of = if is_amount(cell) {
                &mut amounts
            } else {
                &mut others
            };
            *of = [of[0] + without, of[1] + with];
        }
        let [without, rows] = amounts;
        let is_pure = without == 0 && rows >= MIN_ROWS && others[1] > 0;
        is_pure.then_some(Self { cell: None, rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::leaks::sample::testing::values_of;

    fn presence(rows: &[(bool, &str)]) -> Option<(Presence, u64)> {
        let (clicks, cells) = columns(rows);
        Presence::of(&values_of(&clicks, &cells))
    }

    fn pure(rows: &[(bool, &str)]) -> Option<PureValue> {
        let (clicks, cells) = columns(rows);
        PureValue::of(&values_of(&clicks, &cells))
    }

    fn columns(rows: &[(bool, &str)]) -> (Vec<bool>, Vec<String>) {
        rows.iter()
            .map(|(click, cell)| (*click, (*cell).to_owned()))
            .unzip()
    }

    fn repeated<'a>(parts: &[(usize, bool, &'a str)]) -> Vec<(bool, &'a str)> {
        let part = |(times, click, cell): &(usize, bool, &'a str)| vec![(*click, *cell); *times];
        parts.iter().flat_map(part).collect()
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
    fn a_value_that_only_clicks_have_is_found_from_50_rows_on() {
        let conversions =
            |rows| repeated(&[(rows, true, "1"), (900, true, "0"), (3000, false, "0")]);
        let found = PureValue {
            cell: Some(CellKey::Integer(1)),
            rows: 50,
        };
        assert_eq!(pure(&conversions(50)), Some(found));
        assert_eq!(pure(&conversions(49)), None);
        // Amounts, none of which is frequent.
        let amounts: Vec<String> = (1..=60).map(|amount| format!("{amount}.5")).collect();
        let mut rows = repeated(&[(900, true, "0"), (3000, false, "0")]);
        rows.extend(amounts.iter().map(|amount| (true, amount.as_str())));
        assert_eq!(
            pure(&rows),
            Some(PureValue {
                cell: None,
                rows: 60
            })
        );
        rows.push((false, "7"));
        assert_eq!(pure(&rows), None);
    }

    #[test]
    fn chance_is_the_click_rate_to_the_power_of_the_rows() {
        // .9^196 is above 1e-9, and .9^197 below.
        let log = |pure, clicks| {
            pure_rows(&repeated(&[
                (pure, true, "a"),
                (clicks, true, "b"),
                (1000, false, "b"),
            ]))
        };
        let pure_of = |pure| log(pure, 9000 - pure);
        assert_eq!(pure_of(196), None);
        // The rate of the other value is a little lower, and that of all rows exactly .9.
        assert_eq!(pure_of(197), Some(197));
    }

    fn pure_rows(rows: &[(bool, &str)]) -> Option<u64> {
        pure(rows).map(|value| value.rows)
    }

    #[test]
    fn a_value_beside_one_of_nearly_as_many_clicks_is_no_surprise() {
        let rows = repeated(&[
            (130, true, "best"),
            (128, true, "second"),
            (2, false, "second"),
            (500, true, "other"),
            (3000, false, "other"),
        ]);
        assert_eq!(pure(&rows), None);
    }
}
