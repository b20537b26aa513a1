use chrono::format::{Item, Parsed, StrftimeItems, parse};
use chrono::{DateTime, Datelike, NaiveDate, Timelike, Weekday};

use crate::config::schema::TimePart;

/// How a column's times are written.
#[derive(Debug, Clone)]
pub(crate) enum TimeFormat {
    /// Seconds since 1970 in UTC, times a factor.
    Unix { per_second: i64 },
    /// As `strftime` writes them.
    Text(Vec<Item<'static>>),
}

/// What a time gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Time {
    hour: u32,
    weekday: Weekday,
}

impl TimeFormat {
    /// A format, or what is wrong with it.
    pub(crate) fn new(format: &str) -> Result<Self, String> {
        match format {
            "unix" => return Ok(Self::Unix { per_second: 1 }),
            "unix_ms" => return Ok(Self::Unix { per_second: 1000 }),
            _ => {}
        }
        let items = StrftimeItems::new(format)
            .parse_to_owned()
            .map_err(|_| format!("`format` is no strftime format: `{format}`"))?;
        // A format is good if a time that it writes can be read back as a date.
        let sample = NaiveDate::from_ymd_opt(2024, 2, 29).and_then(|day| day.and_hms_opt(13, 5, 7));
        let written = sample.map(|time| {
            let offset = time.and_utc();
            let mut text = String::new();
            let written = std::fmt::Write::write_fmt(
                &mut text,
                format_args!("{}", offset.format_with_items(items.iter())),
            );
            (written.is_ok(), text)
        });
        let read = written
            .filter(|(written, _)| *written)
            .and_then(|(_, text)| Self::Text(items.clone()).parse(&text));
        match read {
            // An hour without its half of the day, or minutes without an hour, are read as 0.
            Some(time) if time.hour == 13 || !names_a_time(&items) => Ok(Self::Text(items)),
            Some(_) => Err(format!(
                "`format` must give the hour of 24, by %H or by %I and %p, but is `{format}`"
            )),
            None => Err(format!(
                "`format` must give a date, as \"%Y-%m-%d %H:%M:%S\" does, but is `{format}`"
            )),
        }
    }

    /// The time of a cell.
    pub(crate) fn parse(&self, cell: &str) -> Option<Time> {
        match self {
            Self::Unix { per_second } => {
                let number: f64 = cell.trim().parse().ok()?;
                let seconds = (number / *per_second as f64).floor();
                if seconds.is_nan() || seconds.abs() > 1e15 {
                    return None;
                }
                let time = DateTime::from_timestamp(seconds as i64, 0)?;
                Some(Time {
                    hour: time.hour(),
                    weekday: time.weekday(),
                })
            }
            Self::Text(items) => {
                let mut parsed = Parsed::new();
                parse(&mut parsed, cell, items.iter()).ok()?;
                let hour = match (parsed.hour_div_12(), parsed.hour_mod_12()) {
                    (Some(half), Some(hour)) => half * 12 + hour,
                    // A date alone.
                    _ => 0,
                };
                Some(Time {
                    hour,
                    weekday: parsed.to_naive_date().ok()?.weekday(),
                })
            }
        }
    }
}

impl Time {
    /// The value of a part.
    pub(crate) fn part(self, part: TimePart) -> u32 {
        match part {
            TimePart::Hour => self.hour,
            TimePart::Weekday => self.weekday.num_days_from_monday(),
            TimePart::Weekend => u32::from(matches!(self.weekday, Weekday::Sat | Weekday::Sun)),
        }
    }
}

/// Whether a format has more than a date.
fn names_a_time(items: &[Item<'_>]) -> bool {
    use chrono::format::Numeric as N;
    items.iter().any(|item| {
        matches!(
            item,
            Item::Numeric(N::Hour | N::Hour12 | N::Minute | N::Second, _)
        )
    })
}

/// The first of a few usual formats that reads a cell.
pub(crate) fn guess_format(cell: &str) -> Option<(TimeFormat, &'static str)> {
    [
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%dT%H:%M:%S%.fZ",
        "%Y-%m-%dT%H:%M:%S%.f%:z",
        "%Y-%m-%d %H:%M:%S%.f%:z",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d",
        "%Y/%m/%d %H:%M:%S",
        "%Y/%m/%d %H:%M",
        "%Y/%m/%d",
        "%d/%m/%Y %H:%M:%S",
    ]
    .into_iter()
    .filter_map(|format| Some((TimeFormat::new(format).ok()?, format)))
    .find(|(format, _)| format.parse(cell).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(format: &str, cell: &str) -> Option<[u32; 3]> {
        let time = TimeFormat::new(format).unwrap().parse(cell)?;
        Some(TimePart::ALL.map(|part| time.part(part)))
    }

    #[test]
    fn times_give_hour_weekday_and_weekend() {
        // The first hour of Avazu's log: a Tuesday.
        assert_eq!(parts("%y%m%d%H", "14102100"), Some([0, 1, 0]));
        assert_eq!(parts("%y%m%d%H", "14102523"), Some([23, 5, 1]));
        assert_eq!(
            parts("%Y-%m-%d %H:%M:%S", "2024-02-29 13:05:07"),
            Some([13, 3, 0])
        );
        assert_eq!(parts("%Y-%m-%d", "2024-03-03"), Some([0, 6, 1]));
        // 2009-02-13 23:31:30, a Friday.
        assert_eq!(parts("unix", "1234567890"), Some([23, 4, 0]));
        assert_eq!(parts("unix_ms", "1234567890123"), Some([23, 4, 0]));
        for (format, cell) in [
            ("%y%m%d%H", "14133100"),
            ("%y%m%d%H", "14102124"),
            ("%y%m%d%H", ""),
            ("unix", "yesterday"),
            ("unix", "1e300"),
        ] {
            assert_eq!(parts(format, cell), None, "{cell}");
        }
    }

    #[test]
    fn a_format_without_a_date_is_refused() {
        for format in ["%H:%M", "hour", "%Q", ""] {
            assert!(TimeFormat::new(format).is_err(), "{format}");
        }
        // Half of the day would be lost without a word.
        for format in ["%Y-%m-%d %I:%M", "%Y-%m-%d %M:%S"] {
            let error = TimeFormat::new(format).unwrap_err();
            assert!(error.contains("the hour of 24"), "{error}");
        }
        assert_eq!(
            parts("%Y-%m-%d %I %p", "2024-02-29 01 PM"),
            Some([13, 3, 0])
        );
        assert_eq!(parts("unix", "nan"), None);
    }

    #[test]
    fn usual_formats_are_guessed() {
        let guess = |cell| guess_format(cell).map(|(_, format)| format);
        assert_eq!(guess("2024-02-29 13:05:07"), Some("%Y-%m-%d %H:%M:%S%.f"));
        assert_eq!(guess("2024-02-29"), Some("%Y-%m-%d"));
        assert_eq!(guess("2024/02/29 13:05"), Some("%Y/%m/%d %H:%M"));
        assert_eq!(
            guess("2024-02-29T13:05:07+02:00"),
            Some("%Y-%m-%dT%H:%M:%S%.f%:z")
        );
        assert_eq!(guess("14102100"), None);
        assert_eq!(guess("red"), None);
    }
}
