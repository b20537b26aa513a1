use crate::fields::time_format::{TimeFormat, guess_format};

/// Reads times as numbers that compare as the times do.
#[derive(Debug)]
pub(crate) enum TimeOrder {
    /// Numbers, as they are.
    Numbers,
    /// Times of a format, and what a field of that format reads beside them. Numbers since 1970 are taken as they are.
    Times(TimeFormat, String),
}

impl TimeOrder {
    /// The order of times of a format; `None` if there is no such format.
    pub(crate) fn of_format(format: &str) -> Option<Self> {
        let times = TimeFormat::new(format).ok()?;
        Some(Self::Times(times, format.to_owned()))
    }

    /// The order of the times of a column, by one of its cells: a number, or a text with the year first, which
    /// no other format reads otherwise.
    pub(crate) fn of_cell(cell: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(cell).ok()?.trim();
        if number(text).is_some() {
            return Some(Self::Numbers);
        }
        let (format, name) = guess_format(text)?;
        name.starts_with("%Y")
            .then(|| Self::Times(format, name.to_owned()))
    }

    /// A time as a number; `None` if the cell is not a time.
    pub(crate) fn key(&self, cell: &[u8]) -> Option<i64> {
        let text = std::str::from_utf8(cell).ok()?.trim();
        match self {
            Self::Numbers => number(text).map(ordered),
            Self::Times(format @ TimeFormat::Unix { per_second }, _) => {
                let since_1970 = || {
                    let micros = microseconds(format, text)? as f64;
                    Some(micros / 1e6 * *per_second as f64)
                };
                number(text).or_else(since_1970).map(ordered)
            }
            Self::Times(format, _) => microseconds(format, text),
        }
    }

    /// What a cell is expected to be.
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Numbers => "a number".to_owned(),
            Self::Times(TimeFormat::Unix { .. }, _) => "a number or an ISO date or time".to_owned(),
            Self::Times(_, format) => format!("a time of the form `{format}`"),
        }
    }
}

/// Microseconds since 1970 in UTC.
fn microseconds(format: &TimeFormat, text: &str) -> Option<i64> {
    let time = format.parse_any(text)?;
    Some(time.utc.and_utc().timestamp_micros())
}

fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Integers that compare as the numbers do.
fn ordered(number: f64) -> i64 {
    // -0 is 0. The bits of negative numbers are in falling order.
    let bits = (number + 0.0).to_bits().cast_signed();
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys of cells, by the order that the first one has.
    fn keys(cells: &[&str]) -> Vec<Option<i64>> {
        let order = TimeOrder::of_cell(cells[0].as_bytes()).unwrap();
        cells
            .iter()
            .map(|cell| order.key(cell.as_bytes()))
            .collect()
    }

    #[track_caller]
    fn rises(cells: &[&str]) {
        let keys = keys(cells);
        assert!(keys.iter().all(Option::is_some), "{cells:?}: {keys:?}");
        assert!(keys.is_sorted_by(|a, b| a < b), "{cells:?}: {keys:?}");
    }

    #[test]
    fn numbers_compare_as_they_are() {
        rises(&["-2.5", "-1", "0", "0.5", "1", "14102100", "1e300"]);
        rises(&["1700000000000", "1700000000001"]);
        assert_eq!(keys(&["1", "x", "", "nan"])[1..], [None; 3]);
        let zeros = keys(&["0", "-0"]);
        assert_eq!(zeros[0], zeros[1]);
    }

    #[test]
    fn texts_compare_as_times() {
        rises(&[
            "2024-02-29 23:59:59",
            "2024-02-29 23:59:59.5",
            "2024-03-01 00:00:00",
        ]);
        rises(&["1969-12-31", "1970-01-01", "2024-02-29"]);
        // By the clock the second is earlier.
        rises(&["2024-02-29T13:00:00+02:00", "2024-02-29T12:00:00+00:00"]);
        let order = TimeOrder::of_format("%y%m%d%H").unwrap();
        assert!(order.key(b"14102123") < order.key(b"14102200"));
        let order = TimeOrder::of_format("%d/%m/%Y %I %p").unwrap();
        assert!(order.key(b"29/02/2024 11 AM") < order.key(b"29/02/2024 12 PM"));
        assert!(order.key(b"29/02/2024 11 PM") < order.key(b"01/03/2024 12 AM"));
    }

    #[test]
    fn what_a_field_of_the_format_reads_is_read() {
        let order = TimeOrder::of_format("%Y-%m-%d %H:%M:%S").unwrap();
        let hour = order.key(b"2024-05-01 13:00:00");
        assert!(hour.is_some());
        for cell in [
            "2024-05-01 13",
            "2024-05-01 13:00:00 UTC",
            "2024-05-01 13:00:00,000",
            "2024-05-01T15:00:00+02:00",
        ] {
            assert_eq!(order.key(cell.as_bytes()), hour, "{cell}");
        }
        let order = TimeOrder::of_format("unix").unwrap();
        assert_eq!(order.key(b"2024-05-01 13"), None);
        assert_eq!(order.key(b"2024-05-01"), order.key(b"1714521600"));
        assert_eq!(order.expected(), "a number or an ISO date or time");
    }

    #[test]
    fn what_has_no_one_meaning_is_not_a_time() {
        for (format, cells) in [
            ("%Y-%d-%m", &["2024-05-13", "2024-05-13 10:00:00"][..]),
            (
                "%d/%m/%Y",
                &["05/31/2024", "24-05-01", "1714521600", "13:05:00"],
            ),
            ("%Y-%m-%d %H:%M:%S%.f", &["1714521600"]),
        ] {
            let order = TimeOrder::of_format(format).unwrap();
            for cell in cells {
                assert_eq!(order.key(cell.as_bytes()), None, "{format}: {cell}");
            }
        }
    }

    #[test]
    fn a_text_without_the_year_first_needs_a_format() {
        for cell in ["29/02/2024 13:05:07", "yesterday", ""] {
            assert!(TimeOrder::of_cell(cell.as_bytes()).is_none(), "{cell}");
        }
    }
}
