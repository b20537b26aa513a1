use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use csv::ByteRecord;

use crate::config::schema::{FieldEncoding, FieldSpec, RowFormat, TimePart};
use crate::encode::encoder::parse_label;
use crate::error::{DataError, DataErrorKind};
use crate::fields::time::{TimeFormat, guess_format};
use crate::formats::parts::{self, open_rows};
use crate::formats::reader::{Label, column_index};
use crate::formats::registry::open_text;
use crate::shards::layout::Pooling;

/// Rows that a guess looks at.
const ROWS: u64 = 200_000;
/// Distinct cells of a column that are told apart; more count as "many".
const DISTINCT: usize = 100_000;
/// A numeric column of no more distinct values is a category: a code, a flag, a weekday.
const FEW: usize = 20;
/// An integer column of no more distinct values is a quantity, unless its name says otherwise.
const SOME: usize = 200;
/// Cells that logs write where there is no value.
const MISSING: [&str; 9] = [
    "?", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "\\N",
];

/// What a look at a file says of its columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Guess {
    /// Column by column, without the label.
    pub columns: Vec<ColumnGuess>,
    /// Cells met that stand for no value.
    pub missing: Vec<String>,
    /// The rows looked at.
    pub num_rows: u64,
    /// Those of them that are clicks.
    pub clicks: u64,
    /// What is wrong with the first label that is none.
    pub bad_label: Option<String>,
}

/// What a look at a file says of one column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnGuess {
    /// The column's name.
    pub name: String,
    /// The field to make of it; none where it is better left out.
    pub field: Option<FieldSpec>,
    /// Why.
    pub reason: String,
}

/// What is known of the columns before a look at them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Columns that are no fields.
    pub exclude: Vec<String>,
    /// Columns that are categories, whatever they look like.
    pub categorical: Vec<String>,
    /// Columns that are quantities, whatever they look like.
    pub numeric: Vec<String>,
}

/// The character between the cells of a text file: a tab where the first line has one, else a
/// comma.
///
/// # Errors
///
/// Where the file cannot be read.
pub fn guess_delimiter(path: &Path) -> Result<char, DataError> {
    let files = parts::files(path)?;
    let path = &files[0];
    let Some(text) = open_text(path)? else {
        return Ok(',');
    };
    // No longer header is looked at.
    let mut text = BufReader::new(text.take(1 << 20));
    let mut line = Vec::new();
    text.read_until(b'\n', &mut line)
        .map_err(DataError::io(path))?;
    Ok(if line.contains(&b'\t') { '\t' } else { ',' })
}

/// Guesses the kind of every column of a file but the label.
///
/// # Errors
///
/// Where the file cannot be read, or lacks the label's or a known column.
pub fn guess_fields(path: &Path, format: &RowFormat, known: &Known) -> Result<Guess, DataError> {
    let mut reader = open_rows(path, format, Label::Required)?;
    let label = column_index(reader.as_ref(), &format.label)?;
    let names = reader.columns().to_vec();
    for name in [&known.exclude, &known.categorical, &known.numeric]
        .into_iter()
        .flatten()
        .chain(&format.group)
    {
        column_index(reader.as_ref(), name)?;
    }
    let mut columns: Vec<Column> = names.iter().map(|_| Column::default()).collect();
    let mut missing = HashSet::new();
    let mut row = ByteRecord::new();
    let (mut num_rows, mut clicks, mut bad_label) = (0, 0, None);
    while num_rows < ROWS && reader.read_row(&mut row)? {
        num_rows += 1;
        let click = match parse_label(&row[label], format, &reader.position()) {
            Ok(value) => value > 0.5,
            Err(error) => {
                bad_label.get_or_insert_with(|| error.to_string());
                false
            }
        };
        clicks += u64::from(click);
        for (column, cell) in columns.iter_mut().zip(&row) {
            match MISSING.iter().find(|word| word.as_bytes() == cell) {
                _ if format.is_missing(cell) => {}
                Some(word) => {
                    missing.insert(*word);
                }
                None => column.add(cell, click),
            }
        }
    }
    if num_rows == 0 {
        return Err(DataErrorKind::Empty {
            path: path.to_owned(),
        }
        .into());
    }
    let columns = names
        .into_iter()
        .zip(columns)
        .enumerate()
        .filter(|(i, _)| *i != label)
        .map(|(i, (name, column))| {
            let (encoding, reason) = match reader.unreadable(i) {
                Some(kind) => (None, format!("left out: {kind}, which cannot be read")),
                None => column.guess(&name, known),
            };
            let field = encoding.map(|encoding| FieldSpec::new(name.clone(), encoding));
            ColumnGuess {
                name,
                field,
                reason,
            }
        })
        .collect();
    let mut missing: Vec<String> = missing.into_iter().map(str::to_owned).collect();
    missing.extend(format.missing.iter().cloned());
    missing.sort_unstable();
    Ok(Guess {
        columns,
        missing,
        num_rows,
        clicks,
        bad_label,
    })
}

