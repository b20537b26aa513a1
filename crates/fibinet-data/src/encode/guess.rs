use std::collections::BTreeSet;
use std::path::Path;

use crate::cell::Cell;
use crate::config::row_format::MISSING_WORDS;
use crate::config::{OnBadRow, RowFormat};
use crate::encode::cells::parse_label;
use crate::encode::column_guess::{ColumnGuess, Remark};
use crate::encode::field_names::name_apart;
use crate::encode::label_values::LabelValues;
use crate::encode::odd_cells::OddCells;
use crate::encode::unread;
use crate::error::{DataError, DataErrorKind};
use crate::fields::cells::CellReader;
use crate::fields::look::{ColumnCells, ColumnLook, Reading};
use crate::fields::{Categorical, FieldEncoding, FieldSpec};
use crate::formats::parts::open_rows;
use crate::formats::reader::{Label, RowReader, column_index};
use crate::position::Position;
use crate::skipped::SkippedRows;

/// The number of rows that a guess looks at.
const ROWS: u64 = 200_000;
/// What the first rows of a file show of its columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Guess {
    /// The columns, without the label.
    pub columns: Vec<ColumnGuess>,
    /// The words for "no value" that occur, and the cells that the format names.
    pub missing: Vec<String>,
    /// The number of rows that were read.
    pub num_rows: u64,
    /// The number of these that are clicks.
    pub clicks: u64,
    /// What is wrong with the first malformed label.
    pub bad_label: Option<String>,
    /// The values of the label's column.
    pub label_values: LabelValues,
    /// The malformed rows that were skipped.
    pub skipped: SkippedRows,
    /// Whether the first of them has a malformed label.
    pub is_first_skipped_label: bool,
}

/// Columns whose role the user has given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Columns that are not fields.
    pub exclude: Vec<String>,
    /// Columns that are categories, whatever they look like.
    pub categorical: Vec<String>,
    /// Columns that are quantities, whatever they look like.
    pub numeric: Vec<String>,
    /// Columns that the model reads even if they give the label away.
    pub keep: Vec<String>,
}

impl Known {
    /// Whether the user wants the model to read a column.
    pub(crate) fn asks_for(&self, name: &str) -> bool {
        let columns = [&self.categorical, &self.numeric, &self.keep];
        columns.into_iter().flatten().any(|column| column == name)
    }

    fn columns(&self) -> impl Iterator<Item = &String> {
        let lists = [&self.exclude, &self.categorical, &self.numeric];
        lists.into_iter().flatten()
    }
}

/// Guesses the kind of every column of a file except the label.
///
/// # Errors
///
/// If the file cannot be read, or lacks the label's column or one in `known`, and at the first malformed
/// row if those are not skipped. A label that is neither 0 nor 1 is only counted then. If they are skipped and all
/// labels are 0 and 1 in another spelling ([`LabelValues::are_labels`]), no rows are left, and there is no error.
pub fn guess_fields(
    path: &Path,
    format: &RowFormat,
    known: &Known,
    on_bad_row: OnBadRow,
) -> Result<Guess, DataError> {
    let mut reader = open_rows(path, format, Label::Required)?;
    let label = column_index(reader.as_ref(), &format.label)?;
    for name in known.columns().chain(&format.group) {
        column_index(reader.as_ref(), name)?;
    }
    let mut looks = Looks::read(reader.as_mut(), label, format, on_bad_row)?;
    let is_other_spelling = format.positive.is_none() && !looks.label_values.are_labels();
    if looks.num_rows == 0 && !is_other_spelling {
        let path = path.to_owned();
        return Err(match looks.skipped.first_bad_row {
            Some(first) => DataErrorKind::AllBad { path, first }.into(),
            None => DataErrorKind::Empty { path }.into(),
        });
    }
    let words = looks.columns.iter().flat_map(|cells| cells.words().keys());
    let words: BTreeSet<&str> = words.copied().collect();
    let mut missing: Vec<String> = words.into_iter().map(str::to_owned).collect();
    missing.extend(format.missing.iter().cloned());
    missing.sort_unstable();
    let mut columns = looks.columns(reader.as_ref(), label, known);
    name_apart(&mut columns, format);
    Ok(Guess {
        columns,
        missing,
        num_rows: looks.num_rows,
        clicks: looks.clicks,
        bad_label: looks.bad_label,
        label_values: looks.label_values,
        skipped: looks.skipped,
        is_first_skipped_label: looks.is_first_skipped_label,
    })
}

