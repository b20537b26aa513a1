use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::fields::cells::{BadCell, CellReader, RowValues, TokenIds, read_each};
use crate::fields::column_counter::ColumnCounter;
use crate::fields::kind::{CellEncoder, FieldFit, FieldKind, FittedField, Setting};
use crate::fields::number::{NumberFit, Precision, Summary, unscaled};
use crate::fields::number_format::NumberFormat;
use crate::fields::number_range::{NumberRange, unusual_number};
use crate::schema_error::FieldError;
use crate::shards::columns::Column;
use crate::shards::layout::FieldShape;

/// `kind = "numeric"`, `encoding = "value"`: a number is used as it is, scaled. A number beyond those of
/// the training rows is clamped to the nearest of them. Numbers are `f64` until they are scaled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    /// How it is scaled.
    #[serde(default)]
    pub scaling: Scaling,
    /// How the numbers are written.
    #[serde(flatten)]
    pub format: NumberFormat,
}

impl Value {
    /// Numbers with a point before their fraction.
    pub fn new(scaling: Scaling) -> Self {
        Self {
            scaling,
            format: NumberFormat::default(),
        }
    }
}

/// How a numeric value is scaled, by the training rows. A missing value becomes 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// `(v - mean) / standard deviation`
    #[default]
    Standard,
    /// `(v - min) / (max - min)`
    MinMax,
    /// `v`
    None,
}

impl FieldKind for Value {
    const KIND: &'static str = "numeric";
    const ENCODING: Option<&'static str> = Some("value");
    const SETTINGS: &'static [Setting] = &[
        Setting::optional("scaling"),
        Setting::optional("decimal"),
        Setting::optional("thousands"),
        Setting::optional("unit"),
    ];
    const IS_NUMBER: bool = true;
    const FIELDS: &'static str = "numeric fields with `encoding = \"value\"`";

    fn validate(&self) -> Result<(), FieldError> {
        self.format.validate()
    }

    fn fit(&self, _field: usize) -> Box<dyn FieldFit> {
        Box::new(NumberFit::new(&self.format, Moments::new(self.scaling)))
    }

    fn encoder(&self, fitted: &FittedField) -> Option<Box<dyn CellEncoder>> {
        let (shift, scale, range) = match *fitted {
            FittedField::Value { shift, scale } => (shift, scale, None),
            FittedField::Scaled {
                shift,
                scale,
                range,
            } => (shift, scale, Some(range)),
            _ => return None,
        };
        let is_valid = shift.is_finite() && scale.is_finite();
        (is_valid && range.is_none_or(NumberRange::is_valid)).then(|| -> Box<dyn CellEncoder> {
            Box::new(Scaled {
                format: self.format.clone(),
                shift,
                scale,
                range,
            })
        })
    }
}

/// Mean and variance (Welford), the mean as an offset from the first number: large numbers would lose its
/// digits.
#[derive(Debug)]
struct Moments {
    scaling: Scaling,
    first: f64,
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn new(scaling: Scaling) -> Self {
        Self {
            scaling,
            first: 0.0,
            count: 0.0,
            mean: 0.0,
            squares: 0.0,
        }
    }

    /// Shift and scale.
    fn scaling(&self, range: NumberRange) -> (f64, f64) {
        let (shift, width) = match self.scaling {
            _ if self.count == 0.0 => (0.0, 1.0),
            Scaling::None => (0.0, 1.0),
            Scaling::Standard => (self.first + self.mean, (self.squares / self.count).sqrt()),
            Scaling::MinMax => (range.min, range.max - range.min),
        };
        let scale = 1.0 / width;
        if shift.is_finite() && scale.is_finite() {
            (shift, scale)
        } else {
            // A constant column carries nothing: its values become 0. So do those of one as narrow as the
            // smallest numbers, or as wide as the largest.
            (self.first, 0.0)
        }
    }
}

impl Summary for Moments {
    fn add(&mut self, number: f64) {
        if self.count == 0.0 {
            self.first = number;
        }
        let offset = number - self.first;
        self.count += 1.0;
        let delta = offset - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (offset - self.mean);
    }

    fn finish(self, range: NumberRange) -> FittedField {
        let (shift, scale) = self.scaling(range);
        FittedField::Scaled {
            shift,
            scale,
            range,
        }
    }
}

/// Encodes numbers by scaling them.
#[derive(Debug)]
struct Scaled {
    format: NumberFormat,
    shift: f64,
    scale: f64,
    /// `None` for a fit of an earlier version.
    range: Option<NumberRange>,
}

impl Scaled {
    /// A number scaled, 0 for NaN, which is missing. `None` if it is not a finite `f32`.
    fn scaled(&self, number: f64) -> Option<f32> {
        if number.is_nan() {
            return Some(0.0);
        }
        let number = match self.range {
            Some(range) => range.clamp(number),
            None => number,
        };
        let scaled = ((number - self.shift) * self.scale) as f32;
        Some(scaled).filter(|scaled| scaled.is_finite())
    }
}

impl CellEncoder for Scaled {
    fn shape(&self) -> FieldShape {
        FieldShape::Number
    }