#[derive(Debug, Default)]
struct Column {
    cells: u64,
    /// Of each cell, the rows without a click and with one.
    distinct: HashMap<Box<[u8]>, [u64; 2]>,
    texts: u64,
    fractions: u64,
    negatives: u64,
    /// The format of the first text, and the texts that it does not read.
    time: Option<(TimeFormat, &'static str)>,
    no_times: u64,
    /// Cells that are seconds of the years 1989 to 2065.
    unix: u64,
}

impl Column {
    fn add(&mut self, cell: &[u8], click: bool) {
        self.cells += 1;
        if let Some(counts) = self.distinct.get_mut(cell) {
            counts[usize::from(click)] += 1;
        } else if self.distinct.len() < DISTINCT {
            let counts = [u64::from(!click), u64::from(click)];
            self.distinct.insert(cell.into(), counts);
        }
        let text = std::str::from_utf8(cell).ok().map(str::trim);
        match text.and_then(|text| text.parse::<f64>().ok()) {
            Some(number) if number.is_finite() => {
                self.fractions += u64::from(number.fract() != 0.0);
                self.negatives += u64::from(number < 0.0);
                self.unix += u64::from((6e8..3e9).contains(&number));
            }
            _ => {
                self.texts += 1;
                let text = text.unwrap_or_default();
                if self.texts == 1 {
                    self.time = guess_format(text);
                }
                let is_time = self
                    .time
                    .as_ref()
                    .is_some_and(|(format, _)| format.parse(text).is_some());
                self.no_times += u64::from(!is_time);
            }
        }
    }

    /// Whether each of its values, of which there are several rows each, has one label.
    fn tells_the_label(&self) -> bool {
        let repeats = self.cells as f64 / self.distinct.len().max(1) as f64;
        let clicks: u64 = self.distinct.values().map(|counts| counts[1]).sum();
        repeats >= 10.0
            && (1..self.cells).contains(&clicks)
            && self.distinct.values().all(|counts| counts.contains(&0))
    }

    /// What stands between the tokens of cells that hold several, and how many tokens there are: a
    /// tenth of the rows has it, and without it there are at most half as many texts.
    fn separator(&self) -> Option<(&'static str, usize)> {
        ["|", ";"].into_iter().find_map(|separator| {
            let (mut rows, mut tokens) = (0, HashSet::new());
            for (cell, counts) in &self.distinct {
                let cell = std::str::from_utf8(cell).unwrap_or_default();
                if cell.contains(separator) {
                    rows += counts[0] + counts[1];
                }
                tokens.extend(cell.split(separator));
            }
            let several = rows * 10 >= self.cells && tokens.len() * 2 <= self.distinct.len();
            several.then_some((separator, tokens.len()))
        })
    }

    fn guess(&self, name: &str, known: &Known) -> (Option<FieldEncoding>, String) {
        let categorical = Some(FieldEncoding::Categorical { min_count: 2 });
        let quantile = Some(FieldEncoding::Quantile { buckets: 20 });
        let timestamp = |format: &str| {
            let encoding = FieldEncoding::Timestamp {
                format: format.to_owned(),
                parts: TimePart::ALL.to_vec(),
            };
            (Some(encoding), format!("times, {format}"))
        };
        let is_in = |names: &[String]| names.iter().any(|known| known == name);
        let asked = || "as asked".to_owned();
        if is_in(&known.exclude) {
            return (None, "left out, as asked".to_owned());
        }
        if is_in(&known.categorical) {
            return (categorical, asked());
        }
        if is_in(&known.numeric) {
            return (quantile, asked());
        }
        if name.is_empty() {
            return (None, "left out: the column has no name".to_owned());
        }
        let distinct = self.distinct.len();
        let many = match distinct {
            DISTINCT => format!("at least {DISTINCT}"),
            _ => distinct.to_string(),
        };
        let repeats = self.cells as f64 / distinct.max(1) as f64;
        if distinct < 2 {
            return (None, format!("left out: {distinct} distinct value"));
        }
        if self.tells_the_label() {
            let reason = "left out: each of its values has one label, so it gives the label away";
            return (None, reason.to_owned());
        }
        if self.texts > 0 {
            if let Some((_, format)) = &self.time
                && self.no_times == 0
                && self.texts == self.cells
            {
                return timestamp(format);
            }
            if repeats < 1.1 && self.cells > 100 {
                return (
                    None,
                    format!("left out: {many} distinct texts hardly repeat"),
                );
            }
            if let Some((separator, tokens)) = self.separator() {
                let encoding = FieldEncoding::MultiCategorical {
                    min_count: 2,
                    separator: separator.to_owned(),
                    pooling: Pooling::Mean,
                };
                let reason = format!("several texts a cell, {tokens} distinct");
                return (Some(encoding), reason);
            }
            return (categorical, format!("text, {many} distinct"));
        }
        if distinct <= FEW {
            return (categorical, format!("numbers, only {distinct} distinct"));
        }
        if self.unix == self.cells && is_time_name(name) {
            return timestamp("unix");
        }
        if self.fractions > 0 {
            return (quantile, "numbers with fractions".to_owned());
        }
        if is_id_name(name) || is_category_name(name) {
            return (
                categorical,
                format!("integers named as a category, {many} distinct"),
            );
        }
        if self.negatives > 0 || distinct <= SOME || repeats < 5.0 {
            return (quantile, format!("integers, {many} distinct: a quantity?"));
        }
        (
            categorical,
            format!("integers, {many} distinct that repeat: an id?"),
        )
    }
}

/// Columns that hold codes, whatever their numbers look like.
fn is_category_name(name: &str) -> bool {
    const NAMES: [&str; 24] = [
        "country",
        "city",
        "region",
        "state",
        "zip",
        "zipcode",
        "postcode",
        "user",
        "item",
        "site",
        "app",
        "page",
        "domain",
        "device",
        "model",
        "brand",
        "category",
        "type",
        "channel",
        "campaign",
        "creative",
        "advertiser",
        "publisher",
        "code",
    ];
    let name = name.to_ascii_lowercase();
    NAMES.contains(&name.rsplit(['_', '-', '.', ' ']).next().unwrap_or_default())
}

/// `timestamp`, `created_at`, `click_time`, `date`.
fn is_time_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["time", "timestamp", "date", "datetime", "at", "ts"]
        .contains(&name.rsplit(['_', '-', '.', ' ']).next().unwrap_or_default())
}

