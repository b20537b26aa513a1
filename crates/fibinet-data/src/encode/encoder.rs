use std::fs;
use std::io::Write;
use std::path::Path;

use csv::ByteRecord;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::config::schema::{FieldEncoding, FieldSpec, RowFormat};
use crate::encode::vocabulary::Vocabulary;
use crate::error::{DataError, DataErrorKind};
use crate::fields::time::TimeFormat;
use crate::formats::reader::{RowReader, column_index};
use crate::position::Position;
use crate::shards::batch::{Batch, IdLists};
use crate::shards::columns::{Column, Columns};
use crate::shards::layout::{FieldLayout, FieldShape, ShardLayout};

const FIELDS_FILE: &str = "fields.toml";
const VOCABULARY_FILE: &str = "vocabulary.fst";

/// Turns raw rows into ids and numbers, as it was fitted on the training rows.
///
/// Ids of a field: 0 is [`PADDING`](Self::PADDING), 1 a token
/// [out of the vocabulary](Self::OUT_OF_VOCABULARY), 2 a [missing](Self::MISSING) cell, and from
/// [3](Self::FIRST_TOKEN) on come the tokens (or the buckets).
#[derive(Debug)]
pub struct Encoder {
    format: RowFormat,
    fields: Vec<(FieldSpec, FittedField)>,
    /// The fields' formats of times, where they have one.
    times: Vec<Option<TimeFormat>>,
    vocabulary: Vocabulary,
}

/// What a fit learnt of a field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FittedField {
    /// Tokens of its own in the vocabulary.
    Tokens { len: usize },
    /// Ascending upper edges of buckets.
    Quantile { edges: Vec<f32> },
    /// `(v - shift) * scale`
    Value { shift: f64, scale: f64 },
    /// Nothing: the ids follow from the cells.
    Fixed,
}

impl FittedField {
    /// Whether a field of that encoding is fitted so.
    fn is_of(&self, encoding: &FieldEncoding) -> bool {
        use FieldEncoding as E;
        match self {
            Self::Tokens { .. } => matches!(
                encoding,
                E::Categorical { .. } | E::MultiCategorical { .. } | E::Log2 { .. }
            ),
            Self::Quantile { edges } => {
                matches!(encoding, E::Quantile { .. }) && edges.is_sorted_by(|a, b| a < b)
            }
            Self::Value { shift, scale } => {
                matches!(encoding, E::Value { .. }) && shift.is_finite() && scale.is_finite()
            }
            Self::Fixed => matches!(
                encoding,
                E::Hashed { .. } | E::Id { .. } | E::Timestamp { .. }
            ),
        }
    }
}

/// How an encoder's fields lie in its file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EncoderFile {
    format: RowFormat,
    fields: Vec<FieldFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldFile {
    spec: FieldSpec,
    fitted: FittedField,
}

/// A number that is none when scaled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Unscaled {
    /// Its row, by its place among those encoded.
    pub(crate) row: usize,
    field: usize,
    value: f32,
}

impl Encoder {
    /// The id that no cell gets: a place that holds no value.
    pub const PADDING: u32 = 0;
    /// The id of tokens that training did not meet often enough.
    pub const OUT_OF_VOCABULARY: u32 = 1;
    /// The id of a cell without a value.
    pub const MISSING: u32 = 2;
    /// The first id of a token or bucket.
    pub const FIRST_TOKEN: u32 = 3;

    pub(crate) fn new(
        format: RowFormat,
        fields: Vec<(FieldSpec, FittedField)>,
        vocabulary: Vocabulary,
    ) -> Self {
        Self {
            format,
            times: fields
                .iter()
                .map(|(field, _)| time_format(&field.encoding))
                .collect(),
            fields,
            vocabulary,
        }
    }

    /// Reads an encoder that [`save`](Self::save) wrote.
    ///
    /// # Errors
    ///
    /// Where a file cannot be read or is not what it should be.
    pub fn open(directory: &Path) -> Result<Self, DataError> {
        let path = directory.join(FIELDS_FILE);
        let text = fs::read_to_string(&path).map_err(DataError::io(&path))?;
        let file: EncoderFile =
            toml::from_str(&text).map_err(|error| DataError::corrupt(&path, error))?;
        let fields = file
            .fields
            .into_iter()
            .map(|field| (field.spec, field.fitted));
        let vocabulary = Vocabulary::open(&directory.join(VOCABULARY_FILE))?;
        let fields: Vec<_> = fields.collect();
        let tokens = |(_, fitted): &(FieldSpec, FittedField)| match fitted {
            FittedField::Tokens { len } => *len,
            _ => 0,
        };
        let wrong = fields
            .iter()
            .find(|(spec, fitted)| !fitted.is_of(&spec.encoding));
        if let Some((spec, fitted)) = wrong {
            let reason = format!("field `{}` cannot be fitted as {fitted:?}", spec.name);
            return Err(DataError::corrupt(&path, reason));
        }
        let expected: usize = fields.iter().map(tokens).sum();
        if vocabulary.len() != expected {
            let reason = format!(
                "the fields have {expected} tokens, but {VOCABULARY_FILE} has {}",
                vocabulary.len()
            );
            return Err(DataError::corrupt(&path, reason));
        }
        Ok(Self::new(file.format, fields, vocabulary))
    }

