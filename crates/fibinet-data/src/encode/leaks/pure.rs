use crate::encode::leaks::presence::Presence;
use crate::encode::leaks::sample::CellKey;
use crate::encode::leaks::values::Values;

/// The least number of rows of a value that says something by its clicks.
const MIN_ROWS: u64 = 50;
/// The probability below which clicks alone are no chance.
const CHANCE: f64 = 1e-9;

/// Cells that only clicks have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PureCells {
    /// Those with one value.
    Value(CellKey),
    /// All that have a value, or one besides 0 or the most frequent one, such as times and amounts of purchases.
    Ruled(Presence),
}

impl PureCells {
    /// Most of the cells that only clicks have, with the number of their rows.
    pub(super) fn of(values: &Values) -> Option<(Self, u64)> {
        let ruled = Presence::rules(values).into_iter().rev().map(|rule| {
            let totals = values.totals();
            let totals = totals.filter(|(cell, _)| rule.holds(*cell));
            let rows = totals.fold([0, 0], |sum, (_, own)| add(sum, own));
            (Self::Ruled(rule), rows)
        });
        let ruled = ruled.filter(|(_, [others, _])| *others == 0);
        let of_values = || values.totals().map(|(cell, own)| (Self::Value(cell), own));
        let all = of_values().fold([0, 0], |all, (_, own)| add(all, own));
        only_clicks(ruled.chain(of_values()), all)
    }
}

/// The most frequent of the parts of a log that only clicks have, if chance does not explain it, with the number of its
/// rows; the last of several. Chance is a row with the click rate of `all` rows, or of the part that is clicked most
/// besides those that only clicks have: an honest column has such values beside others that come near. A part comes
/// with its rows without and with a click.
pub(super) fn only_clicks<T>(
    parts: impl Iterator<Item = (T, [u64; 2])>,
    all: [u64; 2],
) -> Option<(T, u64)> {
    let rate = |[others, clicks]: [u64; 2]| clicks as f64 / (clicks + others) as f64;
    let (mut highest, mut pure) = (rate(all), None);
    for (part, rows) in parts.filter(|(_, [others, clicks])| others + clicks >= MIN_ROWS) {
        let [others, clicks] = rows;
        if others > 0 {
            highest = highest.max(rate(rows));
        } else if pure.as_ref().is_none_or(|(_, most)| clicks >= *most) {
            pure = Some((part, clicks));
        }
    }
    pure.filter(|(_, rows)| highest.powf(*rows as f64) < CHANCE)
}

fn add(a: [u64; 2], b: [u64; 2]) -> [u64; 2] {
    [a[0] + b[0], a[1] + b[1]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::leaks::sample::testing::{repeated, values_of};

    fn pure(rows: &[(bool, String)]) -> Option<(PureCells, u64)> {
        PureCells::of(&values_of(rows))
    }

    #[test]
    fn a_value_that_only_clicks_have_is_found_from_50_rows_on() {
        let conversions =
            |rows| repeated(&[(rows, true, "1"), (900, true, "0"), (3000, false, "0")]);
        let one = PureCells::Value(CellKey::Integer(1));
        assert_eq!(pure(&conversions(50)), Some((one, 50)));
        assert_eq!(pure(&conversions(49)), None);
        // Amounts, none of which is frequent.
        let amounts: Vec<String> = (1..=60).map(|amount| format!("{amount}.5")).collect();
        let mut rows = repeated(&[(900, true, "0"), (3000, false, "0")]);
        rows.extend(amounts.into_iter().map(|amount| (true, amount)));
        let amounts = PureCells::Ruled(Presence::NonZero);
        assert_eq!(pure(&rows), Some((amounts, 60)));
        rows.push((false, "7".to_owned()));
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

    fn pure_rows(rows: &[(bool, String)]) -> Option<u64> {
        pure(rows).map(|(_, rows)| rows)
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

    #[test]
    fn empty_cells_that_only_clicks_have_are_missing_values() {
        let others = [(900, true, "x"), (3000, false, "x")];
        let rows = repeated(&[&others[..], &[(90, true, ""), (60, true, "y")]].concat());
        assert_eq!(pure(&rows), Some((PureCells::Value(CellKey::Missing), 90)));
        let rows = repeated(&[&others[..], &[(60, true, ""), (90, true, "y")]].concat());
        let y = PureCells::Value(CellKey::of(b"y"));
        assert_eq!(pure(&rows), Some((y, 90)));
        let mut rows = repeated(&[&others[..], &[(900, false, "")]].concat());
        rows.extend((0..60).map(|order| (true, format!("order {order}"))));
        let besides = Presence::Besides(CellKey::of(b"x"));
        assert_eq!(pure(&rows), Some((PureCells::Ruled(besides), 60)));
    }

    #[test]
    fn cells_that_are_all_distinct_are_found_by_their_presence() {
        let times = |others: &'static str, times: u64| {
            let mut rows = repeated(&[(900, true, others), (3000, false, others)]);
            rows.extend((0..times).map(|time| (true, format!("2024-05-01 10:00:{time:02}"))));
            rows
        };
        let present = PureCells::Ruled(Presence::Present);
        assert_eq!(pure(&times("", 60)), Some((present, 60)));
        assert_eq!(pure(&times("", 49)), None);
        let none = PureCells::Ruled(Presence::Besides(CellKey::of(b"not yet")));
        assert_eq!(pure(&times("not yet", 60)), Some((none, 60)));
        let mut mixed = times("", 60);
        mixed.push((false, "2024-05-02 10:00:00".to_owned()));
        assert_eq!(pure(&mixed), None);
    }
}