/// What the first rows show.
struct Looks {
    columns: Vec<ColumnCells>,
    /// Where the rows are written.
    positions: Vec<Position>,
    num_rows: u64,
    clicks: u64,
    bad_label: Option<String>,
    label_values: LabelValues,
    skipped: SkippedRows,
    is_first_skipped_label: bool,
}

impl Looks {
    fn read(
        reader: &mut dyn RowReader,
        label: usize,
        format: &RowFormat,
        on_bad_row: OnBadRow,
    ) -> Result<Self, DataError> {
        let names = reader.columns().iter();
        let mut looks = Self {
            columns: names.map(|name| ColumnCells::new(name)).collect(),
            positions: Vec::new(),
            num_rows: 0,
            clicks: 0,
            bad_label: None,
            label_values: LabelValues::default(),
            skipped: SkippedRows::default(),
            is_first_skipped_label: false,
        };
        let mut cells = CellReader::new(&format.missing);
        while looks.num_rows < ROWS {
            match reader.read_row() {
                Ok(true) => looks.add(reader, label, format, on_bad_row, &mut cells)?,
                Ok(false) => break,
                Err(error) => looks.skipped.skip(on_bad_row, error)?,
            }
        }
        Ok(looks)
    }

    /// Adds the row that was read last.
    fn add(
        &mut self,
        reader: &dyn RowReader,
        label: usize,
        format: &RowFormat,
        on_bad_row: OnBadRow,
        cells: &mut CellReader<'_>,
    ) -> Result<(), DataError> {
        let (row, position) = (reader.row(), reader.position());
        // A row without a label is malformed, however labels are spelled.
        let spelt = cells.value(row.cell(label));
        let spelt = spelt.filter(|text| missing_word(text).is_none());
        if let Some(text) = spelt {
            self.label_values.add(text);
        }
        let click = match parse_label(row.cell(label), cells, format, &position) {
            Ok(value) => value > 0.5,
            Err(error) if on_bad_row == OnBadRow::Skip => {
                self.is_first_skipped_label |= self.skipped.bad_rows == 0;
                return self.skipped.skip(on_bad_row, error);
            }
            Err(error) => {
                self.bad_label.get_or_insert_with(|| error.to_string());
                false
            }
        };
        self.num_rows += 1;
        self.clicks += u64::from(click);
        for (column, cell) in self.columns.iter_mut().zip(row.cells()) {
            if let Cell::List(list) = cell {
                column.add_list(list, self.positions.len());
                continue;
            }
            let Some(text) = cells.value(cell) else {
                continue;
            };
            match missing_word(text) {
                Some(word) => {
                    column.add_word(word);
                }
                None => column.add(text, self.positions.len()),
            }
        }
        self.positions.push(position);
        Ok(())
    }

    /// The guesses for the columns of the reader, except the label's.
    fn columns(&mut self, reader: &dyn RowReader, label: usize, known: &Known) -> Vec<ColumnGuess> {
        let columns = std::mem::take(&mut self.columns).into_iter().enumerate();
        let columns = columns.filter(|(i, _)| *i != label);
        let columns = columns.map(|(i, cells)| match reader.unreadable(i) {
            Some(kind) if !known.exclude.iter().any(|name| name == cells.name()) => ColumnGuess {
                name: cells.name().to_owned(),
                field: None,
                reason: format!("excluded: {kind}, which cannot be read"),
                remark: Some(Remark::Note(format!(
                    "{kind}, which cannot be read: it is left out"
                ))),
            },
            _ => guess_column(cells, known, &self.positions),
        });
        columns.collect()
    }
}

