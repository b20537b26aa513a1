use std::sync::LazyLock;

use chrono::format::{Item, Numeric, Parsed, StrftimeItems, parse};
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Timelike};

use crate::fields::iso_time::ZonedTime;
use crate::schema_error::FieldError;

/// Common formats of times that are not numbers. `%:z` also reads zones without a colon, and blanks before them;
/// `%#z` those without minutes, too.
pub(crate) const TEXT_FORMATS: [&str; 60] = [
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.fZ",
    "%Y-%m-%dT%H:%M:%S%.f%:z",
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.fZ",
    "%Y-%m-%d %H:%M:%S%.f%:z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f UTC",
    "%Y-%m-%d %H:%M:%S%.f GMT",
    "%Y-%m-%d %H:%M:%S,%f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%dT%H:%MZ",
    "%Y-%m-%dT%H:%M%:z",
    "%Y-%m-%dT%H:%M%#z",
    "%Y-%m-%d %H",
    "%Y-%m-%d",
    "%Y%m%dT%H%M%S",
    "%Y%m%dT%H%M%SZ",
    "%Y/%m/%d %H:%M:%S%.f",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d",
    "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %I:%M:%S %p",
    "%d/%m/%Y %I:%M:%S %p",
    "%m/%d/%Y %I:%M %p",
    "%d/%m/%Y %I:%M %p",
    "%m/%d/%y %I:%M:%S %p",
    "%d/%m/%y %I:%M:%S %p",
    "%m/%d/%y %I:%M %p",
    "%d/%m/%y %I:%M %p",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m/%d/%y %H:%M",
    "%d/%m/%y %H:%M",
    "%m/%d/%y",
    "%d/%m/%y",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%m-%d-%Y",
    "%d-%m-%Y",
    "%m-%d-%Y %H:%M:%S",
    "%d-%m-%Y %H:%M:%S",
    "%m-%d-%Y %H:%M",
    "%d-%m-%Y %H:%M",
    "%d/%b/%Y:%H:%M:%S %z",
    "[%d/%b/%Y:%H:%M:%S %z]",
    "%a, %d %b %Y %H:%M:%S %z",
    "%a, %d %b %Y %H:%M:%S GMT",
    "%d %b %Y %H:%M:%S %z",
    "%a %b %d %H:%M:%S %Y",
    "%a %b %d %H:%M:%S %z %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%d-%b-%y %I.%M.%S%.f %p",
];

/// How the formats of ISO 8601 among the common ones begin.
const ISO: &str = "%Y-%m-%d";
static ISO_FORMATS: LazyLock<Vec<TimeFormat>> = LazyLock::new(|| {
    let formats = TEXT_FORMATS.iter().filter(|format| format.starts_with(ISO));
    formats
        .filter_map(|format| TimeFormat::new(format).ok())
        .collect()
});

/// How a column's times are written.
#[derive(Debug, Clone)]
pub(crate) enum TimeFormat {
    /// Seconds since 1970 in UTC, times a factor.
    Unix { per_second: i64 },
    /// A `strftime` format.
    Text(Vec<Item<'static>>),
}

impl TimeFormat {
    /// Parses a format of a run file.
    pub(crate) fn new(format: &str) -> Result<Self, FieldError> {
        match format {
            "unix" => return Ok(Self::Unix { per_second: 1 }),
            "unix_ms" => return Ok(Self::Unix { per_second: 1000 }),
            "unix_us" => {
                return Ok(Self::Unix {
                    per_second: 1_000_000,
                });
            }
            "unix_ns" => {
                return Ok(Self::Unix {
                    per_second: 1_000_000_000,
                });
            }
            _ => {}
        }
        let items = StrftimeItems::new(format)
            .parse_to_owned()
            .map_err(|_| FieldError::NotATimeFormat(format.to_owned()))?;
        // A format is good if a time that it writes can be read back as a date. `%#z` can only be read.
        let written = format.replace("%#z", "%:z");
        let written = StrftimeItems::new(&written)
            .parse_to_owned()
            .unwrap_or_default();
        let sample = NaiveDate::from_ymd_opt(2024, 2, 29).and_then(|day| day.and_hms_opt(13, 5, 7));
        let written = sample.map(|time| {
            let offset = time.and_utc();
            let mut text = String::new();
            let written = std::fmt::Write::write_fmt(
                &mut text,
                format_args!("{}", offset.format_with_items(written.iter())),
            );
            (written.is_ok(), text)
        });
        let read = written
            .filter(|(written, _)| *written)
            .and_then(|(_, text)| Self::Text(items.clone()).parse(&text));
        match read {
            // An hour without its half of the day, or minutes without an hour, are read as 0.
            Some(time) if time.local.hour() == 13 || !names_a_time(&items) => Ok(Self::Text(items)),
            Some(_) => Err(FieldError::TimeFormatOfHalfDay(format.to_owned())),
            None => Err(FieldError::TimeFormatWithoutDate(format.to_owned())),
        }
    }

