use chrono::Datelike;

use crate::fields::NumberFormat;
use crate::fields::iso_time::ZonedTime;
use crate::fields::look::cells::{ColumnCells, Fit};
use crate::fields::look::others::Others;
use crate::fields::look::{FEW, names, written_times};
use crate::fields::time_format::{TEXT_FORMATS, TimeFormat, without_utc};

/// Formats of times that are integers, with their number of digits.
const DIGITS: [(&str, usize); 6] = [
    ("%y%m%d%H", 8),
    ("%Y%m%d", 8),
    ("%Y%m%d%H", 10),
    ("%Y%m%d%H%M", 12),
    ("%Y%m%d%H%M%S", 14),
    ("%y%m%d", 6),
];
/// Formats of the time since 1970, their units in a second, and the words for the unit in a name.
const EPOCHS: [(&str, f64, &[&str]); 4] = [
    ("unix", 1.0, &["unix", "sec", "secs", "seconds"]),
    ("unix_ms", 1e3, &["ms"]),
    ("unix_us", 1e6, &["us"]),
    ("unix_ns", 1e9, &["ns"]),
];
/// With fewer distinct integers, dates may be ids.
const MANY: usize = 20;

/// Whether a time is near ours: a year of two digits is not one of the first century.
pub(super) fn is_of_our_time(time: &ZonedTime) -> bool {
    (1900..2200).contains(&time.local.year())
}

/// The format of a column of texts.
pub(super) fn read_texts(cells: &ColumnCells) -> Fit<&'static str> {
    let fit = read_as(cells, &TEXT_FORMATS, |format, text| {
        format.parse(text).filter(is_of_our_time)
    });
    if fit != Fit::No {
        return fit;
    }
    // Times of ISO 8601 in several forms, such as dates beside times.
    let fit = read_as(cells, &TEXT_FORMATS[..1], TimeFormat::parse_any);
    if fit != Fit::No {
        return fit;
    }
    let of_utc = cells.num_odd(|cell| {
        let text = std::str::from_utf8(cell).unwrap_or_default().trim();
        without_utc(text).is_some() || text.ends_with("+0000")
    });
    if of_utc.is_none() {
        return Fit::No;
    }
    read_as(cells, &TEXT_FORMATS, |format, text| {
        format.parse_any(text).filter(is_of_our_time)
    })
}

fn read_as(
    cells: &ColumnCells,
    formats: &[&'static str],
    parse: impl Fn(&TimeFormat, &str) -> Option<ZonedTime>,
) -> Fit<&'static str> {
    let formats = formats.iter();
    let formats = formats.filter_map(|format| Some((*format, TimeFormat::new(format).ok()?)));
    match cells.fit(formats, |(_, format), text| parse(format, text)) {
        Fit::No => Fit::No,
        Fit::One((format, _)) => Fit::One(format),
        Fit::Two((one, _), (two, _), cell) => Fit::Two(one, two, cell),
    }
}

/// The format of a column of numbers. Those since 1970 need a name that says so, and a span above a day.
/// Digits of a date are believed without such a name if all of many are dates.
pub(super) fn read_numbers(cells: &ColumnCells) -> Fit<&'static str> {
    if names::is_category(cells.name()) {
        return Fit::No;
    }
    let named = names::is_time(cells.name());
    for (format, per_second, words) in EPOCHS {
        let named = named || names::has_word(cells.name(), words);
        if named && are_seconds(cells, per_second) {
            return Fit::One(format);
        }
    }
    let fit = cells.fit(digit_formats(named), |(format, _, len), text| {
        digits(format, *len, text)
    });
    match fit {
        Fit::One((format, text, len)) => {
            let is_time = |cell: &[u8]| {
                let cell = std::str::from_utf8(cell).unwrap_or_default();
                digits(&format, len, cell.trim()).is_some()
            };
            let believed =
                named || cells.num_distinct() > MANY && cells.num_odd(is_time) == Some(0);
            if believed { Fit::One(text) } else { Fit::No }
        }
        Fit::Two((_, one, _), (_, two, _), cell) if named => Fit::Two(one, two, cell),
        _ => Fit::No,
    }
}

/// The formats of [`DIGITS`], each with its text and its number of digits. The shortest needs a name.
fn digit_formats(named: bool) -> impl Iterator<Item = (TimeFormat, &'static str, usize)> {
    let formats = DIGITS.into_iter().filter(move |(_, len)| named || *len > 6);
    formats.filter_map(|(format, len)| Some((TimeFormat::new(format).ok()?, format, len)))
}

