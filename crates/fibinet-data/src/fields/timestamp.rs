use chrono::{Datelike, NaiveDateTime, Timelike, Weekday};
use serde::{Deserialize, Serialize};

use crate::fields::cells::BadCell;
use crate::fields::fixed::{CellValues, Fixed, FixedValue};
use crate::fields::kind::{CellEncoder, FieldFit, FieldKind, FittedField, Setting};
use crate::fields::look::{ColumnLook, Reading};
use crate::fields::time_format::TimeFormat;
use crate::schema_error::FieldError;

/// `kind = "timestamp"`: a cell is a time, and the model reads parts of it, each as its own field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timestamp {
    /// A `strftime` format (`%Y-%m-%d %H:%M:%S`), or `unix`, `unix_ms`, `unix_us` or `unix_ns` for
    /// seconds, milliseconds, microseconds or nanoseconds since 1970. Hours are those of the zone that a
    /// time is written in; times without a zone, and those since 1970, are taken as UTC. Dates and times of
    /// ISO 8601, those with another of `UTC`, `GMT` and `Z` at their end, and those that a file stores as such, are read beside those of the format.
    pub format: String,
    /// The parts that are read.
    #[serde(default = "all_parts")]
    pub parts: Vec<TimePart>,
}

fn all_parts() -> Vec<TimePart> {
    TimePart::ALL.to_vec()
}

/// A part of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimePart {
    /// 0 to 23.
    Hour,
    /// 0, Monday, to 6.
    Weekday,
    /// 1 on Saturday and Sunday.
    Weekend,
}

impl TimePart {
    /// All parts.
    pub const ALL: [Self; 3] = [Self::Hour, Self::Weekday, Self::Weekend];

    /// The name in run files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Weekday => "weekday",
            Self::Weekend => "weekend",
        }
    }

    /// The number of values.
    pub const fn num_values(self) -> usize {
        match self {
            Self::Hour => 24,
            Self::Weekday => 7,
            Self::Weekend => 2,
        }
    }
}

impl Timestamp {
    fn values(&self) -> TimeValues {
        TimeValues {
            format: TimeFormat::new(&self.format).ok(),
            text: self.format.clone(),
            part: self.parts.first().copied(),
        }
    }
}

impl FieldKind for Timestamp {
    const KIND: &'static str = "timestamp";
    const SETTINGS: &'static [Setting] = &[Setting::required("format"), Setting::optional("parts")];
    const FIELDS: &'static str = "timestamp fields";

    fn validate(&self) -> Result<(), FieldError> {
        TimeFormat::new(&self.format)?;
        if self.parts.is_empty() {
            return Err(FieldError::Empty("parts"));
        }
        Ok(())
    }

    fn parts(&self) -> Vec<(&'static str, Self)> {
        if self.parts.len() < 2 {
            return Vec::new();
        }
        let of_part = |part: &TimePart| {
            let timestamp = Self {
                format: self.format.clone(),
                parts: vec![*part],
            };
            (part.name(), timestamp)
        };
        self.parts.iter().map(of_part).collect()
    }

    fn fit(&self, _field: usize) -> Box<dyn FieldFit> {
        Fixed::fit(self.values())
    }

    fn encoder(&self, fitted: &FittedField) -> Option<Box<dyn CellEncoder>> {
        Fixed::encoder(self.values(), fitted)
    }

    fn guess(look: &ColumnLook) -> Option<(Self, String)> {
        let Reading::Times(format) = *look.reading() else {
            return None;
        };
        let timestamp = Self {
            format: format.to_owned(),
            parts: all_parts(),
        };
        Some((timestamp, format!("times, {format}")))
    }
}

/// Whether a time since 1970 is far from all logs, as in another unit than the format's.
fn is_other_unit(format: &TimeFormat, time: NaiveDateTime) -> bool {
    const YEARS: std::ops::Range<i32> = 1971..2100;
    matches!(format, TimeFormat::Unix { .. }) && !YEARS.contains(&time.year())
}

fn is_weekend(time: NaiveDateTime) -> bool {
    matches!(time.weekday(), Weekday::Sat | Weekday::Sun)
}

/// Reads one part of times.
#[derive(Debug)]
struct TimeValues {
    /// `None` for settings that were never validated: no cell can be read then.
    format: Option<TimeFormat>,
    text: String,
    part: Option<TimePart>,
}

impl CellValues for TimeValues {
    fn num_values(&self) -> usize {
        self.part.map_or(0, TimePart::num_values)
    }

    fn value(&self, text: &[u8]) -> Result<FixedValue, BadCell> {
        let time = std::str::from_utf8(text).ok().and_then(|text| {
            let format = self.format.as_ref()?;
            Some((format, format.parse_any(text.trim())?.local, self.part?))
        });
        let value = time.map(|(format, time, part)| FixedValue {
            value: match part {
                TimePart::Hour => time.hour(),
                TimePart::Weekday => time.weekday().num_days_from_monday(),
                TimePart::Weekend => u32::from(is_weekend(time)),
            },
            is_out_of_range: is_other_unit(format, time),
        });
        value.ok_or_else(|| BadCell::Rule(format!("expected a time of the form `{}`", self.text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(format: &str, cell: &str) -> Option<[u32; 3]> {
        let parts = TimePart::ALL.map(|part| {
            let timestamp = Timestamp {
                format: format.to_owned(),
                parts: vec![part],
            };
            timestamp.validate().unwrap();
            let value = timestamp.values().value(cell.as_bytes());
            value.ok().map(|of| of.value)
        });
        match parts {
            [Some(hour), Some(weekday), Some(weekend)] => Some([hour, weekday, weekend]),
            _ => None,
        }
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
        assert_eq!(
            parts("%Y-%m-%d %I %p", "2024-02-29 01 PM"),
            Some([13, 3, 0])
        );
        // 2009-02-13 23:31:30, a Friday.
        assert_eq!(parts("unix", "1234567890"), Some([23, 4, 0]));
        assert_eq!(parts("unix_ms", "1234567890123"), Some([23, 4, 0]));
        assert_eq!(parts("unix_us", "1234567890123456"), Some([23, 4, 0]));
        assert_eq!(parts("unix_ns", "1234567890123456789"), Some([23, 4, 0]));
        // The last nanosecond of an hour, which an f64 rounds up.
        assert_eq!(parts("unix_ns", "1234569599999999999"), Some([23, 4, 0]));
        for (format, cell) in [
            ("%y%m%d%H", "14133100"),
            ("%y%m%d%H", "14102124"),
            ("%y%m%d%H", ""),
            ("unix", "yesterday"),
            ("unix", "1e300"),
            ("unix", "nan"),
        ] {
            assert_eq!(parts(format, cell), None, "{cell}");
        }
    }
}