/// `id`, `user_id`, `userId`, `UserID`, `user-id`.
fn is_id_name(name: &str) -> bool {
    let Some(stem) = name.len().checked_sub(2).and_then(|at| name.get(..at)) else {
        return false;
    };
    let ending = &name[stem.len()..];
    match ending {
        "id" => stem.is_empty() || stem.ends_with(['_', '-', '.', ' ']),
        "Id" | "ID" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;
    use std::fs;

    #[test]
    fn kinds_are_guessed_from_cells_and_names() {
        let mut text =
            "y,site,hour,userId,age,price,item,key,constant,rating,seen_at,day,tags\n".to_owned();
        for i in 0..4000_u64 {
            let site = if i % 3 == 0 { "?" } else { "news" };
            let (hour, user, age) = (i % 24 % 7, i * 7919 % 3001, 20 + i % 60);
            let (price, item) = (i as f64 / 8.0, i * 31 % 400);
            let y = crate::mix::mix(7, i) % 2;
            let (rating, seen) = (y * 3 + i / 2 % 3, 1_500_000_000 + i * 977);
            let day = i % 28 + 1;
            writeln!(
                text,
                "{y},{site},{hour},{user},{age},{price},{item},k{i},1,{rating},{seen},2024-02-{day:02},t{}|t{}"
                , i % 7, i / 7 % 5
            )
            .unwrap();
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.csv");
        fs::write(&path, text.replace("news", "news\u{e9}")).unwrap();
        let format = RowFormat {
            label: "y".to_owned(),
            positive: None,
            group: None,
            delimiter: ',',
            columns: None,
            missing: Vec::new(),
        };
        let guess = guess_fields(&path, &format, &Known::default()).unwrap();
        assert_eq!(
            (guess.num_rows, guess.missing),
            (4000, vec!["?".to_owned()])
        );
        let kinds: Vec<_> = guess
            .columns
            .iter()
            .map(|ColumnGuess { name, field, .. }| {
                let kind = field.as_ref().map(|field| match &field.encoding {
                    FieldEncoding::Categorical { .. } => "categorical",
                    FieldEncoding::Quantile { .. } => "quantile",
                    FieldEncoding::Timestamp { format, .. } => format.as_str(),
                    FieldEncoding::MultiCategorical { separator, .. } => separator.as_str(),
                    other => panic!("{other:?}"),
                });
                (name.as_str(), kind)
            })
            .collect();
        assert_eq!(
            kinds,
            [
                ("site", None), // one value besides the missing
                ("hour", Some("categorical")),
                ("userId", Some("categorical")),
                ("age", Some("quantile")),
                ("price", Some("quantile")),
                ("item", Some("categorical")),
                ("key", None),
                ("constant", None),
                ("rating", None), // 3 and more is a click
                ("seen_at", Some("unix")),
                ("day", Some("%Y-%m-%d")),
                ("tags", Some("|")),
            ]
        );
    }

    #[test]
    fn an_id_is_told_by_the_end_of_its_name() {
        assert!(
            ["id", "user_id", "userId", "UserID", "user-id"]
                .into_iter()
                .all(is_id_name)
        );
        assert!(
            !["paid", "grid", "identity", "d", ""]
                .into_iter()
                .any(is_id_name)
        );
    }
}