fn digits(format: &TimeFormat, len: usize, text: &str) -> Option<ZonedTime> {
    let is_digits = text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
    let time = format.parse(text).filter(|_| is_digits)?;
    (1990..2050).contains(&time.local.year()).then_some(time)
}

/// Whether numbers are of the years 1989 to 2065, and more than a day apart. None begins with 0, as phone
/// numbers do.
fn are_seconds(cells: &ColumnCells, per_second: f64) -> bool {
    let seconds = |cell: &[u8]| {
        let text = std::str::from_utf8(cell).ok()?.trim();
        let number: f64 = text.parse().ok().filter(|_| !text.starts_with('0'))?;
        Some(number / per_second).filter(|seconds| (6e8..3e9).contains(seconds))
    };
    if cells.num_odd(|cell| seconds(cell).is_some()).is_none() {
        return false;
    }
    let seconds = cells.distinct().filter_map(|(cell, _)| seconds(cell));
    let (first, last) = seconds.fold(
        (f64::INFINITY, f64::NEG_INFINITY),
        |(first, last), second| (first.min(second), last.max(second)),
    );
    last - first > 86_400.0
}

/// The numbers of a column that stand for no time, and the format of the others: those that are not positive, or the
/// most frequent number.
pub(super) fn mostly_numbers(cells: &ColumnCells) -> Option<(Others, &'static str)> {
    if !may_be_mostly_times(cells) {
        return None;
    }
    let number = |cell: &[u8]| NumberFormat::default().finite(cell);
    let (most_frequent, _) = cells.distinct().max_by_key(|(_, seen)| seen.num_rows)?;
    read_without(cells, |cell| {
        number(cell).is_none_or(|number| number <= 0.0)
    })
    .or_else(|| read_without(cells, |cell| cell == most_frequent))
}

/// Whether [`mostly_numbers`] is worth its copies of the column: its name is that of times, or all its positive numbers
/// but at most one are dates.
fn may_be_mostly_times(cells: &ColumnCells) -> bool {
    let name = cells.name();
    if names::is_category(name) {
        return false;
    }
    let mut units = EPOCHS.iter();
    if names::is_time(name) || units.any(|(_, _, words)| names::has_word(name, words)) {
        return true;
    }
    let formats: Vec<_> = digit_formats(false).collect();
    let is_odd = |cell: &[u8]| {
        let text = std::str::from_utf8(cell).unwrap_or_default().trim();
        let mut formats = formats.iter();
        let is_date = formats.any(|(format, _, len)| digits(format, *len, text).is_some());
        let number = NumberFormat::default().finite(cell);
        !is_date && number.is_some_and(|number| number > 0.0)
    };
    cells
        .distinct()
        .filter(|(cell, _)| is_odd(cell))
        .nth(1)
        .is_none()
}

/// Cells of a column, and the format of the others, if they are numbers for more than 20 different times.
fn read_without(
    cells: &ColumnCells,
    is_other: impl Fn(&[u8]) -> bool,
) -> Option<(Others, &'static str)> {
    let others = Others::any(cells, &is_other)?;
    let times = cells.only(|cell| !is_other(cell));
    let are_enough = times.num_distinct() > FEW && others.num_rows <= 9 * times.num_rows;
    match read_numbers(&times) {
        Fit::One(format) if are_enough => Some((others, format)),
        _ => None,
    }
}

/// A cell of a column of times in a form that no common format reads, such as with the name of a zone, and formats
/// that read the column.
pub(super) fn unread(cells: &ColumnCells) -> Option<(String, Vec<String>)> {
    cells.num_odd(is_time)?;
    let cell = cells.first(is_time)?;
    let formats = written_times::formats(cells, &cell);
    Some((cell, formats))
}

/// Whether a cell is a time in whatever form, such as with the name of a zone.
pub(super) fn is_time(cell: &[u8]) -> bool {
    std::str::from_utf8(cell).is_ok_and(|cell| TimeText::of(cell).is_time())
}

/// The parts of a text that may be a time.
struct TimeText<'a> {
    /// Words and integers, each with what stands before it.
    parts: Vec<(&'a str, &'a str)>,
}

