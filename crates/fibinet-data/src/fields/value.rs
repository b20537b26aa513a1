use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::fields::cell_counts::Unusual;
use crate::fields::cells::{BadCell, CellReader, RowValues, TokenIds};
use crate::fields::column_counter::ColumnCounter;
use crate::fields::kind::{CellEncoder, FieldFit, FieldKind, FittedField, Setting};
use crate::fields::number::{NumberFit, Summary};
use crate::fields::number_format::NumberFormat;
use crate::schema_error::FieldError;
use crate::shards::columns::Column;
use crate::shards::layout::FieldShape;

/// `kind = "numeric"`, `encoding = "value"`: a number is used as it is, scaled.
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
        Box::new(NumberFit {
            format: self.format.clone(),
            summary: Moments::new(self.scaling),
        })
    }

    fn encoder(&self, fitted: &FittedField) -> Option<Box<dyn CellEncoder>> {
        match *fitted {
            FittedField::Value { shift, scale } if shift.is_finite() && scale.is_finite() => {
                let format = self.format.clone();
                Some(Box::new(Scaled {
                    format,
                    shift,
                    scale,
                }))
            }
            _ => None,
        }
    }
}

/// Mean, variance (Welford) and range.
#[derive(Debug)]
struct Moments {
    scaling: Scaling,
    count: f64,
    mean: f64,
    squares: f64,
    min: f64,
    max: f64,
}

impl Moments {
    fn new(scaling: Scaling) -> Self {
        Self {
            scaling,
            count: 0.0,
            mean: 0.0,
            squares: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }

    /// Shift and scale.
    fn scaling(&self) -> (f64, f64) {
        let (shift, width) = match self.scaling {
            _ if self.count == 0.0 => (0.0, 1.0),
            Scaling::None => (0.0, 1.0),
            Scaling::Standard => (self.mean, (self.squares / self.count).sqrt()),
            Scaling::MinMax => (self.min, self.max - self.min),
        };
        // A constant column carries nothing: its values become 0.
        let scale = if width > 0.0 { 1.0 / width } else { 0.0 };
        (shift, scale)
    }
}

impl Summary for Moments {
    fn add(&mut self, number: f32) {
        let number = f64::from(number);
        self.count += 1.0;
        let delta = number - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (number - self.mean);
        self.min = self.min.min(number);
        self.max = self.max.max(number);
    }

    fn finish(self) -> FittedField {
        let (shift, scale) = self.scaling();
        FittedField::Value { shift, scale }
    }
}

/// Encodes numbers by scaling them.
#[derive(Debug)]
struct Scaled {
    format: NumberFormat,
    shift: f64,
    scale: f64,
}

impl Scaled {
    /// A number scaled, 0 for NaN, which is missing. `None` if it is not finite any more.
    fn scaled(&self, number: f32) -> Option<f32> {
        if number.is_nan() {
            return Some(0.0);
        }
        let scaled = ((f64::from(number) - self.shift) * self.scale) as f32;
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
        let number = reader.number(cell, &self.format)?;
        if number.is_nan() {
            values.note(Unusual::Missing);
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
    ) -> Vec<(usize, f32)> {
        let Column::Numbers(numbers) = column else {
            unreachable!("numbers are read as numbers, not as {column:?}");
        };
        counter.count_numbers(numbers);
        let mut refused = Vec::new();
        for (row, number) in numbers.iter_mut().enumerate() {
            match self.scaled(*number) {
                Some(scaled) => *number = scaled,
                None => refused.push((row, *number)),
            }
        }
        refused
    }

    fn refusal(&self, _number: f32) -> BadCell {
        let Self { shift, scale, .. } = self;
        BadCell::Rule(format!("(v - {shift}) * {scale} must be a finite number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalings_are_those_worked_by_hand() {
        let fitted = |values: &[f32], scaling| {
            let mut moments = Moments::new(scaling);
            values.iter().for_each(|&value| moments.add(value));
            moments.scaling()
        };
        assert_eq!(fitted(&[1.0, 3.0], Scaling::Standard), (2.0, 1.0));
        assert_eq!(fitted(&[1.0, 5.0], Scaling::MinMax), (1.0, 0.25));
        assert_eq!(fitted(&[1.0, 5.0], Scaling::None), (0.0, 1.0));
        assert_eq!(fitted(&[4.0, 4.0], Scaling::Standard), (4.0, 0.0));
        assert_eq!(fitted(&[], Scaling::MinMax), (0.0, 1.0));
    }
}