    /// The time that a text gives. A time of ISO 8601 is read whatever the format: typed files have such texts. So are
    /// the other forms of that standard where the format begins with a date as in it: a midnight is written as a
    /// date, and zones come and go. `UTC`, `GMT` and `Z` behind a time of day are read beside each other.
    pub(crate) fn parse_any(&self, text: &str) -> Option<ZonedTime> {
        let other = |text: &str| {
            let formats = self.is_iso().then(|| ISO_FORMATS.iter());
            formats?.find_map(|format| format.parse(text))
        };
        let iso = || {
            let time = ZonedTime::parse(text.as_bytes()).filter(|_| !self.has_year_and_day_first());
            // Times since 1970 are in UTC, and so is a time beside them.
            time.map(|time| match self {
                Self::Unix { .. } => ZonedTime::from_utc(time.utc),
                Self::Text(_) => time,
            })
        };
        let utc = || {
            let local = without_utc(text)?;
            let with_zone = || self.parse(&format!("{local} +0000"));
            self.parse(local)
                .or_else(with_zone)
                .or_else(|| other(local))
        };
        self.parse(text)
            .or_else(|| other(text))
            .or_else(iso)
            .or_else(utc)
    }

    /// Whether it looks like a date of ISO 8601, but has the day before the month.
    fn has_year_and_day_first(&self) -> bool {
        let Self::Text(items) = self else {
            return false;
        };
        let mut numbers = items.iter().filter_map(|item| match item {
            Item::Numeric(number, _) => Some(number),
            _ => None,
        });
        numbers.next() == Some(&Numeric::Year) && numbers.next() == Some(&Numeric::Day)
    }

    /// Whether it begins with year, month and day.
    fn is_iso(&self) -> bool {
        let Self::Text(items) = self else {
            return false;
        };
        matches!(
            items.as_slice(),
            [
                Item::Numeric(Numeric::Year, _),
                _,
                Item::Numeric(Numeric::Month, _),
                _,
                Item::Numeric(Numeric::Day, _),
                ..
            ]
        )
    }

    /// The time that a text of exactly this format gives.
    pub(crate) fn parse(&self, text: &str) -> Option<ZonedTime> {
        match self {
            Self::Unix { per_second } => {
                let time = DateTime::from_timestamp(unix_seconds(text.trim(), *per_second)?, 0)?;
                Some(ZonedTime::from_utc(time.naive_utc()))
            }
            Self::Text(items) => {
                let mut parsed = Parsed::new();
                parse(&mut parsed, text, items.iter()).ok()?;
                zoned(&parsed)
            }
        }
    }
}

/// The time that was read from a text. What the text lacks of a time of day is 0.
fn zoned(parsed: &Parsed) -> Option<ZonedTime> {
    let hour = match (parsed.hour_div_12(), parsed.hour_mod_12()) {
        (Some(half), Some(hour)) => half * 12 + hour,
        // A date alone.
        _ => 0,
    };
    let (minute, second) = (parsed.minute().unwrap_or(0), parsed.second().unwrap_or(0));
    // A leap second is the last one of its minute.
    let time = NaiveTime::from_hms_opt(hour, minute, second.min(59))?;
    let time = time.with_nanosecond(parsed.nanosecond().unwrap_or(0))?;
    let local = parsed.to_naive_date().ok()?.and_time(time);
    let ahead = TimeDelta::seconds(i64::from(parsed.offset().unwrap_or(0)));
    let utc = local.checked_sub_signed(ahead)?;
    Some(ZonedTime { local, utc })
}

/// The text before a `UTC`, `GMT` or `Z` at its end.
pub(crate) fn without_utc(text: &str) -> Option<&str> {
    let mut words = ["UTC", "GMT", "Z"].into_iter();
    let local = words.find_map(|word| text.strip_suffix(word))?;
    Some(local.trim_end())
}

/// The whole seconds of a number; integers, of which f64 has not all, are divided as they are.
fn unix_seconds(text: &str, per_second: i64) -> Option<i64> {
    if let Ok(integer) = text.parse::<i64>() {
        return Some(integer.div_euclid(per_second));
    }
    let number: f64 = text.parse().ok()?;
    let seconds = (number / per_second as f64).floor();
    (seconds.abs() <= 1e15).then_some(seconds as i64)
}

/// Whether a format gives more than a date.
fn names_a_time(items: &[Item<'_>]) -> bool {
    use chrono::format::Numeric as N;
    items.iter().any(|item| {
        matches!(
            item,
            Item::Numeric(N::Hour | N::Hour12 | N::Minute | N::Second, _)
        )
    })
}

/// The first of the common formats that can read a text.
pub(crate) fn guess_format(text: &str) -> Option<(TimeFormat, &'static str)> {
    TEXT_FORMATS
        .into_iter()
        .filter_map(|format| Some((TimeFormat::new(format).ok()?, format)))
        .find(|(format, _)| format.parse(text).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_without_a_date_or_with_half_a_day_is_refused() {
        for format in ["%H:%M", "hour", ""] {
            let error = TimeFormat::new(format).unwrap_err();
            assert_eq!(error, FieldError::TimeFormatWithoutDate(format.to_owned()));
        }
        let error = TimeFormat::new("%Q").unwrap_err();
        assert_eq!(error, FieldError::NotATimeFormat("%Q".to_owned()));
        for format in ["%Y-%m-%d %I:%M", "%Y-%m-%d %M:%S"] {
            let error = TimeFormat::new(format).unwrap_err();
            assert_eq!(error, FieldError::TimeFormatOfHalfDay(format.to_owned()));
        }
    }
}
