use std::collections::HashSet;

use crate::fields::NumberFormat;
use crate::fields::look::cells::{ColumnCells, Fit, Seen};
use crate::fields::look::names;

/// Characters before the fraction and between thousands.
const MARKS: [(char, Option<char>); 12] = [
    ('.', None),
    ('.', Some(',')),
    (',', None),
    (',', Some('.')),
    ('.', Some(' ')),
    (',', Some(' ')),
    ('.', Some('\u{a0}')),
    (',', Some('\u{a0}')),
    ('.', Some('\u{202f}')),
    (',', Some('\u{202f}')),
    ('.', Some('\'')),
    (',', Some('\'')),
];
const UNITS: [&str; 8] = ["%", "$", "€", "£", "¥", "EUR", "USD", "GBP"];
/// So many cells are enough to see that numbers would look otherwise.
const ENOUGH: u64 = 100;

/// The format of a column's numbers. Plain numbers with a few odd cells are not unclear: a format that
/// reads those too is only preferred if it is the only one.
pub(super) fn read(cells: &ColumnCells) -> Fit<NumberFormat> {
    let plain = NumberFormat::default();
    let odd = cells.num_odd(|cell| plain.finite(cell).is_some());
    if odd == Some(0) {
        return Fit::One(plain);
    }
    let units = UNITS.into_iter().filter(|unit| has_unit(cells, unit));
    let units = std::iter::once(None).chain(units.map(Some));
    let formats = units.flat_map(|unit| {
        MARKS.map(|(decimal, thousands)| NumberFormat {
            decimal,
            thousands,
            unit: unit.map(str::to_owned),
        })
    });
    let formats = formats.filter(|format| !is_phone(cells, format));
    match cells.fit(formats, |format, cell| format.finite(cell.as_bytes())) {
        Fit::Two(..) if odd.is_some() => Fit::One(plain),
        fit => fit,
    }
}

/// Whether plain numbers are codes: zip codes such as `00042`, or versions.
pub(super) fn are_codes(cells: &ColumnCells) -> bool {
    let is_padded = |cell: &[u8]| matches!(cell.trim_ascii(), [b'0', rest @ ..] if !rest.is_empty() && rest.iter().all(u8::is_ascii_digit));
    let padded = cells.distinct().filter(|(cell, _)| is_padded(cell));
    let padded = padded.map(|(_, seen)| seen.num_rows).sum();
    cells.are_more_than_a_few(padded) || are_versions(cells)
}

/// Whether plain numbers, few of them different, are versions: by the name of their column, or because `4.1` and
/// `4.10` are both among them.
fn are_versions(cells: &ColumnCells) -> bool {
    /// As many different versions as a program has.
    const MAX_VERSIONS: usize = 200;
    let texts = cells
        .distinct()
        .filter_map(|(cell, _)| std::str::from_utf8(cell).ok());
    let mut fractions = texts.map(str::trim).filter(|text| text.contains('.'));
    if cells.num_distinct() > MAX_VERSIONS {
        return false;
    }
    if names::has_word(cells.name(), &["version", "ver", "release", "build"]) {
        return fractions.next().is_some();
    }
    let mut numbers = HashSet::new();
    let with_zeros = |text: &str| {
        let short = text.trim_end_matches('0');
        !numbers.insert(short.to_owned()) && !short.ends_with('.')
    };
    fractions.any(with_zeros)
}

fn has_unit(cells: &ColumnCells, unit: &str) -> bool {
    let has = |cell: &[u8]| {
        let text = std::str::from_utf8(cell).unwrap_or_default();
        text.contains(unit)
    };
    cells.num_odd(has).is_some()
}

/// Whether blanks separate groups of phone numbers rather than thousands: phone numbers are all equally long, and
/// amounts are not.
fn is_phone(cells: &ColumnCells, format: &NumberFormat) -> bool {
    let Some(blank) = format.thousands.filter(|mark| mark.is_whitespace()) else {
        return false;
    };
    let (mut rows, mut lengths) = (0, Vec::new());
    for (cell, seen) in cells.distinct() {
        let text = String::from_utf8_lossy(cell);
        if text.contains(format.decimal) {
            return false;
        }
        if text.contains(blank) {
            rows += seen.num_rows;
            lengths.push(text.trim().len());
        }
    }
    lengths.dedup();
    rows >= ENOUGH && lengths.len() == 1
}

/// Whether groups of three digits are ids rather than thousands: among at least 100 rows, none of the groups
/// after the first begins with 0, as a tenth of all thousands do.
pub(super) fn are_ids(cells: &ColumnCells, separator: &str) -> bool {
    let mut rows = 0;
    for (cell, seen) in cells.distinct() {
        let text = String::from_utf8_lossy(cell);
        let mut groups = text.split(separator).skip(1).peekable();
        if groups.peek().is_some() {
            rows += seen.num_rows;
        }
        if groups.any(|group| group.len() != 3 || group.starts_with('0')) {
            return false;
        }
    }
    rows >= ENOUGH
}