    /// Writes the encoder into a directory: `fields.toml` and `vocabulary.fst`.
    ///
    /// # Errors
    ///
    /// Where a file cannot be written.
    pub fn save(&self, directory: &Path) -> Result<(), DataError> {
        fs::create_dir_all(directory).map_err(DataError::io(directory))?;
        let file = EncoderFile {
            format: self.format.clone(),
            fields: self
                .fields
                .iter()
                .map(|(spec, fitted)| FieldFile {
                    spec: spec.clone(),
                    fitted: fitted.clone(),
                })
                .collect(),
        };
        let path = directory.join(FIELDS_FILE);
        let text = toml::to_string(&file).map_err(|error| DataError::corrupt(&path, error))?;
        fs::write(&path, text).map_err(DataError::io(&path))?;
        self.vocabulary.save(&directory.join(VOCABULARY_FILE))
    }

    /// A hash of everything that was fitted.
    pub(crate) fn fingerprint(&self) -> String {
        format!("{:?} {:016x}", self.fields, self.vocabulary.fingerprint())
    }

    /// What was fitted of a field.
    pub(crate) fn fitted(&self, field: usize) -> &FittedField {
        &self.fields[field].1
    }

    /// The tokens of a field, by id.
    pub(crate) fn tokens(&self, field: usize) -> Vec<Box<[u8]>> {
        self.vocabulary.tokens(field)
    }

    /// The fields.
    pub fn fields(&self) -> impl Iterator<Item = &FieldSpec> {
        self.fields.iter().map(|(field, _)| field)
    }

    /// How the rows are written.
    pub fn format(&self) -> &RowFormat {
        &self.format
    }

    /// The fields in the schema's order, as a model sees them. A [`Batch`] has their ids and their
    /// numbers apart, each in this order.
    pub fn layout(&self) -> Vec<FieldLayout> {
        let first = Self::FIRST_TOKEN as usize;
        let shape = |spec: &FieldSpec, fitted: &FittedField| {
            let num_ids = match fitted {
                FittedField::Value { .. } => return FieldShape::Number,
                FittedField::Tokens { len } => first + len,
                FittedField::Quantile { edges } => first + edges.len() + 1,
                FittedField::Fixed => first + spec.encoding.num_fixed_ids(),
            };
            match spec.encoding {
                FieldEncoding::MultiCategorical { pooling, .. } => {
                    FieldShape::Ids { num_ids, pooling }
                }
                _ => FieldShape::Id { num_ids },
            }
        };
        self.fields
            .iter()
            .map(|(spec, fitted)| FieldLayout {
                name: spec.name.clone(),
                shape: shape(spec, fitted),
            })
            .collect()
    }

    /// How encoded rows are written.
    pub fn shard_layout(&self) -> ShardLayout {
        ShardLayout {
            label: self.format.label.clone(),
            grouped: self.format.group.is_some(),
            fields: self.layout(),
        }
    }

    /// Encodes rows that the fit of this encoder read. Gives those that it cannot, ascending, each with
    /// its first number that is none when scaled.
    ///
    /// # Panics
    ///
    /// If the encoder was not just fitted.
    pub(crate) fn encode_fitted(&self, columns: &mut Columns) -> Vec<Unscaled> {
        let fields = columns.fields.par_iter_mut().enumerate();
        let refused = fields.map(|(field, column)| self.encode_column(field, column));
        let mut refused = refused.collect::<Vec<_>>().concat();
        // Stable: of a row's fields the first stays first.
        refused.sort_by_key(|unscaled| unscaled.row);
        refused.dedup_by_key(|unscaled| unscaled.row);
        refused
    }

