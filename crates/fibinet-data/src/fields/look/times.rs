use chrono::Datelike;

use crate::fields::look::cells::{ColumnCells, Fit};
use crate::fields::look::names;
use crate::fields::time_format::{TEXT_FORMATS, Time, TimeFormat};

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

/// The format of a column of texts.
pub(super) fn read_texts(cells: &ColumnCells) -> Fit<&'static str> {
    let format = |format: &'static str| Some((format, TimeFormat::new(format).ok()?));
    let fit = cells.fit(
        TEXT_FORMATS.into_iter().filter_map(format),
        |(_, format), text| {
            // A year of two digits is not the first century.
            format
                .parse(text)
                .filter(|time| (1900..2200).contains(&time.date.year()))
        },
    );
    match fit {
        Fit::No => read_mixed(cells),
        Fit::One((format, _)) => Fit::One(format),
        Fit::Two((one, _), (two, _), cell) => Fit::Two(one, two, cell),
    }
}

/// Times of ISO 8601 in several forms, such as dates beside times.
fn read_mixed(cells: &ColumnCells) -> Fit<&'static str> {
    let [first, ..] = TEXT_FORMATS;
    let Ok(format) = TimeFormat::new(first) else {
        return Fit::No;
    };
    let is_time = |cell: &[u8]| {
        let text = std::str::from_utf8(cell).unwrap_or_default();
        format.parse_any(text.trim()).is_some()
    };
    match cells.num_odd(is_time) {
        Some(_) if cells.num_distinct() > 0 => Fit::One(first),
        _ => Fit::No,
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
    let formats = DIGITS.into_iter().filter(|(_, len)| named || *len > 6);
    let formats =
        formats.filter_map(|(format, len)| Some((TimeFormat::new(format).ok()?, format, len)));
    let fit = cells.fit(formats, |(format, _, len), text| digits(format, *len, text));
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

fn digits(format: &TimeFormat, len: usize, text: &str) -> Option<Time> {
    let is_digits = text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
    let time = format.parse(text).filter(|_| is_digits)?;
    (1990..2050).contains(&time.date.year()).then_some(time)
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

/// Why a column whose times fit two formats is not guessed.
pub(super) fn unclear(one: &str, two: &str, cell: &str) -> String {
    format!(
        "`{cell}` may be a time of the form `{one}` or `{two}`; add it as a timestamp field with one of \
         them as its `format`"
    )
}
