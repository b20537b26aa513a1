use rayon::prelude::*;

use crate::config::schema::{FieldEncoding, FieldSpec, RowFormat, Scaling};
use crate::encode::encoder::{
    Encoder, FittedField, fixed_id, group_hash, log2_token, parse_label, parse_number, time_format,
    tokens,
};
use crate::encode::spill::WaitingRows;
use crate::encode::token_table::TokenTable;
use crate::encode::vocabulary::Vocabulary;
use crate::error::DataError;
use crate::fields::time::TimeFormat;
use crate::formats::blocks::{Block, Row};
use crate::formats::reader::{RowReader, column_index};
use crate::mix::mix;
use crate::position::Position;
use crate::prepare::split::SplitKind;
use crate::shards::batch::IdLists;
use crate::shards::columns::{Column, Columns, retain};

/// Values that the quantiles of a field are read from at most; more rows are sampled.
const QUANTILE_SAMPLE: usize = 200_000;

/// An [`Encoder`] in the making: counts tokens and watches numbers, every field on its own.
///
/// Its memory grows with the distinct tokens of all rows, not with the rows.
#[derive(Debug)]
pub(crate) struct EncoderFit {
    format: RowFormat,
    fields: Vec<FieldFit>,
    label: usize,
    group: Option<usize>,
}

#[derive(Debug)]
struct FieldFit {
    spec: FieldSpec,
    column: usize,
    seen: Seen,
    /// Places of log2 tokens by their numbers, where these are small integers.
    log2_places: Vec<Option<u32>>,
}

/// What was seen of a field.
#[derive(Debug)]
enum Seen {
    Tokens(TokenTable),
    Quantile(Reservoir),
    Moments(Moments),
    Fixed(Option<TimeFormat>),
}

impl EncoderFit {
    /// A fit of the rows of `reader`.
    ///
    /// # Errors
    ///
    /// [`MissingColumn`](crate::DataErrorKind::MissingColumn) for the first column that the reader lacks, the fields', the label's
    /// and the group's.
    pub(crate) fn new(
        format: &RowFormat,
        fields: &[FieldSpec],
        reader: &dyn RowReader,
    ) -> Result<Self, DataError> {
        let field = |(i, spec): (usize, &FieldSpec)| -> Result<FieldFit, DataError> {
            let seen = match spec.encoding {
                FieldEncoding::Categorical { .. }
                | FieldEncoding::MultiCategorical { .. }
                | FieldEncoding::Log2 { .. } => Seen::Tokens(TokenTable::default()),
                FieldEncoding::Quantile { .. } => Seen::Quantile(Reservoir::new(i as u64)),
                FieldEncoding::Value { .. } => Seen::Moments(Moments::default()),
                FieldEncoding::Hashed { .. }
                | FieldEncoding::Id { .. }
                | FieldEncoding::Timestamp { .. } => Seen::Fixed(time_format(&spec.encoding)),
            };
            Ok(FieldFit {
                spec: spec.clone(),
                column: column_index(reader, &spec.column)?,
                seen,
                log2_places: vec![None; LOG2_PLACES],
            })
        };
        Ok(Self {
            format: format.clone(),
            fields: fields
                .iter()
                .enumerate()
                .map(field)
                .collect::<Result<_, _>>()?,
            label: column_index(reader, &format.label)?,
            group: match &format.group {
                Some(group) => Some(column_index(reader, group)?),
                None => None,
            },
        })
    }