/// A way in which many cells of a column are written as numbers.
pub(crate) struct Written {
    /// How they are written.
    pub(crate) format: NumberFormat,
    /// The first of these cells.
    pub(crate) example: String,
    /// The number of their rows.
    pub(crate) num_rows: u64,
    /// The number of different ones.
    pub(super) num_distinct: usize,
    pub(super) has_fractions: bool,
}

/// The ways in which cells of a column are written as numbers, if at least half of its rows are. Each cell counts for
/// the first way that reads it, of which the first reads most rows.
pub(super) fn ways(cells: &ColumnCells) -> Vec<Written> {
    let texts = cells.distinct();
    let texts =
        texts.filter_map(|(cell, seen)| Some((std::str::from_utf8(cell).ok()?.trim(), seen)));
    let mut rest: Vec<(&str, &Seen)> = texts.filter(|(text, _)| may_be_number(text)).collect();
    let rows: u64 = rest.iter().map(|(_, seen)| seen.num_rows).sum();
    if 2 * rows < cells.num_rows {
        return Vec::new();
    }
    let mut formats = formats_of(&rest);
    formats.retain(|format| !is_phone(cells, format));
    let mut ways = Vec::new();
    while !rest.is_empty() {
        let read = |format: &NumberFormat| {
            let read = rest
                .iter()
                .filter(|(text, _)| format.finite(text.as_bytes()).is_some());
            read.map(|(_, seen)| seen.num_rows).sum::<u64>()
        };
        let best = formats
            .iter()
            .enumerate()
            .map(|(at, format)| (read(format), at));
        let Some((1.., at)) = best.max_by_key(|(rows, at)| (*rows, usize::MAX - at)) else {
            break;
        };
        let format = formats.remove(at);
        let (own, others): (Vec<_>, Vec<_>) = rest
            .into_iter()
            .partition(|(text, _)| format.finite(text.as_bytes()).is_some());
        ways.extend(Written::of(format, &own));
        rest = others;
    }
    ways
}

/// The formats whose marks and units occur in texts.
fn formats_of(texts: &[(&str, &Seen)]) -> Vec<NumberFormat> {
    let occurs = |mark: &str| texts.iter().any(|(text, _)| text.contains(mark));
    let units: Vec<&str> = UNITS.into_iter().filter(|unit| occurs(unit)).collect();
    let marks = MARKS.into_iter().filter(|(decimal, thousands)| {
        let decimal = Some(*decimal).filter(|mark| *mark != '.');
        let mut needed = decimal.into_iter().chain(*thousands);
        needed.all(|mark| occurs(mark.encode_utf8(&mut [0; 4])))
    });
    let units = || std::iter::once(None).chain(units.iter().copied().map(Some));
    let formats = marks.flat_map(|(decimal, thousands)| {
        units().map(move |unit| NumberFormat {
            decimal,
            thousands,
            unit: unit.map(str::to_owned),
        })
    });
    formats.collect()
}

impl Written {
    fn of(format: NumberFormat, cells: &[(&str, &Seen)]) -> Option<Self> {
        let (example, _) = cells.iter().min_by_key(|(_, seen)| seen.first)?;
        let mut numbers = cells
            .iter()
            .filter_map(|(text, _)| format.finite(text.as_bytes()));
        Some(Self {
            example: (*example).to_owned(),
            num_rows: cells.iter().map(|(_, seen)| seen.num_rows).sum(),
            num_distinct: cells.len(),
            has_fractions: numbers.any(|number| number.fract() != 0.0),
            format,
        })
    }
}

/// Whether a text has a digit, and besides a unit only what stands in numbers.
fn may_be_number(text: &str) -> bool {
    let unit = UNITS
        .into_iter()
        .find(|unit| text.ends_with(unit) || text.trim_start_matches(['-', '+']).starts_with(unit));
    let is_of_number = |character: char| {
        character.is_ascii_digit() || " .,\u{a0}\u{202f}'-+eE".contains(character)
    };
    let is_of_numbers = |part: &str| part.chars().all(is_of_number);
    text.contains(|character: char| character.is_ascii_digit())
        && match unit {
            Some(unit) => text.split(unit).all(is_of_numbers),
            None => is_of_numbers(text),
        }
}

/// Why a column whose numbers fit two formats is not guessed.
pub(super) fn unclear(one: &NumberFormat, two: &NumberFormat, cell: &str) -> String {
    let settings = |format: &NumberFormat| match (format.thousands, format.decimal) {
        (Some(mark), '.') => format!("thousands = {mark:?}"),
        (Some(mark), decimal) => format!("thousands = {mark:?}, decimal = {decimal:?}"),
        (None, decimal) => format!("decimal = {decimal:?}"),
    };
    let way = |format: &NumberFormat| {
        let value = format.finite(cell.as_bytes()).unwrap_or(f64::NAN);
        format!("{value} with `{}`", settings(format).replace('\'', "\""))
    };
    format!(
        "`{cell}` may be {} or {}; add it as a numeric field with one of them",
        way(one),
        way(two)
    )
}
