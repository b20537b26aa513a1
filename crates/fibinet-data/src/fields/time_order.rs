use chrono::Timelike;
use chrono::format::{Parsed, parse};
use chrono::{NaiveDateTime, NaiveTime};

use crate::fields::iso_time::ZonedTime;
use crate::fields::time_format::{TimeFormat, guess_format};

/// Reads times as numbers that compare as the times do.
#[derive(Debug)]
pub(crate) enum TimeOrder {
    /// Numbers, as they are. Beside those since 1970, of which so many are a second, times of ISO 8601 are numbers too.
    Numbers { per_second: Option<i64> },
    /// Texts of a format.
    Texts(TimeFormat, String),
}

impl TimeOrder {
    /// The order of times of a format; `None` if there is no such format.
    pub(crate) fn of_format(format: &str) -> Option<Self> {
        match TimeFormat::new(format).ok()? {
            TimeFormat::Unix { per_second } => Some(Self::Numbers {
                per_second: Some(per_second),
            }),
            texts => Some(Self::Texts(texts, format.to_owned())),
        }
    }

    /// The order of the times of a column, by one of its cells: a number, or a text with the year first, which
    /// no other format reads otherwise.
    pub(crate) fn of_cell(cell: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(cell).ok()?.trim();
        if number(text).is_some() {
            return Some(Self::Numbers { per_second: None });
        }
        let (format, name) = guess_format(text)?;
        name.starts_with("%Y")
            .then(|| Self::Texts(format, name.to_owned()))
    }

    /// A time as a number; `None` if the cell is not a time.
    pub(crate) fn key(&self, cell: &[u8]) -> Option<i64> {
        let text = std::str::from_utf8(cell).ok()?.trim();
        let iso = || ZonedTime::parse(text.as_bytes()).map(|time| time.utc.and_utc());
        match self {
            Self::Numbers { per_second } => {
                let since_1970 = || {
                    let micros = iso()?.timestamp_micros() as f64;
                    Some(micros / 1e6 * (*per_second)? as f64)
                };
                number(text).or_else(since_1970).map(ordered)
            }
            Self::Texts(TimeFormat::Text(items), _) => {
                let mut parsed = Parsed::new();
                let read = parse(&mut parsed, text, items.iter()).ok();
                let micros = read.and_then(|()| microseconds(&parsed));
                micros.or_else(|| Some(iso()?.timestamp_micros()))
            }
            Self::Texts(TimeFormat::Unix { .. }, _) => None,
        }
    }

    /// What a cell is expected to be.
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Numbers { .. } => "a number".to_owned(),
            Self::Texts(_, format) => format!("a time of the form `{format}`"),
        }
    }
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

/// Microseconds since 1970, in UTC if the text has a zone. What it lacks of a time of day is 0.
fn microseconds(parsed: &Parsed) -> Option<i64> {
    let hour = match (parsed.hour_div_12(), parsed.hour_mod_12()) {
        (Some(half), Some(hour)) => half * 12 + hour,
        _ => 0,
    };
    let (minute, second) = (parsed.minute().unwrap_or(0), parsed.second().unwrap_or(0));
    // A leap second is the last one of its minute.
    let time = NaiveTime::from_hms_opt(hour, minute, second.min(59))?;
    let time = time.with_nanosecond(parsed.nanosecond().unwrap_or(0))?;
    let time = NaiveDateTime::new(parsed.to_naive_date().ok()?, time).and_utc();
    let offset = i64::from(parsed.offset().unwrap_or(0)) * 1_000_000;
    Some(time.timestamp_micros() - offset)
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
    fn a_text_without_the_year_first_needs_a_format() {
        for cell in ["29/02/2024 13:05:07", "yesterday", ""] {
            assert!(TimeOrder::of_cell(cell.as_bytes()).is_none(), "{cell}");
        }
    }
}
