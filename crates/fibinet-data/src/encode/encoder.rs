use std::fs;
use std::path::Path;

use fibinet_storage::AtomicFile;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::config::RowFormat;
use crate::config::split::SplitKind;
use crate::encode::cells::cell_error;
use crate::encode::vocabulary::Vocabulary;
use crate::encode::written_cells::WrittenCells;
use crate::error::DataError;
use crate::fields::FieldSpec;
use crate::fields::cell_counts::{CellCounts, SeenCells};
use crate::fields::cells;
use crate::fields::column_counter::{ColumnCounter, SplitRows};
use crate::fields::kind::{CellEncoder, FittedField, KnownField};
use crate::position::Position;
use crate::shards::columns::{Column, Columns};
use crate::shards::layout::{FieldLayout, FieldShape, ShardLayout};

const FIELDS_FILE: &str = "fields.toml";
const VOCABULARY_FILE: &str = "vocabulary.fst";

/// Turns raw rows into ids and numbers, as fitted on the training rows.
///
/// The ids of a field: 0 is [`PADDING`](Self::PADDING), 1 stands for tokens
/// [out of the vocabulary](Self::OUT_OF_VOCABULARY), 2 for a [missing](Self::MISSING) cell; the tokens or
/// buckets follow from [3](Self::FIRST_TOKEN) on.
#[derive(Debug)]
pub struct Encoder {
    format: RowFormat,
    fields: Vec<EncoderField>,
    vocabulary: Vocabulary,
    /// The counts of each field's cells in the validation rows; `None` if they are not known.
    valid_counts: Option<Vec<CellCounts>>,
}

/// A fitted field.
#[derive(Debug)]
pub(crate) struct EncoderField {
    pub(crate) spec: FieldSpec,
    pub(crate) fitted: FittedField,
    pub(crate) encoder: Box<dyn CellEncoder>,
    pub(crate) shape: FieldShape,
}

impl EncoderField {
    /// `None` if `fitted` does not belong to this kind.
    fn new(spec: FieldSpec, fitted: FittedField) -> Option<Self> {
        let encoder = spec.encoding.encoder(&fitted)?;
        Some(Self {
            shape: encoder.shape(),
            spec,
            fitted,
            encoder,
        })
    }
}

/// The contents of [`FIELDS_FILE`].
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
    /// Cells of the validation rows. Older versions did not count them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    valid: Option<CellCounts>,
}

/// What the validation and the test rows show of each field's cells.
pub(crate) type SeenBySplit = [Vec<SeenCells>; 2];

/// A number that is not finite when it is scaled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Unscaled {
    /// The index of its row among those encoded.
    pub(crate) row: usize,
    field: usize,
    value: f64,
}

impl Encoder {
    /// The id that no cell gets: it fills slots without a value.
    pub const PADDING: u32 = cells::PADDING;
    /// The id of tokens that were too rare in the training rows.
    pub const OUT_OF_VOCABULARY: u32 = cells::OUT_OF_VOCABULARY;
    /// The id of a cell without a value.
    pub const MISSING: u32 = cells::MISSING;
    /// The first id of a token or bucket.
    pub const FIRST_TOKEN: u32 = cells::FIRST_TOKEN;

    /// An encoder of fields that their own kinds fitted.
    pub(crate) fn new(
        format: RowFormat,
        fields: Vec<(FieldSpec, FittedField)>,
        vocabulary: Vocabulary,
    ) -> Self {
        let field = |(spec, fitted)| {
            EncoderField::new(spec, fitted).expect("a kind encodes what it has fitted")
        };
        Self {
            format,
            fields: fields.into_iter().map(field).collect(),
            vocabulary,
            valid_counts: None,
        }
    }

    /// Reads an encoder that [`save`](Self::save) wrote.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or is damaged.
    pub fn open(directory: &Path) -> Result<Self, DataError> {
        let path = directory.join(FIELDS_FILE);
        let text = fs::read_to_string(&path).map_err(DataError::io(&path))?;
        let file: EncoderFile =
            toml::from_str(&text).map_err(|error| DataError::corrupt(&path, error))?;
        let vocabulary = Vocabulary::open(&directory.join(VOCABULARY_FILE))?;
        let (mut fields, mut num_tokens) = (Vec::new(), 0);
        let valid_counts = file.fields.iter().map(|field| field.valid).collect();
        for FieldFile { spec, fitted, .. } in file.fields {
            let reason = format!(
                "field `{}` has a fit of another kind, {fitted:?}",
                spec.name
            );
            num_tokens += fitted.num_tokens();
            let field = EncoderField::new(spec, fitted);
            fields.push(field.ok_or_else(|| DataError::corrupt(&path, reason))?);
        }
        if vocabulary.len() != num_tokens {
            let reason = format!(
                "the fields have {num_tokens} tokens, but {VOCABULARY_FILE} has {}",
                vocabulary.len()
            );
            return Err(DataError::corrupt(&path, reason));
        }
        Ok(Self {
            format: file.format,
            fields,
            vocabulary,
            valid_counts,
        })
    }