/// The usual word for "no value" that a text is.
fn missing_word(text: &[u8]) -> Option<&'static str> {
    let text = text.trim_ascii();
    let mut words = MISSING_WORDS.into_iter();
    words.find(|word| word.as_bytes() == text)
}

/// What becomes of the words for "no value" in a column; empty if none occurs.
fn words_note(cells: &ColumnCells, field: &FieldSpec) -> String {
    let words: Vec<String> = cells
        .words()
        .iter()
        .map(|(word, rows)| format!("`{word}` ({rows} rows)"))
        .collect();
    if words.is_empty() {
        return String::new();
    }
    let what = match &field.encoding {
        FieldEncoding::Categorical(_) => "a value like others if it is frequent",
        _ => "no value",
    };
    format!("; {} is {what}", words.join(", "))
}

/// What to make of a column, and of its odd cells.
fn guess_column(cells: ColumnCells, known: &Known, positions: &[Position]) -> ColumnGuess {
    let look = ColumnLook::new(cells);
    let is_in = |names: &[String]| names_column(names, &look);
    if is_in(&known.exclude) {
        return without_field(&look, "excluded, as asked".to_owned(), None);
    }
    if let Some((encoding, reason)) = as_asked(&look, known) {
        return with_field(&look, encoding, reason, None, positions);
    }
    let unread = look.unread();
    let instead = match look.reading() {
        Reading::Texts => "read as texts",
        _ => "not read as times",
    };
    let unread = unread.map(|unread| format!("{instead}, because {}", unread::reason(&unread)));
    match guess(&look) {
        Ok((encoding, reason)) => with_field(&look, encoding, reason, unread, positions),
        Err(why) if is_in(&known.keep) => {
            let category = Categorical { min_count: 2 }.into();
            let reason = format!("as asked, despite {why}");
            with_field(&look, category, reason, None, positions)
        }
        Err(mut why) => {
            why.extend(unread.map(|unread| format!("; {unread}")));
            let reason = format!("excluded: {why}");
            let remark = match look.reading() {
                Reading::Unclear(_) => Remark::Note(why),
                _ => Remark::LeftOut(why),
            };
            without_field(&look, reason, Some(remark))
        }
    }
}

fn without_field(look: &ColumnLook, reason: String, remark: Option<Remark>) -> ColumnGuess {
    ColumnGuess {
        name: look.cells().name().to_owned(),
        field: None,
        reason,
        remark,
    }
}

/// A column with a field, whose odd cells are named. If it has some, that takes the place of `note`.
fn with_field(
    look: &ColumnLook,
    encoding: FieldEncoding,
    mut reason: String,
    mut note: Option<String>,
    positions: &[Position],
) -> ColumnGuess {
    let mut field = FieldSpec::new(look.cells().name(), encoding);
    reason += &words_note(look.cells(), &field);
    let odd = OddCells::of(look.cells(), &field);
    if !odd.is_empty() {
        let odd_note = odd.note(positions);
        reason = format!("{reason}; {odd_note}");
        note = Some(odd_note);
        field.missing = odd.missing();
    }
    ColumnGuess {
        name: look.cells().name().to_owned(),
        field: Some(field),
        reason,
        remark: note.map(Remark::Note),
    }
}

fn names_column(names: &[String], look: &ColumnLook) -> bool {
    names.iter().any(|name| name == look.cells().name())
}

/// The field that the user has asked for, and why.
fn as_asked(look: &ColumnLook, known: &Known) -> Option<(FieldEncoding, String)> {
    if names_column(&known.categorical, look) {
        return Some((Categorical { min_count: 2 }.into(), "as asked".to_owned()));
    }
    if !names_column(&known.numeric, look) {
        return None;
    }
    let format = look.number_format().cloned().unwrap_or_default();
    let encoding = FieldEncoding::bucketed(look, format);
    Some((encoding, format!("as asked; {}", look.buckets_reason())))
}

