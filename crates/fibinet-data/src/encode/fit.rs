use rayon::prelude::*;

use crate::cell::Cell;
use crate::config::RowFormat;
use crate::config::split::SplitKind;
use crate::encode::cells::{cell_error, field_reader, group_hash, parse_label};
use crate::encode::encoder::Encoder;
use crate::encode::spill::WaitingRows;
use crate::encode::vocabulary::Vocabulary;
use crate::error::DataError;
use crate::fields::FieldSpec;
use crate::fields::cells::{CellReader, read_each};
use crate::fields::kind::FieldFit;
use crate::fields::token_text::TokenText;
use crate::formats::blocks::{Block, Row};
use crate::formats::reader::{RowReader, column_index};
use crate::shards::columns::{Column, Columns, retain};

/// An [`Encoder`] that is being fitted, each field on its own.
///
/// Its memory grows with the distinct tokens of all rows, not with the rows.
#[derive(Debug)]
pub(crate) struct EncoderFit<'a> {
    format: RowFormat,
    fields: Vec<FittingField>,
    label: usize,
    group: Option<usize>,
    base: Option<&'a Encoder>,
}

#[derive(Debug)]
struct FittingField {
    spec: FieldSpec,
    column: usize,
    /// How the tokens of the base are written.
    text: Option<TokenText>,
    fit: Box<dyn FieldFit>,
}

/// Rows that cannot be read, by their index, with what is wrong.
type Refused = Vec<(usize, DataError)>;

impl<'a> EncoderFit<'a> {
    /// A fit of the rows of `reader`.
    ///
    /// A fit with a `base` continues from it: what the base was fitted on stays as it is, its tokens keep
    /// their ids, and new tokens come after them.
    ///
    /// # Panics
    ///
    /// If the base has other fields.
    ///
    /// # Errors
    ///
    /// [`MissingColumn`](crate::DataErrorKind::MissingColumn) for the first column of the fields, the
    /// label and the group that the reader lacks.
    pub(crate) fn new(
        format: &RowFormat,
        fields: &[FieldSpec],
        base: Option<&'a Encoder>,
        reader: &dyn RowReader,
    ) -> Result<Self, DataError> {
        if let Some(base) = base {
            assert!(base.fields().eq(fields), "a base must have the same fields");
        }
        let field = |(index, spec): (usize, &FieldSpec)| {
            let mut fit = spec.encoding.fit(index);
            let base = base.map(|base| &base.fitted()[index].fitted);
            if let Some(base) = base {
                fit.start_from(base);
            }
            Ok(FittingField {
                spec: spec.clone(),
                column: column_index(reader, &spec.column)?,
                text: base.map(|base| base.token_text()),
                fit,
            })
        };
        let fields = fields.iter().enumerate().map(field);
        let group = format.group.as_ref();
        Ok(Self {
            format: format.clone(),
            fields: fields.collect::<Result<_, DataError>>()?,
            label: column_index(reader, &format.label)?,
            group: group.map(|group| column_index(reader, group)).transpose()?,
            base,
        })
    }