    /// Reads rows, by their place in the block, and counts those of the training split. Gives them,
    /// and the numbers of those that it cannot read, ascending, with what is wrong first, the label or
    /// the first field. Of such a row nothing is counted.
    pub(crate) fn add(
        &mut self,
        block: &Block,
        rows: &[(usize, SplitKind)],
    ) -> (WaitingRows, Vec<(u64, DataError)>) {
        let Self {
            format,
            fields,
            label,
            group,
        } = self;
        let (rows, mut kinds): (Vec<Row<'_>>, Vec<SplitKind>) = rows
            .iter()
            .map(|(at, kind)| (block.row(*at), *kind))
            .unzip();
        let read_labels = || {
            let mut refused = Vec::new();
            let labels = rows.iter().enumerate().map(|(at, row)| {
                let label = parse_label(row.cell(*label), format, row.position());
                label.unwrap_or_else(|error| {
                    refused.push((at, error));
                    f32::NAN
                })
            });
            (labels.collect::<Vec<f32>>(), refused)
        };
        let read_fields = || {
            let read = fields.par_iter_mut().map(|field| field.read(&rows, format));
            read.unzip::<_, _, Vec<_>, Vec<_>>()
        };
        let ((mut labels, mut refused), (mut columns, by_field)) =
            rayon::join(read_labels, read_fields);
        refused.extend(by_field.into_iter().flatten());
        // Stable: of a row's faults the first stays first.
        refused.sort_by_key(|(at, _)| *at);
        refused.dedup_by_key(|(at, _)| *at);

        let mut numbers: Vec<u64> = rows.iter().map(|row| row.number()).collect();
        let groups = group.iter().flat_map(|group| {
            let cells = rows.iter().map(|row| row.cell(*group));
            cells.map(group_hash)
        });
        let mut groups: Vec<u64> = groups.collect();
        let refused = refused
            .into_iter()
            .map(|(at, error)| (at, (rows[at].number(), error)));
        let (refused, errors): (Vec<usize>, Vec<_>) = refused.unzip();
        if !refused.is_empty() {
            let mut kept = vec![true; rows.len()];
            refused.iter().for_each(|at| kept[*at] = false);
            retain(&mut numbers, &kept);
            retain(&mut kinds, &kept);
            retain(&mut labels, &kept);
            if group.is_some() {
                retain(&mut groups, &kept);
            }
            columns.iter_mut().for_each(|column| column.retain(&kept));
        }
        fields
            .par_iter_mut()
            .zip(&columns)
            .for_each(|(field, column)| field.count(column, &kinds));
        let rows = WaitingRows {
            numbers,
            kinds,
            columns: Columns {
                labels,
                groups,
                fields: columns,
            },
        };
        (rows, errors)
    }

    /// The encoder. Ids go by descending count (the rows met most lie together), equal counts by
    /// token.
    ///
    /// With a `base`, what that was fitted on stays as it is, buckets and scales too: its tokens keep
    /// their ids, and only tokens that it does not have come after them.
    ///
    /// # Panics
    ///
    /// If the base has other fields.
    pub(crate) fn finish(self, base: Option<&Encoder>) -> Encoder {
        if let Some(base) = base {
            assert!(
                base.fields()
                    .eq(self.fields.iter().map(|field| &field.spec)),
                "the base's fields are these"
            );
        }
        let finished = self.fields.into_par_iter().enumerate().map(|(i, field)| {
            let known = base.map_or_else(Vec::new, |base| base.tokens(i));
            let (fitted, tokens, table) = field.seen.finish(&field.spec.encoding, known);
            let fitted = match (fitted, base) {
                (FittedField::Quantile { .. } | FittedField::Value { .. }, Some(base)) => {
                    base.fitted(i).clone()
                }
                (fitted, _) => fitted,
            };
            ((field.spec, fitted), (tokens, table))
        });
        let (fields, vocabularies): (Vec<_>, Vec<_>) = finished.unzip();
        let (tokens, tables): (Vec<_>, Vec<_>) = vocabularies.into_iter().unzip();
        let vocabulary = Vocabulary::new(&tokens, Encoder::FIRST_TOKEN);
        Encoder::new(self.format, fields, vocabulary.with_tables(tables))
    }
}

impl FieldFit {
    /// The field's cells, and the rows whose cell is not what the field says, by their place among
    /// these. A token is there by its place, after the ids that are no token's.
    fn read(&mut self, rows: &[Row<'_>], format: &RowFormat) -> (Column, Vec<(usize, DataError)>) {
        let Self {
            spec,
            column,
            seen,
            log2_places,
        } = self;
        let mut refused = Vec::new();
        let cells = || {
            let cells = rows.iter().map(|row| (row.cell(*column), row.position()));
            cells.enumerate()
        };
        let number = |(at, (cell, position)): (usize, (&[u8], &Position))| {
            if format.is_missing(cell) {
                return f32::NAN;
            }
            parse_number(cell, &spec.column, position).unwrap_or_else(|error| {
                refused.push((at, error));
                f32::NAN
            })
        };
        let column = match (seen, &spec.encoding) {
            (Seen::Tokens(table), FieldEncoding::Log2 { .. }) => {
                let id = |number: f32| match number.is_nan() {
                    true => Encoder::MISSING,
                    false => Encoder::FIRST_TOKEN + log2_place(number, table, log2_places),
                };
                Column::Ids(cells().map(number).map(id).collect())
            }
            (Seen::Tokens(table), FieldEncoding::MultiCategorical { separator, .. }) => {
                let mut lists = IdLists::default();
                for (_, (cell, _)) in cells() {
                    let start = lists.ids.len();
                    let tokens = tokens(cell, separator, format);
                    let ids = tokens.map(|token| Encoder::FIRST_TOKEN + table.place(token));
                    lists.ids.extend(ids);
                    if lists.ids.len() == start {
                        lists.ids.push(Encoder::MISSING);
                    }
                    lists.ends.push(lists.ids.len());
                }
                Column::Lists(lists)
            }
            (Seen::Tokens(table), _) => {
                let mut ids = vec![Encoder::MISSING; rows.len()];
                let tokens = cells().map(|(at, (cell, _))| (at, cell));
                let tokens = tokens.filter(|(_, cell)| !format.is_missing(cell));
                table.places(tokens, |at, place| ids[at] = Encoder::FIRST_TOKEN + place);
                Column::Ids(ids)
            }
            (Seen::Quantile(_) | Seen::Moments(_), _) => {
                Column::Numbers(cells().map(number).collect())
            }
            (Seen::Fixed(time), _) => {
                let id = |(at, (cell, position)): (usize, (&[u8], &Position))| {
                    if format.is_missing(cell) {
                        return Encoder::MISSING;
                    }
                    let id = fixed_id(spec, time.as_ref(), cell, position);
                    let id = id.unwrap_or_else(|error| {
                        refused.push((at, error));
                        0
                    });
                    Encoder::FIRST_TOKEN + id
                };
                Column::Ids(cells().map(id).collect())
            }
        };
        (column, refused)
    }

    /// Counts the cells of training rows that [`read`](Self::read) gave.
    fn count(&mut self, column: &Column, kinds: &[SplitKind]) {
        let is_train = |kind: &SplitKind| *kind == SplitKind::Train;
        match (&mut self.seen, column) {
            (Seen::Tokens(table), Column::Ids(ids)) => {
                let counts = table.numbers_mut();
                let ids = ids.iter().zip(kinds).filter(|(_, kind)| is_train(kind));
                for place in ids.filter_map(|(id, _)| id.checked_sub(Encoder::FIRST_TOKEN)) {
                    counts[place as usize] += 1;
                }
            }
            (Seen::Tokens(table), Column::Lists(lists)) => {
                let counts = table.numbers_mut();
                let rows = (0..kinds.len()).filter(|row| is_train(&kinds[*row]));
                let ids = rows.flat_map(|row| lists.row(row));
                for place in ids.filter_map(|id| id.checked_sub(Encoder::FIRST_TOKEN)) {
                    counts[place as usize] += 1;
                }
            }
            (seen, Column::Numbers(numbers)) => {
                let rows = numbers.iter().zip(kinds);
                let numbers = rows.filter(|(number, kind)| is_train(kind) && !number.is_nan());
                for (number, _) in numbers {
                    match seen {
                        Seen::Quantile(sample) => sample.add(*number),
                        Seen::Moments(moments) => moments.add(f64::from(*number)),
                        Seen::Tokens(_) | Seen::Fixed(_) => {}
                    }
                }
            }
            _ => {}
        }
    }
}

/// Small integers whose log2 tokens are found without writing them.
const LOG2_PLACES: usize = 1 << 12;

/// The place of a number's log2 token.
fn log2_place(number: f32, table: &mut TokenTable, places: &mut [Option<u32>]) -> u32 {
    let mut place = || {
        let mut token = Vec::new();
        log2_token(number, &mut token);
        table.place(&token)
    };
    // From -16 on.
    let index = (number as i32).saturating_add(16);
    match usize::try_from(index)
        .ok()
        .and_then(|index| places.get_mut(index))
    {
        Some(known) if number == number as i32 as f32 => *known.get_or_insert_with(place),
        _ => place(),
    }
}

impl Seen {
    /// What the field comes to, its tokens by id, and a table of these ids. `known` tokens come first
    /// and have their ids, whatever was seen of them.
    fn finish(
        self,
        encoding: &FieldEncoding,
        known: Vec<Box<[u8]>>,
    ) -> (FittedField, Vec<Box<[u8]>>, TokenTable) {
        let fitted = match (self, encoding) {
            (
                Self::Tokens(table),
                FieldEncoding::Categorical { min_count }
                | FieldEncoding::MultiCategorical { min_count, .. }
                | FieldEncoding::Log2 { min_count },
            ) => return finish_tokens(table, *min_count, known),
            (Self::Quantile(sample), FieldEncoding::Quantile { buckets }) => {
                FittedField::Quantile {
                    edges: sample.edges(*buckets as usize),
                }
            }
            (Self::Moments(moments), FieldEncoding::Value { scaling }) => moments.scaling(*scaling),
            (Self::Fixed(_), _) => FittedField::Fixed,
            (seen, encoding) => unreachable!("{encoding:?} is fitted as {seen:?}"),
        };
        (fitted, Vec::new(), TokenTable::default())
    }
}

fn finish_tokens(
    mut table: TokenTable,
    min_count: u64,
    known: Vec<Box<[u8]>>,
) -> (FittedField, Vec<Box<[u8]>>, TokenTable) {
    // Known ones are not counted as new.
    known.iter().for_each(|token| *table.number_mut(token) = 0);
    let counts = table.iter();
    let mut new: Vec<(&[u8], u64)> = counts
        .filter(|(_, count)| *count >= min_count.max(1))
        .collect();
    new.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let mut tokens = known;
    tokens.extend(new.into_iter().map(|(token, _)| token.into()));
    table.numbers_mut().fill(0);
    for (token, id) in tokens.iter().zip(u64::from(Encoder::FIRST_TOKEN)..) {
        *table.number_mut(token) = id;
    }
    (FittedField::Tokens { len: tokens.len() }, tokens, table)
}

/// A uniform sample of a stream of unknown length (Vitter's algorithm R), with draws that depend on
/// the field and the value's number alone.
#[derive(Debug)]
struct Reservoir {
    seed: u64,
    seen: u64,
    values: Vec<f32>,
}

impl Reservoir {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            seen: 0,
            values: Vec::new(),
        }
    }

