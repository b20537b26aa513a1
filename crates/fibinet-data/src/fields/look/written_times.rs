//! Formats of times that are not among the common ones, put together from parts.

use crate::fields::look::cells::ColumnCells;
use crate::fields::look::times::is_of_our_time;
use crate::fields::time_format::TimeFormat;

const DATES: [&str; 23] = [
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y%m%d",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d.%m.%y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%d/%b/%Y",
    "%d.%b.%Y",
    "%d-%b-%y",
    "%b %d, %Y",
    "%b %d %Y",
    "%a %b %d %Y",
    "%a, %d %b %Y",
    "%a, %b %d, %Y",
    "%Y-%b-%d",
];
/// A blank also stands for none.
const BETWEEN: [&str; 4] = [" ", "T", ":", ", "];
const CLOCKS: [&str; 12] = [
    "%I:%M:%S%.f %p",
    "%I:%M %p",
    "%I.%M.%S%.f %p",
    "%I.%M %p",
    "%H:%M:%S%.f",
    "%H:%M:%S,%f",
    "%H:%M:%S:%f",
    "%H:%M",
    "%H.%M.%S",
    "%H.%M",
    "%H%M%S",
    "%H",
];
/// `%Z` passes over what is not a blank, so that the words of a zone's name are counted.
const ZONES: [&str; 9] = [
    "",
    "%:z",
    "%#z",
    "%:z%Z",
    "%#z%Z",
    " %Z",
    " GMT%z %Z",
    " GMT%z %Z %Z %Z",
    " GMT%z %Z %Z %Z %Z",
];
/// Forms with the year behind the time of day.
const YEAR_LAST: [&str; 2] = ["%a %b %d %H:%M:%S%.f %Z %Y", "%b %d %H:%M:%S%.f %Z %Y"];

/// The first format that reads a column of which `cell` is one. Behind it comes another that gives other dates, if
/// one reads the column as well.
pub(super) fn formats(cells: &ColumnCells, cell: &str) -> Vec<String> {
    let mut formats = candidates().filter_map(|text| {
        let format = TimeFormat::new(&text).ok()?;
        date(&format, cell.as_bytes())?;
        cells.num_odd(|cell| date(&format, cell).is_some())?;
        Some((text, format))
    });
    let Some((first, format)) = formats.next() else {
        return Vec::new();
    };
    let differs = |other: &TimeFormat| {
        let mut cells = cells.distinct();
        cells.any(|(cell, _)| date(&format, cell) != date(other, cell))
    };
    let other = formats.find(|(_, other)| differs(other));
    let other = other.map(|(text, _)| text);
    std::iter::once(first).chain(other).collect()
}

fn date(format: &TimeFormat, cell: &[u8]) -> Option<chrono::NaiveDate> {
    let time = format.parse(std::str::from_utf8(cell).ok()?.trim())?;
    is_of_our_time(&time).then(|| time.local.date())
}

fn candidates() -> impl Iterator<Item = String> {
    let dates = DATES.into_iter().flat_map(|date| {
        let times = CLOCKS.into_iter().flat_map(move |clock| {
            let with_zone =
                move |between| ZONES.map(|zone| format!("{date}{between}{clock}{zone}"));
            BETWEEN.into_iter().flat_map(with_zone)
        });
        std::iter::once(date.to_owned()).chain(times)
    });
    let formats = dates.chain(YEAR_LAST.map(str::to_owned));
    formats.flat_map(|format| {
        // These also read the short names of months and days.
        let long = format.replace("%b", "%B").replace("%a", "%A");
        let long = Some(long).filter(|long| *long != format);
        std::iter::once(format).chain(long)
    })
}