impl<'a> TimeText<'a> {
    fn of(text: &'a str) -> Self {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some(start) = rest.find(char::is_alphanumeric) {
            let (before, from) = rest.split_at(start);
            let is_digit = from.starts_with(|first: char| first.is_ascii_digit());
            let is_other =
                |next: char| !next.is_alphanumeric() || next.is_ascii_digit() != is_digit;
            let (part, after) = from.split_at(from.find(is_other).unwrap_or(from.len()));
            parts.push((before, part));
            rest = after;
        }
        Self { parts }
    }

    /// Whether it has a date, and words only of dates and, behind a clock, of zones.
    fn is_time(&self) -> bool {
        let clock = self.clock();
        let are_of_times = |(at, (before, word)): (usize, &(&str, &str))| {
            let is_behind_clock = clock.is_some_and(|clock| at > clock);
            word.starts_with(|first: char| first.is_ascii_digit())
                || ["T", "Z", "AM", "PM", "am", "pm"].contains(word)
                || is_prefix(word, &MONTHS)
                || is_prefix(word, &WEEKDAYS)
                || is_behind_clock && is_of_zone(before, word)
        };
        self.has_date(clock.is_some()) && self.parts.iter().enumerate().all(are_of_times)
    }

    /// The place of the minutes.
    fn clock(&self) -> Option<usize> {
        let is_clock = |pair: &[(&str, &str)]| {
            let hour = pair[0].1.parse().is_ok_and(|hour: u32| hour < 25);
            hour && pair[1].0 == ":" && pair[1].1.len() == 2 && pair[1].1.parse::<u32>().is_ok()
        };
        Some(self.parts.windows(2).position(is_clock)? + 1)
    }

    /// Whether it has integers of a date, with marks between them or beside the name of a month.
    fn has_date(&self, has_clock: bool) -> bool {
        let joined = self.parts.windows(3).any(|date| {
            let [(_, first), (one, middle), (two, last)] = date else {
                return false;
            };
            let is_of_year = |text: &str| is_of_year(text) && (has_clock || text.len() == 2);
            let first_and_last = match (is_of_year(first), is_of_year(last)) {
                (true, true) => has_clock,
                (true, false) => is_year(last),
                (false, true) => is_year(first),
                (false, false) => false,
            };
            one == two && ["-", "/", "."].contains(one) && is_of_year(middle) && first_and_last
        });
        let mut parts = self.parts.iter().map(|(_, part)| *part);
        let is_digits = |part: &str| part.len() == 8 && part.get(..4).is_some_and(is_year);
        let has_month = parts.clone().any(|part| is_prefix(part, &MONTHS));
        let days = parts.clone().filter(|part| is_of_year(part)).count();
        joined
            || has_clock && parts.clone().any(is_digits)
            || has_month && days > 0 && parts.any(is_year)
    }
}

/// Whether a text is a year that logs are from.
fn is_year(text: &str) -> bool {
    matches!(text.parse(), Ok(1900..=2199)) && text.len() == 4
}

/// Whether a text may be a day, a month or a year of two digits.
fn is_of_year(text: &str) -> bool {
    matches!(text.parse(), Ok(1..=31))
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// Whether a word is one of these, or at least three letters of its beginning.
fn is_prefix(word: &str, names: &[&str]) -> bool {
    let word = word.to_ascii_lowercase();
    word.len() >= 3 && names.iter().any(|name| name.starts_with(&word))
}

/// Whether a word may belong to the name of a zone: `PST`, `GMT+2`, `[Europe/Paris]`, `America/New_York`.
fn is_of_zone(before: &str, word: &str) -> bool {
    let is_short = word.len() <= 5 && word.chars().all(char::is_uppercase);
    let is_place = before.ends_with(['[', '/', '_', '(']) || word.starts_with(char::is_uppercase);
    is_short || is_place
}

/// Why a column whose times fit two formats is not guessed.
pub(super) fn unclear(one: &str, two: &str, cell: &str) -> String {
    format!(
        "`{cell}` may be a time of the form `{one}` or `{two}`; add it as a timestamp field with one of \
         them as its `format`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, cell: impl Fn(u64) -> u64) -> ColumnCells {
        let mut cells = ColumnCells::new(name);
        (0..100).for_each(|row| cells.add(cell(row).to_string().as_bytes(), row as usize));
        cells
    }

    #[test]
    fn numbers_that_stand_for_no_time_are_looked_for_beside_dates_or_under_a_name_of_times() {
        let dates = |row: u64| 20_240_401 + row % 30;
        for other in [0, 9, 19_700_101] {
            let cells = column("x", |row| if row % 4 == 0 { other } else { dates(row) });
            let (others, format) = mostly_numbers(&cells).unwrap();
            assert_eq!((others.num_rows, format), (25, "%Y%m%d"), "{other}");
        }
        assert!(may_be_mostly_times(&column("seen_at", |row| row)));
        assert!(may_be_mostly_times(&column("elapsed_ms", |row| row)));
        assert!(!may_be_mostly_times(&column("price", |row| row)));
        assert!(!may_be_mostly_times(&column("time_code", dates)));
    }
}