    fn add(&mut self, value: f32) {
        if self.values.len() < QUANTILE_SAMPLE {
            self.values.push(value);
        } else {
            let place = mix(self.seed, self.seen) % (self.seen + 1);
            if let Some(kept) = self.values.get_mut(place as usize) {
                *kept = value;
            }
        }
        self.seen += 1;
    }

    /// Ascending, distinct upper edges: bucket `i` holds values up to `edges[i]`, the last the rest.
    fn edges(mut self, buckets: usize) -> Vec<f32> {
        self.values.sort_unstable_by(f32::total_cmp);
        let len = self.values.len();
        let mut edges: Vec<f32> = (1..buckets)
            .filter_map(|i| self.values.get((len * i / buckets).checked_sub(1)?))
            .copied()
            .collect();
        edges.dedup();
        // An edge at the maximum would leave the last bucket without a value.
        if edges.last() == self.values.last() {
            edges.pop();
        }
        edges
    }
}

/// Mean, variance (Welford) and range.
#[derive(Debug)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
    min: f64,
    max: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Self {
            count: 0.0,
            mean: 0.0,
            squares: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    fn scaling(&self, scaling: Scaling) -> FittedField {
        let (shift, width) = match scaling {
            _ if self.count == 0.0 => (0.0, 1.0),
            Scaling::None => (0.0, 1.0),
            Scaling::Standard => (self.mean, (self.squares / self.count).sqrt()),
            Scaling::MinMax => (self.min, self.max - self.min),
        };
        // A constant column carries nothing: its values become 0.
        let scale = if width > 0.0 { 1.0 / width } else { 0.0 };
        FittedField::Value { shift, scale }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(values: &[f32], buckets: usize) -> Vec<f32> {
        let mut reservoir = Reservoir::new(0);
        values.iter().for_each(|&value| reservoir.add(value));
        reservoir.edges(buckets)
    }

    #[test]
    fn edges_cut_equal_shares_and_never_leave_a_bucket_empty() {
        assert_eq!(edges(&[4.0, 1.0, 3.0, 2.0], 2), [2.0]);
        assert_eq!(
            edges(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], 4),
            [2.0, 4.0, 6.0]
        );
        // Most values equal: one edge below them, or none.
        assert_eq!(edges(&[0.0, 0.0, 0.0, 9.0], 4), [0.0]);
        assert_eq!(edges(&[5.0; 10], 4), [] as [f32; 0]);
        assert_eq!(edges(&[], 4), [] as [f32; 0]);
        assert_eq!(edges(&[7.0], 4), [] as [f32; 0]);
    }

    #[test]
    fn a_sample_of_a_long_stream_keeps_its_quantiles() {
        let mut reservoir = Reservoir::new(1);
        (0..1_000_000_u32).for_each(|i| reservoir.add(i as f32));
        assert_eq!(reservoir.values.len(), QUANTILE_SAMPLE);
        let edges = reservoir.edges(4);
        for (edge, expected) in edges.iter().zip([250_000.0, 500_000.0, 750_000.0]) {
            assert!((edge - expected).abs() < 5_000.0, "{edges:?}");
        }
    }

    #[test]
    fn scalings_are_those_worked_by_hand() {
        let fitted = |values: &[f64], scaling| {
            let mut moments = Moments::default();
            values.iter().for_each(|&value| moments.add(value));
            match moments.scaling(scaling) {
                FittedField::Value { shift, scale } => (shift, scale),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(fitted(&[1.0, 3.0], Scaling::Standard), (2.0, 1.0));
        assert_eq!(fitted(&[1.0, 5.0], Scaling::MinMax), (1.0, 0.25));
        assert_eq!(fitted(&[1.0, 5.0], Scaling::None), (0.0, 1.0));
        assert_eq!(fitted(&[4.0, 4.0], Scaling::Standard), (4.0, 0.0));
        assert_eq!(fitted(&[], Scaling::MinMax), (0.0, 1.0));
    }
}