    /// Writes the encoder into a directory: `fields.toml` and `vocabulary.fst`.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn save(&self, directory: &Path) -> Result<(), DataError> {
        fs::create_dir_all(directory).map_err(DataError::io(directory))?;
        let file = EncoderFile {
            format: self.format.clone(),
            fields: self
                .fields
                .iter()
                .enumerate()
                .map(|(index, field)| FieldFile {
                    spec: field.spec.clone(),
                    fitted: field.fitted.clone(),
                    valid: self.valid_counts().map(|counts| counts[index]),
                })
                .collect(),
        };
        let path = directory.join(FIELDS_FILE);
        let text = toml::to_string(&file).map_err(|error| DataError::corrupt(&path, error))?;
        AtomicFile::write(&path, text.as_bytes())?;
        self.vocabulary.save(&directory.join(VOCABULARY_FILE))
    }

    /// A hash of everything that was fitted.
    pub(crate) fn fingerprint(&self) -> String {
        let fields = self.fields.iter().map(|field| (&field.spec, &field.fitted));
        let fields: Vec<_> = fields.collect();
        format!("{fields:?} {:016x}", self.vocabulary.fingerprint())
    }

    /// What a fit that continues from this encoder keeps of a field.
    pub(crate) fn known_field(&self, field: usize) -> KnownField {
        KnownField {
            fitted: self.fields[field].fitted.clone(),
            tokens: self.vocabulary.tokens(field),
        }
    }

    /// The fields, with what was fitted.
    pub(crate) fn fitted(&self) -> &[EncoderField] {
        &self.fields
    }

    /// The counts of each field's cells in the validation rows; `None` in encoders of older versions.
    pub(crate) fn valid_counts(&self) -> Option<&[CellCounts]> {
        self.valid_counts.as_deref()
    }

    pub(crate) fn set_valid_counts(&mut self, counts: Vec<CellCounts>) {
        self.valid_counts = Some(counts);
    }

    pub(crate) fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The fields.
    pub fn fields(&self) -> impl Iterator<Item = &FieldSpec> {
        self.fields.iter().map(|field| &field.spec)
    }

    /// How the rows are written.
    pub fn format(&self) -> &RowFormat {
        &self.format
    }

    /// The fields in the schema's order, as a model sees them. A [`Batch`](crate::shards::Batch) keeps their ids
    /// and their numbers apart, each in this order.
    pub fn layout(&self) -> Vec<FieldLayout> {
        let layout = |field: &EncoderField| FieldLayout {
            name: field.spec.name.clone(),
            shape: field.shape,
        };
        self.fields.iter().map(layout).collect()
    }

    /// How encoded rows are written.
    pub fn shard_layout(&self) -> ShardLayout {
        ShardLayout {
            label: self.format.label.clone(),
            grouped: self.format.group.is_some(),
            fields: self.layout(),
        }
    }

    /// What is seen before the first row.
    pub(crate) fn nothing_seen(&self) -> SeenBySplit {
        [(); 2].map(|()| vec![SeenCells::default(); self.fields.len()])
    }

    /// Encodes rows that the fit of this encoder read; `kinds` are their splits, whose cells are counted. Gives
    /// the rows that cannot be encoded, ascending, each with its first number that is not finite when scaled.
    ///
    /// # Panics
    ///
    /// If the encoder was not just fitted.
    pub(crate) fn encode_fitted(
        &self,
        columns: &mut Columns,
        kinds: &[SplitKind],
        seen: &mut SeenBySplit,
    ) -> Vec<Unscaled> {
        let rows = [SplitKind::Valid, SplitKind::Test].map(|kind| {
            let rows = (0..).zip(kinds).filter(|(_, of)| **of == kind);
            rows.map(|(row, _)| row).collect::<SplitRows>()
        });
        let [_, test] = &*seen;
        let encode = |(field, column): (usize, &mut Column)| {
            let mut counter = ColumnCounter::new(&rows);
            let has_tokens = self.fields[field].spec.encoding.has_tokens();
            let written = WrittenCells::of(column, &rows[1], has_tokens);
            let ids = self.vocabulary.ids_by_slot(field);
            let encoder = &self.fields[field].encoder;
            let refused = encoder.encode_column(column, ids, &mut counter);
            let unscaled = |(row, value)| Unscaled { row, field, value };
            let refused = refused.into_iter().map(unscaled).collect();
            let mut later = counter.counts().map(SeenCells::from);
            if let Some(written) = written {
                let known = &test[field].examples;
                later[1].examples = written.examples(&counter, &self.vocabulary, field, known);
            }
            (refused, later)
        };
        let fields = columns.fields.par_iter_mut().enumerate();
        let (refused, later): (Vec<Vec<_>>, Vec<_>) = fields.map(encode).unzip();
        for (field, later) in later.into_iter().enumerate() {
            for (seen, later) in seen.iter_mut().zip(later) {
                seen[field].merge(later);
            }
        }
        let mut refused = refused.concat();
        // The sort is stable: the first field of a row stays first.
        refused.sort_by_key(|unscaled| unscaled.row);
        refused.dedup_by_key(|unscaled| unscaled.row);
        refused
    }

    /// The error of a number that [`encode_fitted`](Self::encode_fitted) gave.
    pub(crate) fn unscaled(&self, unscaled: Unscaled, position: &Position) -> DataError {
        let Unscaled { field, value, .. } = unscaled;
        let field = &self.fields[field];
        let bad = field.encoder.refusal(value);
        let single = value as f32;
        let got = if f64::from(single) == value {
            format!("{single:?}")
        } else {
            format!("{value:?}")
        };
        cell_error(
            bad,
            position,
            &field.spec.column,
            Cell::Text(got.as_bytes()),
        )
    }
}