    fn encode_column(&self, field: usize, column: &mut Column) -> Vec<Unscaled> {
        let mut refused = Vec::new();
        match (&self.fields[field].1, &mut *column) {
            (FittedField::Tokens { .. }, Column::Ids(ids) | Column::Lists(IdLists { ids, .. })) => {
                let by_place = self.vocabulary.ids_by_place(field);
                for id in ids {
                    if let Some(place) = id.checked_sub(Self::FIRST_TOKEN) {
                        let known = by_place[place as usize] as u32;
                        *id = known.max(Self::OUT_OF_VOCABULARY);
                    }
                }
            }
            (FittedField::Quantile { edges }, Column::Numbers(numbers)) => {
                let id = |number: &f32| match number.is_nan() {
                    true => Self::MISSING,
                    false => Self::FIRST_TOKEN + bucket(edges, *number),
                };
                *column = Column::Ids(numbers.iter().map(id).collect());
            }
            (FittedField::Value { shift, scale }, Column::Numbers(numbers)) => {
                for (row, number) in numbers.iter_mut().enumerate() {
                    let value = *number;
                    *number = match value.is_nan() {
                        true => 0.0,
                        false => scaled(value, *shift, *scale),
                    };
                    if !number.is_finite() {
                        refused.push(Unscaled { row, field, value });
                    }
                }
            }
            (FittedField::Fixed, Column::Ids(_)) => {}
            (fitted, column) => unreachable!("{fitted:?} is read as {column:?}"),
        }
        refused
    }

    /// What is wrong with a number that [`encode_fitted`](Self::encode_fitted) gave.
    pub(crate) fn unscaled(&self, unscaled: Unscaled, position: Position) -> DataError {
        let Unscaled { field, value, .. } = unscaled;
        let (spec, fitted) = &self.fields[field];
        let rule = match fitted {
            FittedField::Value { shift, scale } => scaling_rule(*shift, *scale),
            other => unreachable!("{other:?} scales nothing"),
        };
        DataErrorKind::Cell {
            position,
            column: spec.column.clone(),
            rule,
            got: format!("{value:?}"),
        }
        .into()
    }

    /// An encoder of the rows of one reader.
    ///
    /// # Errors
    ///
    /// [`DataErrorKind::MissingColumn`] for the first column that the reader lacks; the label's and the
    /// group's count where `labels` are asked for.
    pub fn rows(&self, reader: &dyn RowReader, labels: bool) -> Result<RowEncoder<'_>, DataError> {
        let columns = self
            .fields
            .iter()
            .map(|(field, _)| column_index(reader, &field.column))
            .collect::<Result<_, _>>()?;
        let label = match labels {
            true => Some(column_index(reader, &self.format.label)?),
            false => None,
        };
        let group = match &self.format.group {
            Some(group) if labels => Some(column_index(reader, group)?),
            _ => None,
        };
        Ok(RowEncoder {
            encoder: self,
            columns,
            label,
            group,
            token: Vec::new(),
            key: Vec::new(),
        })
    }
}

/// An [`Encoder`] that knows in which columns of a file its fields are.
#[derive(Debug, Clone)]
pub struct RowEncoder<'a> {
    encoder: &'a Encoder,
    columns: Vec<usize>,
    label: Option<usize>,
    group: Option<usize>,
    token: Vec<u8>,
    key: Vec<u8>,
}

