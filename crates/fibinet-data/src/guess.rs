use std::collections::HashSet;
use std::path::Path;

use csv::ByteRecord;

use crate::error::DataError;
use crate::reader::{Label, column_index, open_rows};
use crate::schema::{FieldEncoding, FieldSpec, RowFormat};

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

/// Guesses the kind of every column of a file but the label.
///
/// # Errors
///
/// Where the file cannot be read or lacks the label's column.
pub fn guess_fields(path: &Path, format: &RowFormat) -> Result<Guess, DataError> {
    let mut reader = open_rows(path, format, Label::Required)?;
    let label = column_index(reader.as_ref(), &format.label)?;
    let names = reader.columns().to_vec();
    let mut columns: Vec<Column> = names.iter().map(|_| Column::default()).collect();
    let mut missing = HashSet::new();
    let mut row = ByteRecord::new();
    let mut num_rows = 0;
    while num_rows < ROWS && reader.read_row(&mut row)? {
        num_rows += 1;
        for (column, cell) in columns.iter_mut().zip(&row) {
            match MISSING.iter().find(|word| word.as_bytes() == cell) {
                Some(word) => {
                    missing.insert(*word);
                }
                None if cell.is_empty() => {}
                None => column.add(cell),
            }
        }
    }
    if num_rows == 0 {
        return Err(DataError::Empty {
            path: path.to_owned(),
        });
    }
    let columns = names
        .into_iter()
        .zip(columns)
        .enumerate()
        .filter(|(i, _)| *i != label)
        .map(|(_, (name, column))| {
            let (encoding, reason) = column.guess(&name);
            let field = encoding.map(|encoding| FieldSpec {
                name: name.clone(),
                encoding,
            });
            ColumnGuess {
                name,
                field,
                reason,
            }
        })
        .collect();
    let mut missing: Vec<String> = missing.into_iter().map(str::to_owned).collect();
    missing.sort_unstable();
    Ok(Guess {
        columns,
        missing,
        num_rows,
    })
}

#[derive(Debug, Default)]
struct Column {
    cells: u64,
    distinct: HashSet<Box<[u8]>>,
    texts: u64,
    fractions: u64,
}

impl Column {
    fn add(&mut self, cell: &[u8]) {
        self.cells += 1;
        if self.distinct.len() < DISTINCT && !self.distinct.contains(cell) {
            self.distinct.insert(cell.into());
        }
        let number = std::str::from_utf8(cell)
            .ok()
            .and_then(|text| text.trim().parse::<f64>().ok());
        match number {
            Some(number) if number.is_finite() => {
                self.fractions += u64::from(number.fract() != 0.0);
            }
            _ => self.texts += 1,
        }
    }

    fn guess(&self, name: &str) -> (Option<FieldEncoding>, String) {
        let categorical = Some(FieldEncoding::Categorical { min_count: 2 });
        let quantile = Some(FieldEncoding::Quantile { buckets: 20 });
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
        if self.texts > 0 {
            if repeats < 1.1 && self.cells > 100 {
                return (
                    None,
                    format!("left out: {many} distinct texts hardly repeat"),
                );
            }
            return (categorical, format!("text, {many} distinct"));
        }
        if distinct <= FEW {
            return (categorical, format!("numbers, only {distinct} distinct"));
        }
        if self.fractions > 0 {
            return (quantile, "numbers with fractions".to_owned());
        }
        if is_id_name(name) {
            return (
                categorical,
                format!("integers named as an id, {many} distinct"),
            );
        }
        if distinct <= SOME || repeats < 5.0 {
            return (quantile, format!("integers, {many} distinct: a quantity?"));
        }
        (
            categorical,
            format!("integers, {many} distinct that repeat: an id?"),
        )
    }
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
        let mut text = "y,site,hour,userId,age,price,item,key,constant\n".to_owned();
        for i in 0..4000_u64 {
            let site = if i % 3 == 0 { "?" } else { "news" };
            let (hour, user, age) = (i % 24 % 7, i * 7919 % 3001, 20 + i % 60);
            let (price, item) = (i as f64 / 8.0, i * 31 % 400);
            let y = i % 2;
            writeln!(text, "{y},{site},{hour},{user},{age},{price},{item},k{i},1").unwrap();
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.csv");
        fs::write(&path, text.replace("news", "news\u{e9}")).unwrap();
        let format = RowFormat {
            label: "y".to_owned(),
            delimiter: ',',
            columns: None,
            missing: Vec::new(),
        };
        let guess = guess_fields(&path, &format).unwrap();
        assert_eq!(
            (guess.num_rows, guess.missing),
            (4000, vec!["?".to_owned()])
        );
        let kinds: Vec<_> = guess
            .columns
            .iter()
            .map(|ColumnGuess { name, field, .. }| {
                let kind = field.as_ref().map(|field| match field.encoding {
                    FieldEncoding::Categorical { .. } => "categorical",
                    FieldEncoding::Quantile { .. } => "quantile",
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
