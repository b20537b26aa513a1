//! Dates and times of ISO 8601, which have one meaning in every column.

use std::io::Write;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

/// A date or a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum IsoTime {
    Date(ZonedTime),
    OfDay(NaiveTime),
}

/// A time of a day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ZonedTime {
    /// In the zone that it is written in.
    pub(crate) local: NaiveDateTime,
    /// A time without a zone is taken as UTC.
    pub(crate) utc: NaiveDateTime,
}

impl IsoTime {
    /// `YYYY-MM-DD`, with `[T ]HH:MM[:SS[.f]]` and a zone (`Z`, `+HH:MM`) after it or not; or `HH:MM:SS[.f]`.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        if date(text).is_some() {
            return ZonedTime::parse(text).map(Self::Date);
        }
        let (time, rest) = time(text)?;
        (rest.is_empty() && text.len() >= 8).then_some(Self::OfDay(time))
    }

    /// Writes the one text of a time: `2024-05-01`, `2024-05-01 13:05:00.25` in UTC, `13:05:00`.
    pub(super) fn write(self, text: &mut Vec<u8>) -> &[u8] {
        text.clear();
        let written = match self {
            Self::Date(ZonedTime { utc, .. }) if utc.time() == NaiveTime::MIN => {
                write!(text, "{}", utc.date())
            }
            // Chrono writes as many digits of a fraction as it needs, of 0, 3, 6 and 9.
            Self::Date(ZonedTime { utc, .. }) => write!(text, "{utc}"),
            Self::OfDay(time) => write!(text, "{time}"),
        };
        debug_assert!(written.is_ok(), "writing to a vector does not fail");
        if text.contains(&b'.') {
            let zeros = text.iter().rev().take_while(|byte| **byte == b'0').count();
            text.truncate(text.len() - zeros);
        }
        text
    }
}

impl ZonedTime {
    pub(super) fn from_utc(utc: NaiveDateTime) -> Self {
        Self { local: utc, utc }
    }

    /// `YYYY-MM-DD`, with `[T ]HH:MM[:SS[.f]]` and a zone (`Z`, `+HH:MM`) after it or not.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (date, rest) = date(text)?;
        let Some((b'T' | b' ', rest)) = rest.split_first() else {
            let local = date.and_time(NaiveTime::MIN);
            return rest.is_empty().then_some(Self::from_utc(local));
        };
        let (time, rest) = time(rest)?;
        let local = date.and_time(time);
        let utc = local.checked_sub_signed(zone(rest)?)?;
        Some(Self { local, utc })
    }
}

/// A number of exactly so many digits, and what follows.
fn digits(text: &[u8], count: usize) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_at_checked(count)?;
    let all = digits.iter().all(u8::is_ascii_digit);
    let number = digits.iter().fold(0, |number, digit| {
        10 * number + u32::from(digit.wrapping_sub(b'0')) % 10
    });
    all.then_some((number, rest))
}

fn date(text: &[u8]) -> Option<(NaiveDate, &[u8])> {
    let (year, rest) = digits(text, 4)?;
    let (month, rest) = digits(rest.strip_prefix(b"-")?, 2)?;
    let (day, rest) = digits(rest.strip_prefix(b"-")?, 2)?;
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    Some((date, rest))
}

fn time(text: &[u8]) -> Option<(NaiveTime, &[u8])> {
    let (hour, rest) = digits(text, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(b":")?, 2)?;
    let Some(rest) = rest.strip_prefix(b":") else {
        return Some((NaiveTime::from_hms_opt(hour, minute, 0)?, rest));
    };
    let (second, rest) = digits(rest, 2)?;
    let (mut nanos, mut rest) = (0, rest);
    if let Some(fraction) = rest.strip_prefix(b".") {
        let len = fraction
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if !(1..=9).contains(&len) {
            return None;
        }
        let (number, after) = digits(fraction, len)?;
        (nanos, rest) = (number * 10_u32.pow(9 - len as u32), after);
    }
    Some((
        NaiveTime::from_hms_nano_opt(hour, minute, second, nanos)?,
        rest,
    ))
}

/// How far a zone is ahead of UTC; none is UTC.
fn zone(text: &[u8]) -> Option<TimeDelta> {
    let (sign, text) = match text.split_first() {
        None | Some((b'Z', [])) => return Some(TimeDelta::zero()),
        Some((b'+', rest)) => (1, rest),
        Some((b'-', rest)) => (-1, rest),
        Some(_) => return None,
    };
    let (hours, rest) = digits(text, 2)?;
    let (minutes, rest) = match rest {
        [] => (0, rest),
        rest => digits(rest.strip_prefix(b":").unwrap_or(rest), 2)?,
    };
    let is_zone = rest.is_empty() && hours < 24 && minutes < 60;
    let minutes = sign * i64::from(60 * hours + minutes);
    is_zone.then(|| TimeDelta::minutes(minutes))
}