/// The field to make of a column and why, or why there is none.
fn guess(look: &ColumnLook) -> Result<(FieldEncoding, String), String> {
    let cells = look.cells();
    if cells.name().is_empty() {
        let reason = "the column has no name, like the row numbers that pandas writes";
        return Err(reason.to_owned());
    }
    // In a category a word for "no value" is a value.
    let num_values = match look.reading() {
        Reading::Texts => cells.num_distinct() + cells.words().len(),
        _ => cells.num_distinct(),
    };
    match num_values {
        0 => return Err("no row has a value".to_owned()),
        1 => return Err("1 distinct value".to_owned()),
        _ => {}
    }
    match look.reading() {
        Reading::Unclear(reason) => return Err(reason.clone()),
        Reading::Vectors => return Err("lists whose elements hardly repeat".to_owned()),
        _ => {}
    }
    let hardly_repeats = || format!("{} distinct texts hardly repeat", look.num_distinct_text());
    FieldEncoding::guess(look).ok_or_else(hardly_repeats)
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
        let guess = guess_fields(
            &path,
            &RowFormat::csv("y"),
            &Known::default(),
            OnBadRow::Fail,
        )
        .unwrap();
        assert_eq!(
            (guess.num_rows, guess.missing),
            (4000, vec!["?".to_owned()])
        );
        let kinds: Vec<_> = guess
            .columns
            .iter()
            .map(|ColumnGuess { name, field, .. }| {
                let kind = field.as_ref().map(|field| match &field.encoding {
                    FieldEncoding::Categorical(_) => "categorical",
                    FieldEncoding::Cumulative(_) => "cumulative",
                    FieldEncoding::Timestamp(time) => time.format.as_str(),
                    FieldEncoding::MultiCategorical(multi) => multi.separator.as_str(),
                    other => panic!("{other:?}"),
                });
                (name.as_str(), kind)
            })
            .collect();
        assert_eq!(
            kinds,
            [
                ("site", Some("categorical")),
                ("hour", Some("categorical")),
                ("userId", Some("categorical")),
                ("age", Some("cumulative")),
                ("price", Some("cumulative")),
                ("item", Some("categorical")),
                ("key", None),
                ("constant", None),
                ("rating", Some("categorical")),
                ("seen_at", Some("unix")),
                ("day", Some("%Y-%m-%d")),
                ("tags", Some("|")),
            ]
        );
    }

    #[test]
    fn a_category_of_dates_and_0_is_said_to_be_no_times() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.csv");
        let mut text = "y,x\n".to_owned();
        let first = chrono::NaiveDate::from_ymd_opt(2024, 1, 1).unwrap();
        for row in 0..3000 {
            let date = first + chrono::Days::new(row / 2 % 300);
            let date = date.format("%Y%m%d").to_string();
            let cell = if row % 2 == 0 { "0" } else { &date };
            writeln!(text, "{},{cell}", row % 3 / 2).unwrap();
        }
        fs::write(&path, text).unwrap();
        let format = RowFormat::csv("y");
        let guess = guess_fields(&path, &format, &Known::default(), OnBadRow::Fail).unwrap();
        let ColumnGuess { field, remark, .. } = &guess.columns[0];
        let encoding = field.as_ref().map(|field| &field.encoding);
        assert!(
            matches!(encoding, Some(FieldEncoding::Categorical(_))),
            "{encoding:?}"
        );
        let says =
            "not read as times, because 1500 of its cells are not times; most of them are `0`";
        assert!(
            matches!(remark, Some(Remark::Note(note)) if note.starts_with(says)),
            "{remark:?}"
        );
    }

    #[test]
    fn a_malformed_label_is_told_from_other_malformed_rows_that_are_skipped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.csv");
        for (bad, is_label) in [("2,a\n1\n", true), ("1\n2,a\n", false)] {
            let good = "1,a\n0,b\n".repeat(20);
            fs::write(&path, format!("y,x\n{good}{bad}")).unwrap();
            let format = RowFormat::csv("y");
            let guess = guess_fields(&path, &format, &Known::default(), OnBadRow::Skip).unwrap();
            assert_eq!(
                (guess.skipped.bad_rows, guess.is_first_skipped_label),
                (2, is_label)
            );
        }
    }
}
