use std::collections::{HashMap, HashSet};

use csv::ByteRecord;

use crate::encoder::{
    Encoder, FittedField, fixed_id, log2_token, parse_label, parse_number, time_format, tokens,
};
use crate::error::DataError;
use crate::reader::{RowReader, column_index};
use crate::schema::{FieldEncoding, FieldSpec, RowFormat, Scaling};
use crate::split::mix;
use crate::time::TimeFormat;
use crate::vocabulary::Vocabulary;

/// Values that the quantiles of a field are read from at most; more rows are sampled.
const QUANTILE_SAMPLE: usize = 200_000;

/// An [`Encoder`] in the making: counts tokens and watches numbers, row by row.
///
/// Its memory grows with the distinct tokens, not with the rows.
#[derive(Debug)]
pub struct EncoderFit {
    format: RowFormat,
    fields: Vec<(FieldSpec, FieldFit)>,
    columns: Vec<usize>,
    label: usize,
    token: Vec<u8>,
    /// The row's numbers, read before anything is counted: a bad row counts nothing.
    numbers: Vec<f32>,
}

#[derive(Debug)]
enum FieldFit {
    Tokens(HashMap<Box<[u8]>, u64>),
    Quantile(Reservoir),
    Moments(Moments),
    Fixed(Option<TimeFormat>),
}

impl EncoderFit {
    /// A fit of the rows of `reader`.
    ///
    /// # Errors
    ///
    /// [`DataError::MissingColumn`] for the first field whose column the reader lacks.
    pub fn new(
        format: &RowFormat,
        fields: &[FieldSpec],
        reader: &dyn RowReader,
    ) -> Result<Self, DataError> {
        let columns = fields
            .iter()
            .map(|field| column_index(reader, &field.column))
            .collect::<Result<_, _>>()?;
        let fields = fields
            .iter()
            .enumerate()
            .map(|(i, field)| {
                let fit = match field.encoding {
                    FieldEncoding::Categorical { .. }
                    | FieldEncoding::MultiCategorical { .. }
                    | FieldEncoding::Log2 { .. } => FieldFit::Tokens(HashMap::new()),
                    FieldEncoding::Quantile { .. } => FieldFit::Quantile(Reservoir::new(i as u64)),
                    FieldEncoding::Value { .. } => FieldFit::Moments(Moments::default()),
                    FieldEncoding::Hashed { .. }
                    | FieldEncoding::Id { .. }
                    | FieldEncoding::Timestamp { .. } => {
                        FieldFit::Fixed(time_format(&field.encoding))
                    }
                };
                (field.clone(), fit)
            })
            .collect();
        Ok(Self {
            format: format.clone(),
            fields,
            columns,
            label: column_index(reader, &format.label)?,
            token: Vec::new(),
            numbers: Vec::new(),
        })
    }

    /// Counts a training row. Where it fails, nothing is counted.
    ///
    /// # Errors
    ///
    /// Where the label is not 0 or 1, or a cell is not what its field says.
    pub fn add(&mut self, row: &ByteRecord, reader: &dyn RowReader) -> Result<(), DataError> {
        parse_label(&row[self.label], &self.format, reader)?;
        self.numbers.clear();
        let cells = || self.columns.iter().map(|column| &row[*column]);
        for ((field, fit), cell) in self.fields.iter().zip(cells()) {
            if self.format.is_missing(cell) {
                continue;
            }
            match (fit, &field.encoding) {
                (FieldFit::Fixed(time), _) => {
                    fixed_id(field, time.as_ref(), cell, reader)?;
                }
                (_, FieldEncoding::Categorical { .. } | FieldEncoding::MultiCategorical { .. }) => {
                }
                _ => {
                    let number = parse_number(cell, &field.column, reader)?;
                    self.numbers.push(number);
                }
            }
        }
        let mut numbers = self.numbers.iter().copied();
        let mut number = || numbers.next().unwrap_or_default();
        for ((field, fit), cell) in self.fields.iter_mut().zip(cells()) {
            if self.format.is_missing(cell) {
                continue;
            }
            match fit {
                FieldFit::Tokens(counts) => match &field.encoding {
                    FieldEncoding::Log2 { .. } => {
                        log2_token(number(), &mut self.token);
                        count(counts, &self.token);
                    }
                    FieldEncoding::MultiCategorical { separator, .. } => {
                        tokens(cell, separator, &self.format)
                            .for_each(|token| count(counts, token));
                    }
                    _ => count(counts, cell),
                },
                FieldFit::Quantile(sample) => sample.add(number()),
                FieldFit::Moments(moments) => moments.add(f64::from(number())),
                FieldFit::Fixed(_) => {}
            }
        }
        Ok(())
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
    pub fn finish(self, base: Option<&Encoder>) -> Encoder {
        let mut vocabularies = Vec::with_capacity(self.fields.len());
        let mut fields = Vec::with_capacity(self.fields.len());
        if let Some(base) = base {
            assert!(
                base.fields().eq(self.fields.iter().map(|(field, _)| field)),
                "the base's fields are these"
            );
        }
        for (i, (spec, fit)) in self.fields.into_iter().enumerate() {
            let mut tokens = Vec::new();
            let fitted = match (fit, &spec.encoding) {
                (FieldFit::Tokens(counts), FieldEncoding::Categorical { min_count })
                | (FieldFit::Tokens(counts), FieldEncoding::MultiCategorical { min_count, .. })
                | (FieldFit::Tokens(counts), FieldEncoding::Log2 { min_count }) => {
                    let mut kept: Vec<(Box<[u8]>, u64)> = counts
                        .into_iter()
                        .filter(|(_, count)| *count >= *min_count)
                        .collect();
                    kept.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
                    tokens = kept.into_iter().map(|(token, _)| token).collect();
                    if let Some(base) = base {
                        let mut known = base.tokens(i);
                        let is_known: HashSet<&[u8]> = known.iter().map(Box::as_ref).collect();
                        tokens.retain(|token| !is_known.contains(token.as_ref()));
                        drop(is_known);
                        known.append(&mut tokens);
                        tokens = known;
                    }
                    FittedField::Tokens { len: tokens.len() }
                }
                (FieldFit::Quantile(sample), FieldEncoding::Quantile { buckets }) => {
                    FittedField::Quantile {
                        edges: sample.edges(*buckets as usize),
                    }
                }
                (FieldFit::Moments(moments), FieldEncoding::Value { scaling }) => {
                    moments.scaling(*scaling)
                }
                (FieldFit::Fixed(_), _) => FittedField::Fixed,
                (fit, encoding) => unreachable!("{encoding:?} is fitted as {fit:?}"),
            };
            let fitted = match (fitted, base) {
                (FittedField::Quantile { .. } | FittedField::Value { .. }, Some(base)) => {
                    base.fitted(i).clone()
                }
                (fitted, _) => fitted,
            };
            vocabularies.push(tokens);
            fields.push((spec, fitted));
        }
        Encoder::new(
            self.format,
            fields,
            Vocabulary::new(vocabularies, Encoder::FIRST_TOKEN),
        )
    }
}

fn count(counts: &mut HashMap<Box<[u8]>, u64>, token: &[u8]) {
    match counts.get_mut(token) {
        Some(count) => *count += 1,
        None => {
            counts.insert(token.into(), 1);
        }
    }
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
        FittedField::Value {
            shift: shift as f32,
            scale: scale as f32,
        }
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