impl RowEncoder<'_> {
    /// Appends a row to a batch; `position` is where it is written. Where it fails, the batch is as it was.
    ///
    /// # Errors
    ///
    /// Where the label is not 0 or 1, or a numeric field's cell is no number.
    pub fn encode(
        &mut self,
        row: &ByteRecord,
        position: &Position,
        batch: &mut Batch,
    ) -> Result<(), DataError> {
        self.encode_cells(|column| &row[column], position, batch)
    }

    /// [`encode`](Self::encode) of a row of these cells.
    pub(crate) fn encode_cells<'a>(
        &mut self,
        cell: impl Fn(usize) -> &'a [u8],
        position: &Position,
        batch: &mut Batch,
    ) -> Result<(), DataError> {
        let (ids, numerics) = (batch.ids.len(), batch.numerics.len());
        let label = self.append(&cell, position, batch).inspect_err(|_| {
            batch.ids.truncate(ids);
            batch.numerics.truncate(numerics);
            let rows = batch.num_rows;
            batch.lists.iter_mut().for_each(|list| list.truncate(rows));
        })?;
        batch.labels.extend(label);
        batch.groups.extend(self.group.map(cell).map(group_hash));
        batch.num_rows += 1;
        Ok(())
    }

    fn append<'a>(
        &mut self,
        cell_of: impl Fn(usize) -> &'a [u8],
        position: &Position,
        batch: &mut Batch,
    ) -> Result<Option<f32>, DataError> {
        let encoder = self.encoder;
        let mut list = 0;
        for (i, ((field, fitted), &column)) in encoder.fields.iter().zip(&self.columns).enumerate()
        {
            let cell = cell_of(column);
            let missing = encoder.format.is_missing(cell);
            if let FieldEncoding::MultiCategorical { separator, .. } = &field.encoding {
                let lists = batch.list_mut(list);
                list += 1;
                for token in tokens(cell, separator, &encoder.format) {
                    let id = encoder.vocabulary.id(i, token, &mut self.key);
                    lists.ids.push(id.unwrap_or(Encoder::OUT_OF_VOCABULARY));
                }
                if lists.ends.last().copied().unwrap_or(0) == lists.ids.len() {
                    lists.ids.push(Encoder::MISSING);
                }
                lists.ends.push(lists.ids.len());
                continue;
            }
            match fitted {
                FittedField::Value { shift, scale } => batch.numerics.push(match missing {
                    true => 0.0,
                    false => {
                        let value = parse_number(cell, &field.column, position)?;
                        let scaled = scaled(value, *shift, *scale);
                        if !scaled.is_finite() {
                            return Err(DataErrorKind::Cell {
                                position: position.clone(),
                                column: field.column.clone(),
                                rule: scaling_rule(*shift, *scale),
                                got: String::from_utf8_lossy(cell).into_owned(),
                            }
                            .into());
                        }
                        scaled
                    }
                }),
                _ if missing => batch.ids.push(Encoder::MISSING),
                FittedField::Fixed => {
                    let id = fixed_id(field, encoder.times[i].as_ref(), cell, position)?;
                    batch.ids.push(Encoder::FIRST_TOKEN + id);
                }
                FittedField::Quantile { edges } => {
                    let value = parse_number(cell, &field.column, position)?;
                    batch.ids.push(Encoder::FIRST_TOKEN + bucket(edges, value));
                }
                FittedField::Tokens { .. } => {
                    let token = match field.encoding {
                        FieldEncoding::Log2 { .. } => {
                            log2_token(
                                parse_number(cell, &field.column, position)?,
                                &mut self.token,
                            );
                            self.token.as_slice()
                        }
                        _ => cell,
                    };
                    let id = encoder.vocabulary.id(i, token, &mut self.key);
                    batch.ids.push(id.unwrap_or(Encoder::OUT_OF_VOCABULARY));
                }
            }
        }
        let Some(column) = self.label else {
            return Ok(None);
        };
        parse_label(cell_of(column), &encoder.format, position).map(Some)
    }
}

impl RowFormat {
    /// Whether a cell has no value.
    pub(crate) fn is_missing(&self, cell: &[u8]) -> bool {
        cell.is_empty()
            || self
                .missing
                .iter()
                .any(|missing| missing.as_bytes() == cell)
    }
}

impl FieldEncoding {
    /// The number of values of a field whose ids follow from its cells.
    fn num_fixed_ids(&self) -> usize {
        match self {
            Self::Hashed { buckets } => *buckets as usize,
            Self::Id { num_ids } => *num_ids as usize,
            Self::Timestamp { parts, .. } => parts.first().map_or(0, |part| part.num_values()),
            _ => 0,
        }
    }
}

/// The bucket of a number, from 0.
fn bucket(edges: &[f32], value: f32) -> u32 {
    edges.partition_point(|edge| *edge < value) as u32
}

fn scaled(value: f32, shift: f64, scale: f64) -> f32 {
    ((f64::from(value) - shift) * scale) as f32
}

fn scaling_rule(shift: f64, scale: f64) -> String {
    format!("(v - {shift}) * {scale} must be a finite number")
}

/// What tells a row's group.
pub(crate) fn group_hash(cell: &[u8]) -> u64 {
    twox_hash::XxHash64::oneshot(0, cell)
}

/// The tokens of a cell of several, without those that mean "no value": none where the whole cell
/// means it.
pub(crate) fn tokens<'a>(
    cell: &'a [u8],
    separator: &'a str,
    format: &'a RowFormat,
) -> impl Iterator<Item = &'a [u8]> {
    let separator = separator.as_bytes();
    // Uncut: what means "no value" may have a separator in it, as `N/A` has.
    let mut rest = Some(cell).filter(|cell| !format.is_missing(cell));
    std::iter::from_fn(move || {
        let text = rest?;
        let at = text
            .windows(separator.len())
            .position(|window| window == separator);
        let (token, after) = match at {
            Some(at) => (&text[..at], Some(&text[at + separator.len()..])),
            None => (text, None),
        };
        rest = after;
        Some(token)
    })
    .filter(|token| !format.is_missing(token))
}