    fn encode(
        &self,
        cell: Cell<'_>,
        reader: &mut CellReader<'_>,
        _tokens: &mut dyn TokenIds,
        values: &mut RowValues<'_>,
    ) -> Result<(), BadCell> {
        let number = Precision::of(self.range).read(cell, reader, &self.format)?;
        if let Some(unusual) = unusual_number(number, self.range) {
            values.note(unusual);
        }
        let scaled = self.scaled(number).ok_or_else(|| self.refusal(number))?;
        values.numbers.push(scaled);
        Ok(())
    }

    fn encode_column(
        &self,
        column: &mut Column,
        _ids: &[u64],
        counter: &mut ColumnCounter<'_>,
    ) -> Vec<(usize, f64)> {
        let numbers = unscaled(column);
        counter.count_numbers(numbers, self.range);
        let (scaled, refused) =
            read_each(numbers, 0.0, |number| self.scaled(*number).ok_or(*number));
        *column = Column::Numbers(scaled);
        refused
    }

    fn refusal(&self, _number: f64) -> BadCell {
        let Self { shift, scale, .. } = self;
        BadCell::Rule(format!("(v - {shift}) * {scale} must be a finite number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::number::fitted;

    #[test]
    fn scalings_are_those_worked_by_hand() {
        let fitted = |values: &[f64], scaling| match fitted(Moments::new(scaling), values) {
            FittedField::Scaled { shift, scale, .. } => (shift, scale),
            other => panic!("{other:?} is not scaled"),
        };
        assert_eq!(fitted(&[1.0, 3.0], Scaling::Standard), (2.0, 1.0));
        assert_eq!(fitted(&[1.0, 5.0], Scaling::MinMax), (1.0, 0.25));
        assert_eq!(fitted(&[1.0, 5.0], Scaling::None), (0.0, 1.0));
        assert_eq!(fitted(&[4.0, 4.0], Scaling::Standard), (4.0, 0.0));
        assert_eq!(fitted(&[], Scaling::MinMax), (0.0, 1.0));
    }

    fn scaled(fitted: &FittedField, numbers: &[f64]) -> (Vec<f32>, Vec<(usize, f64)>) {
        let encoder = Value::new(Scaling::Standard).encoder(fitted).unwrap();
        let mut column = Column::Unscaled(numbers.to_vec());
        let refused = encoder.encode_column(
            &mut column,
            &[],
            &mut ColumnCounter::new(&Default::default()),
        );
        match column {
            Column::Numbers(numbers) => (numbers, refused),
            other => panic!("{other:?} are not scaled"),
        }
    }

    #[test]
    fn numbers_are_centred_before_they_lose_digits() {
        // Seconds, and microseconds of the same minute.
        for (first, step) in [(1e9, 1.0), (1.7e15, 1e6)] {
            let numbers = (0..6000).map(|i| first + step * f64::from(i % 60));
            let numbers: Vec<f64> = numbers.collect();
            let (scaled, _) = scaled(&fitted(Moments::new(Scaling::Standard), &numbers), &numbers);
            let mean = |power| {
                let powers = scaled.iter().map(|number| f64::from(*number).powi(power));
                powers.sum::<f64>() / 6000.0
            };
            assert!(mean(1).abs() < 1e-6, "{first}: mean {}", mean(1));
            assert!(
                (mean(2) - 1.0).abs() < 1e-6,
                "{first}: variance {}",
                mean(2)
            );
        }
    }

    #[test]
    fn numbers_beyond_those_of_the_training_rows_are_clamped() {
        for (scaling, min, max) in [
            (Scaling::Standard, -1.0, 1.0),
            (Scaling::MinMax, 0.0, 1.0),
            (Scaling::None, 1.0, 5.0),
        ] {
            let fitted = fitted(Moments::new(scaling), &[1.0, 5.0]);
            let (scaled, refused) = scaled(&fitted, &[-1e300, 0.0, 1.0, 5.0, 6.0, f64::MAX]);
            assert_eq!(scaled, [min, min, min, max, max, max]);
            assert_eq!(refused, []);
        }
        let constant = fitted(Moments::new(Scaling::Standard), &[7.0, 7.0]);
        assert_eq!(scaled(&constant, &[7.0, 8.0, -1e300]).0, [0.0; 3]);
    }

    #[test]
    fn a_fit_of_extreme_numbers_has_an_encoder() {
        for numbers in [[f64::MAX, f64::MIN], [0.0, 1e-310], [1e200, -3.0]] {
            for scaling in [Scaling::Standard, Scaling::MinMax, Scaling::None] {
                let fitted = fitted(Moments::new(scaling), &numbers);
                assert!(Value::new(scaling).encoder(&fitted).is_some(), "{fitted:?}");
            }
        }
    }

    #[test]
    fn fits_of_earlier_versions_are_not_clamped() {
        let (shift, scale) = (10.0, 0.5);
        let earlier = FittedField::Value { shift, scale };
        let (scaled, refused) = scaled(&earlier, &[1e9, 10.0, f64::NAN, f64::INFINITY]);
        assert_eq!(scaled[..3], [499_999_995.0, 0.0, 0.0]);
        assert_eq!(refused, [(3, f64::INFINITY)]);
    }
}