    /// Reads rows, by their index in the block, and counts those of the training split. Returns them, and
    /// the numbers of those that cannot be read, ascending, with what is wrong first: the label or the
    /// first field. Nothing of such a row is counted.
    pub(crate) fn add(
        &mut self,
        block: &Block,
        rows: &[(usize, SplitKind)],
    ) -> (WaitingRows, Vec<(u64, DataError)>) {
        let (rows, mut kinds): (Vec<Row<'_>>, Vec<SplitKind>) = rows
            .iter()
            .map(|(at, kind)| (block.row(*at), *kind))
            .unzip();
        let (mut columns, refused) = self.read(block, &rows, &kinds);
        let mut numbers: Vec<u64> = rows.iter().map(|row| row.number()).collect();
        if !refused.is_empty() {
            let mut kept = vec![true; rows.len()];
            refused.iter().for_each(|(at, _)| kept[*at] = false);
            retain(&mut numbers, &kept);
            retain(&mut kinds, &kept);
            retain(&mut columns.labels, &kept);
            if self.group.is_some() {
                retain(&mut columns.groups, &kept);
            }
            let fields = columns.fields.iter_mut();
            fields.for_each(|column| column.retain(&kept));
        }
        let is_train: Vec<bool> = kinds.iter().map(|kind| *kind == SplitKind::Train).collect();
        self.fields
            .par_iter_mut()
            .zip(&columns.fields)
            .for_each(|(field, column)| field.fit.count(column, &is_train));
        let errors = refused.into_iter();
        let errors = errors
            .map(|(at, error)| (rows[at].number(), error))
            .collect();
        let waiting = WaitingRows {
            numbers,
            kinds,
            columns,
        };
        (waiting, errors)
    }

    /// Reads rows. Those that cannot be read have placeholders in the columns.
    fn read(&mut self, block: &Block, rows: &[Row<'_>], kinds: &[SplitKind]) -> (Columns, Refused) {
        let Self {
            format,
            fields,
            label,
            group,
            ..
        } = self;
        let read_labels = || {
            let mut reader = CellReader::new(&format.missing);
            read_each(rows, f32::NAN, |row| {
                parse_label(row.cell(*label), &mut reader, format, row.position())
            })
        };
        let read_fields = || {
            let fields = fields.par_iter_mut();
            let read = fields.map(|field| field.read(block, rows, kinds, format));
            read.unzip::<_, _, Vec<_>, Vec<_>>()
        };
        let ((labels, mut refused), (fields, by_field)) = rayon::join(read_labels, read_fields);
        refused.extend(by_field.into_iter().flatten());
        // The sort is stable: the first fault of a row stays first.
        refused.sort_by_key(|(at, _)| *at);
        refused.dedup_by_key(|(at, _)| *at);
        let mut reader = CellReader::new(&format.missing);
        let group = |row: &Row<'_>| Some(group_hash(row.cell((*group)?), &mut reader));
        let columns = Columns {
            labels,
            groups: rows.iter().filter_map(group).collect(),
            fields,
        };
        (columns, refused)
    }

    /// The encoder.
    pub(crate) fn finish(self) -> Encoder {
        let base = self.base;
        let format = &self.format;
        let finished = self.fields.into_par_iter().enumerate().map(|(i, field)| {
            let reader = field_reader(format, &field.spec, field.text);
            let base = base.map(|base| base.known_field(i));
            let finished = field.fit.finish(&reader, base);
            let vocabulary = (finished.tokens, finished.table);
            ((field.spec, finished.fitted), vocabulary)
        });
        let (fields, vocabularies): (Vec<_>, Vec<_>) = finished.unzip();
        let (tokens, tables): (Vec<_>, Vec<_>) = vocabularies.into_iter().unzip();
        let vocabulary = Vocabulary::new(&tokens, Encoder::FIRST_TOKEN);
        Encoder::new(self.format, fields, vocabulary.with_tables(tables))
    }
}

impl FittingField {
    fn read(
        &mut self,
        block: &Block,
        rows: &[Row<'_>],
        kinds: &[SplitKind],
        format: &RowFormat,
    ) -> (Column, Refused) {
        let cells = block.cells(self.column, rows);
        let mut reader = field_reader(format, &self.spec, self.text);
        let (column, bad) = self.fit.read(&cells, &mut reader);
        if self.fit.needs_look() {
            let rows = cells.iter().zip(kinds);
            let train = rows.filter(|(_, kind)| **kind == SplitKind::Train);
            let train: Vec<Cell<'_>> = train.map(|(cell, _)| *cell).collect();
            self.fit.look(&train, &mut reader);
        }
        let error = |(at, bad): (usize, _)| {
            let position = rows[at].position();
            (at, cell_error(bad, position, &self.spec.column, cells[at]))
        };
        (column, bad.into_iter().map(error).collect())
    }
}