/// The format of a field of times.
pub(crate) fn time_format(encoding: &FieldEncoding) -> Option<TimeFormat> {
    match encoding {
        FieldEncoding::Timestamp { format, .. } => TimeFormat::new(format).ok(),
        _ => None,
    }
}

/// The id, from 0, of a cell of a field whose ids follow from its cells.
pub(crate) fn fixed_id(
    field: &FieldSpec,
    time: Option<&TimeFormat>,
    cell: &[u8],
    position: &Position,
) -> Result<u32, DataError> {
    let error = |rule: String| {
        DataErrorKind::Cell {
            position: position.clone(),
            column: field.column.clone(),
            rule,
            got: String::from_utf8_lossy(cell).into_owned(),
        }
        .into()
    };
    let text = std::str::from_utf8(cell).ok().map(str::trim);
    match &field.encoding {
        FieldEncoding::Hashed { buckets } => {
            Ok((twox_hash::XxHash64::oneshot(0, cell) % u64::from(*buckets)) as u32)
        }
        FieldEncoding::Id { num_ids } => text
            .and_then(|text| text.parse().ok())
            .filter(|id| id < num_ids)
            .ok_or_else(|| error(format!("an id must be an integer below {num_ids}"))),
        FieldEncoding::Timestamp { format, parts } => text
            .and_then(|text| time?.parse(text))
            .zip(parts.first())
            .map(|(time, part)| time.part(*part))
            .ok_or_else(|| error(format!("a time of the form `{format}` was expected"))),
        other => unreachable!("{other:?} has no ids of its own"),
    }
}

/// A label's cell as 0 or 1.
pub(crate) fn parse_label(
    cell: &[u8],
    format: &RowFormat,
    position: &Position,
) -> Result<f32, DataError> {
    match (&format.positive, parse(cell)) {
        (Some(positive), _) if positive.as_bytes() == cell => Ok(1.0),
        (Some(_), _) if !format.is_missing(cell) => Ok(0.0),
        (None, Some(label)) if label == 0.0 || label == 1.0 => Ok(label),
        _ => Err(DataErrorKind::Label {
            position: position.clone(),
            column: format.label.clone(),
            got: String::from_utf8_lossy(cell).into_owned(),
        }
        .into()),
    }
}

fn parse(cell: &[u8]) -> Option<f32> {
    // A f32 has every integer of seven digits.
    if (1..=7).contains(&cell.len()) && cell.iter().all(u8::is_ascii_digit) {
        let digits = cell.iter().map(|digit| u32::from(digit - b'0'));
        return Some(digits.fold(0, |value, digit| 10 * value + digit) as f32);
    }
    std::str::from_utf8(cell)
        .ok()
        .and_then(|text| text.trim().parse::<f32>().ok())
}

/// A cell as a finite number.
pub(crate) fn parse_number(
    cell: &[u8],
    column: &str,
    position: &Position,
) -> Result<f32, DataError> {
    match parse(cell) {
        Some(value) if value.is_finite() => Ok(value),
        _ => Err(DataErrorKind::Number {
            position: position.clone(),
            column: column.to_owned(),
            got: String::from_utf8_lossy(cell).into_owned(),
        }
        .into()),
    }
}

/// Writes the token of a number: `⌊ln(v)²⌋` for `v > 2`, else `=⌊v⌋`.
pub(crate) fn log2_token(value: f32, token: &mut Vec<u8>) {
    token.clear();
    let value = f64::from(value);
    let whole = if value > 2.0 {
        value.ln().powi(2).floor()
    } else {
        token.push(b'=');
        value.floor()
    };
    // Integers are written in a fraction of the time. Writing to a vector does not fail.
    let written = match whole.abs() < EXACT {
        true => write!(token, "{}", whole as i64),
        false => write!(token, "{whole}"),
    };
    debug_assert!(written.is_ok());
}

