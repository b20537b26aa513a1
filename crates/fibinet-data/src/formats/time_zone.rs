use std::fmt;

use arrow_schema::DataType;
use chrono::{DateTime, FixedOffset, Offset, TimeZone as _, Utc};
use chrono_tz::Tz;

/// The zone in which times of a column are written, which is not UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeZone {
    /// Always as far from UTC.
    Fixed(FixedOffset),
    /// One with a history, such as `Europe/Berlin`.
    Named(Tz),
}

/// The name of a zone that no one knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnknownZone(String);

impl TimeZone {
    /// The zone of times, or of the times in lists; `None` for other values and for UTC.
    pub(crate) fn of(data_type: &DataType) -> Result<Option<Self>, UnknownZone> {
        match data_type {
            DataType::Timestamp(_, Some(zone)) => Self::parse(zone),
            DataType::List(element) | DataType::LargeList(element) => Self::of(element.data_type()),
            _ => Ok(None),
        }
    }

    /// A zone by its name, or as `+02:00`; `None` for UTC.
    fn parse(zone: &str) -> Result<Option<Self>, UnknownZone> {
        if zone.is_empty() || zone == "Z" || zone.eq_ignore_ascii_case("UTC") {
            return Ok(None);
        }
        if let Ok(offset) = zone.parse::<FixedOffset>() {
            return Ok((offset.local_minus_utc() != 0).then_some(Self::Fixed(offset)));
        }
        let unknown = |_| UnknownZone(zone.to_owned());
        let zone: Tz = zone.parse().map_err(unknown)?;
        let is_utc = matches!(
            zone,
            Tz::UTC | Tz::UCT | Tz::Zulu | Tz::Universal | Tz::Etc__UTC | Tz::Etc__UCT
        );
        Ok((!is_utc).then_some(Self::Named(zone)))
    }

    /// A time as its clocks show it.
    pub(crate) fn local(self, time: DateTime<Utc>) -> DateTime<FixedOffset> {
        let offset = match self {
            Self::Fixed(offset) => offset,
            Self::Named(zone) => zone.offset_from_utc_datetime(&time.naive_utc()).fix(),
        };
        time.with_timezone(&offset)
    }
}

impl fmt::Display for UnknownZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(zone) = self;
        write!(
            f,
            "a time in the unknown zone `{zone}` (convert it to UTC or to a zone such as `Europe/Berlin`)"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_their_own_clocks() {
        let shown = |zone: &str, time: &str| {
            let time: DateTime<Utc> = time.parse().unwrap();
            let zone = TimeZone::parse(zone).unwrap().unwrap();
            zone.local(time).to_rfc3339()
        };
        let [winter, summer] = ["2024-01-15T23:30:00Z", "2024-07-15T23:30:00Z"];
        assert_eq!(shown("Europe/Berlin", winter), "2024-01-16T00:30:00+01:00");
        assert_eq!(shown("Europe/Berlin", summer), "2024-07-16T01:30:00+02:00");
        assert_eq!(shown("-03:30", summer), "2024-07-15T20:00:00-03:30");
        for zone in ["UTC", "utc", "Etc/UTC", "+00:00", "Z", ""] {
            assert_eq!(TimeZone::parse(zone), Ok(None), "{zone}");
        }
        for zone in ["Mars/Base", "+2", " UTC"] {
            let unknown = UnknownZone(zone.to_owned());
            assert_eq!(TimeZone::parse(zone), Err(unknown), "{zone}");
        }
    }
}