/// Below it an f64 without a fraction is an i64.
const EXACT: f64 = (1_u64 << 53) as f64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::{Scaling, TimePart};
    use crate::encode::fit::EncoderFit;
    use crate::formats::blocks::Blocks;
    use crate::formats::parts::open_rows;
    use crate::formats::reader::Label;
    use crate::prepare::split::SplitKind;
    use crate::shards::layout::Pooling;

    fn field(name: &str, encoding: FieldEncoding) -> FieldSpec {
        FieldSpec::new(name, encoding)
    }

    fn format() -> RowFormat {
        RowFormat {
            label: "y".to_owned(),
            positive: None,
            group: None,
            delimiter: ',',
            columns: None,
            missing: vec!["?".to_owned(), "N/A".to_owned()],
        }
    }

    fn reader(directory: &Path, text: &str) -> Box<dyn RowReader> {
        let path = directory.join("rows.csv");
        fs::write(&path, text).unwrap();
        open_rows(&path, &format(), Label::Required).unwrap()
    }

    /// The rows of the fit must come to what the encoder makes of them.
    fn fit(directory: &Path, fields: &[FieldSpec], text: &str) -> Result<Encoder, DataError> {
        let reader = reader(directory, text);
        let mut fit = EncoderFit::new(&format(), fields, reader.as_ref())?;
        let mut waiting = Vec::new();
        for block in Blocks::new(reader) {
            let block = block?;
            let rows = (0..block.num_rows()).map(|row| (row, SplitKind::Train));
            let (read, refused) = fit.add(&block, &rows.collect::<Vec<_>>());
            if let Some((_, error)) = block.bad.into_iter().chain(refused).next() {
                return Err(error);
            }
            waiting.push(read.columns);
        }
        let encoder = fit.finish(None);
        let batch = encode(&encoder, directory, text)?;
        let mut expected = Columns::new(&encoder.layout());
        (0..batch.num_rows).for_each(|row| expected.push_row(&batch, row));
        let mut fitted = Columns::new(&encoder.layout());
        for mut columns in waiting {
            assert_eq!(encoder.encode_fitted(&mut columns), []);
            let rows: Vec<u32> = (0..columns.num_rows() as u32).collect();
            fitted.extend(&columns, &rows);
        }
        assert_eq!(fitted, expected);
        Ok(encoder)
    }

    fn encode(encoder: &Encoder, directory: &Path, text: &str) -> Result<Batch, DataError> {
        let mut reader = reader(directory, text);
        let mut rows = encoder.rows(reader.as_ref(), true)?;
        let (mut row, mut batch) = (ByteRecord::new(), Batch::default());
        while reader.read_row(&mut row)? {
            rows.encode(&row, &reader.position(), &mut batch)?;
        }
        Ok(batch)
    }

    #[test]
    fn ids_tell_missing_unknown_and_known_tokens_apart_after_a_round_trip() {
        let directory = tempfile::tempdir().unwrap();
        let fields = [
            FieldSpec::categorical("site", 2),
            field("age", FieldEncoding::Quantile { buckets: 2 }),
            field(
                "price",
                FieldEncoding::Value {
                    scaling: Scaling::MinMax,
                },
            ),
        ];
        let text = "price,y,site,age\n0,1,b,10\n4,0,a,20\n2,0,a,30\n,1,c,\n?,0,b,?\n1,1,b,40\n";
        let encoder = fit(directory.path(), &fields, text).unwrap();
        encoder.save(directory.path()).unwrap();
        let encoder = Encoder::open(directory.path()).unwrap();

        let layout = encoder.layout();
        let num_ids: Vec<_> = layout.iter().map(|field| field.shape.num_ids()).collect();
        assert_eq!(num_ids, [Some(5), Some(5), None]);
        // Other columns between, another order: columns are found by name.
        let text = "y,age,x,site,price\n1,20,,b,1\n0,20.5,,a,?\n0,?,,c,8\n1,-5,,,4\n";
        let batch = encode(&encoder, directory.path(), text).unwrap();
        // site: b three times, a twice, c once. age: an edge at 20.
        assert_eq!(batch.ids, [3, 3, 4, 4, 1, 2, 2, 3]);
        assert_eq!(batch.numerics, [0.25, 0.0, 2.0, 1.0]);
        assert_eq!(batch.labels, [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(batch.num_rows, 4);
    }

    #[test]
    fn ids_hashes_and_times_follow_from_their_cells() {
        let directory = tempfile::tempdir().unwrap();
        let mut fields = vec![
            field("item", FieldEncoding::Id { num_ids: 10 }),
            field("site", FieldEncoding::Hashed { buckets: 1000 }),
        ];
        for part in [TimePart::Hour, TimePart::Weekday] {
            let mut field = field(
                part.name(),
                FieldEncoding::Timestamp {
                    format: "%y%m%d%H".to_owned(),
                    parts: vec![part],
                },
            );
            field.column = "at".to_owned();
            fields.push(field);
        }
        let text = "y,item,site,at\n1,0,a,14102113\n0,9,b,14102600\n1,,,\n0,3,a,14102113\n";
        let encoder = fit(directory.path(), &fields, text).unwrap();
        encoder.save(directory.path()).unwrap();
        let encoder = Encoder::open(directory.path()).unwrap();
        let layout = encoder.layout();
        let num_ids: Vec<_> = layout.iter().map(|field| field.shape.num_ids()).collect();
        assert_eq!(num_ids, [Some(13), Some(1003), Some(27), Some(10)]);
        let ids = encode(&encoder, directory.path(), text).unwrap().ids;
        let (a, b) = (ids[1], ids[5]);
        assert!(a != b && (3..1003).contains(&a) && (3..1003).contains(&b));
        assert_eq!(ids, [3, a, 16, 4, 12, b, 3, 9, 2, 2, 2, 2, 6, a, 16, 4]);

        for (row, expected) in [
            (
                "1,10,a,14102113",
                "`item`: an id must be an integer below 10, but the cell is `10`",
            ),
            (
                "1,-1,a,14102113",
                "`item`: an id must be an integer below 10, but the cell is `-1`",
            ),
            (
                "1,1,a,14102125",
                "`at`: a time of the form `%y%m%d%H` was expected",
            ),
        ] {
            let text = format!("y,item,site,at\n{row}\n");
            for error in [
                encode(&encoder, directory.path(), &text).unwrap_err(),
                fit(directory.path(), &fields, &text).unwrap_err(),
            ] {
                assert!(error.to_string().contains(expected), "{error}");
            }
        }
    }

    #[test]
    fn a_cell_of_several_tokens_has_a_list_of_ids() {
        let directory = tempfile::tempdir().unwrap();
        let tags = FieldEncoding::MultiCategorical {
            min_count: 2,
            separator: "::".to_owned(),
            pooling: Pooling::Max,
        };
        let fields = [field("tags", tags), FieldSpec::categorical("site", 1)];
        let text = "y,tags,site\n1,a::b,p\n0,a,q\n1,b::a::c,p\n0,,q\n0,?::::,p\n";
        let encoder = fit(directory.path(), &fields, text).unwrap();
        encoder.save(directory.path()).unwrap();
        let encoder = Encoder::open(directory.path()).unwrap();
        let layout = encoder.layout();
        let pooling = Pooling::Max;
        assert_eq!(
            layout[0].shape,
            FieldShape::Ids {
                num_ids: 5,
                pooling
            }
        );
        let batch = encode(&encoder, directory.path(), text).unwrap();
        let rows: Vec<&[u32]> = (0..5).map(|row| batch.lists[0].row(row)).collect();
        // a is met three times, b twice, c once.
        assert_eq!(rows, [&[3, 4][..], &[3], &[4, 3, 1], &[2], &[2]]);
        assert_eq!(batch.ids, [3, 4, 3, 4, 3]);
        let bad = encode(&encoder, directory.path(), "y,tags,site\n2,a::b,p\n").unwrap_err();
        assert!(bad.is_bad_row(), "{bad}");
    }

    #[test]
    fn what_means_no_value_is_not_cut_into_tokens() {
        let directory = tempfile::tempdir().unwrap();
        let tags = FieldEncoding::MultiCategorical {
            min_count: 1,
            separator: "/".to_owned(),
            pooling: Pooling::Mean,
        };
        let text = "y,tags\n1,a/b\n0,N/A\n1,a\n0,N/A\n";
        let encoder = fit(directory.path(), &[field("tags", tags)], text).unwrap();
        assert_eq!(
            encoder.tokens(0),
            [Box::from(*b"a") as Box<[u8]>, Box::from(*b"b")]
        );
        let batch = encode(&encoder, directory.path(), text).unwrap();
        let rows: Vec<&[u32]> = (0..4).map(|row| batch.lists[0].row(row)).collect();
        assert_eq!(rows, [&[3, 4][..], &[2], &[3], &[2]]);
    }

    #[test]
    fn a_named_label_is_a_click_and_any_other_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let format = RowFormat {
            positive: Some("yes".to_owned()),
            ..format()
        };
        let reader = reader(directory.path(), "y,a\nyes,1\n");
        for (cell, label) in [("yes", 1.0), ("no", 0.0), ("1", 0.0)] {
            let parsed = parse_label(cell.as_bytes(), &format, &reader.position()).unwrap();
            assert_eq!(parsed, label, "{cell}");
        }
        let missing = parse_label(b"", &format, &reader.position()).unwrap_err();
        assert!(missing.is_bad_row(), "{missing}");
    }

    #[test]
    fn a_few_digits_are_read_as_any_number_is() {
        for cell in [
            "7", "0012", "9999999", "16777217", " 5", "-3", "+2", "1e3", "0x1", "٣", "",
        ] {
            let expected = cell.trim().parse::<f32>().ok();
            assert_eq!(parse(cell.as_bytes()), expected, "{cell}");
        }
    }

    #[test]
    fn rows_of_a_fit_have_the_ids_of_the_encoder() {
        let directory = tempfile::tempdir().unwrap();
        let log2 = FieldEncoding::Log2 { min_count: 2 };
        let tags = FieldEncoding::MultiCategorical {
            min_count: 3,
            separator: "|".to_owned(),
            pooling: Pooling::Mean,
        };
        let of_site = |encoding| FieldSpec {
            column: "site".to_owned(),
            ..field("of_site", encoding)
        };
        let fields = [
            FieldSpec::categorical("site", 2),
            of_site(FieldEncoding::Hashed { buckets: 7 }),
            field("n", log2),
            field("tags", tags),
        ];
        let numbers = [
            "0", "-0", "1", "2", "2.5", "3", "03", "-1", "-16", "-17", "-1.5", "4079", "4080",
            "1e9", "3e38", "-1e20", "?", "",
        ];
        let rows: String = (0..5000_usize)
            .map(|i| {
                let (number, token) = (numbers[i % numbers.len()], i * i % 311);
                let long = "é".repeat(i % 13);
                format!(
                    "{},{token}{long},{number},{}|?|{token}{long}\n",
                    i % 2,
                    i % 9
                )
            })
            .collect();
        let encoder = fit(directory.path(), &fields, &format!("y,site,n,tags\n{rows}")).unwrap();
        // `0` and `-0`, `3` and `03`, `4079` and `4080` are one token each, and two cells are missing.
        assert_eq!(encoder.layout()[2].shape.num_ids(), Some(3 + 13));
    }

    #[test]
    fn log2_tokens_are_those_of_the_criteo_winners() {
        for (value, expected) in [
            (-3.0, "=-3"),
            (0.0, "=0"),
            (1.0, "=1"),
            (2.0, "=2"),
            (3.0, "1"),     // ln(3)² = 1.2
            (5.0, "2"),     // 2.6
            (100.0, "21"),  // 21.2
            (5775.0, "75"), // 75.02
        ] {
            let mut token = Vec::new();
            log2_token(value, &mut token);
            assert_eq!(String::from_utf8(token).unwrap(), expected, "{value}");
        }
    }

    #[test]
    fn bad_cells_name_the_place_and_leave_the_batch_alone() {
        let directory = tempfile::tempdir().unwrap();
        let fields = [
            FieldSpec::categorical("site", 1),
            field("age", FieldEncoding::Quantile { buckets: 2 }),
        ];
        let encoder = fit(directory.path(), &fields, "y,site,age\n1,a,1\n0,b,2\n").unwrap();
        let message = |text: &str| {
            encode(&encoder, directory.path(), text)
                .unwrap_err()
                .to_string()
        };
        for label in ["2", "", "yes", "NaN"] {
            let message = message(&format!("y,site,age\n1,a,1\n{label},a,1\n"));
            let expected =
                format!("rows.csv:3, column `y`: a label must be 0 or 1, but is `{label}`");
            assert!(message.contains(&expected), "{message}");
        }
        for number in ["x", "inf", "1,5"] {
            let number = format!("\"{number}\"");
            let message = message(&format!("y,site,age\n0,a,{number}\n"));
            assert!(
                message.contains("rows.csv:2, column `age`: a number was expected"),
                "{message}"
            );
        }
        let lacking = message("y,sites,age\n1,a,1\n");
        assert!(
            lacking.contains("no column `site`, did you mean `sites`?"),
            "{lacking}"
        );

        let mut reader = reader(directory.path(), "y,site,age\n1,a,1\n2,a,1\n");
        let mut rows = encoder.rows(reader.as_ref(), true).unwrap();
        let (mut row, mut batch) = (ByteRecord::new(), Batch::default());
        reader.read_row(&mut row).unwrap();
        rows.encode(&row, &reader.position(), &mut batch).unwrap();
        let before = batch.clone();
        reader.read_row(&mut row).unwrap();
        rows.encode(&row, &reader.position(), &mut batch)
            .unwrap_err();
        assert_eq!(batch, before);
    }
}
