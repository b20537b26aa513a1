use crate::encode::leaks::bins::Bins;
use crate::encode::leaks::evidence::Evidence;
use crate::encode::leaks::labelled::{Presence, PureValue};
use crate::encode::leaks::row_index::RowIndex;
use crate::encode::leaks::sample::{Cell, Sample, SampledColumn};
use crate::encode::leaks::separation::Separation;

/// The lower bound of an AUC that an honest column does not have.
const MIN_LEAK: f64 = 0.995;

/// What the sample shows of a column.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Why the model should not read it.
    pub(super) leak: Option<Evidence>,
    /// `None` if leaks were not looked for.
    pub(super) separation: Option<Separation>,
    /// A value that only clicks have.
    pub(super) pure_value: Option<Evidence>,
}

impl Findings {
    pub(super) fn find_row_index(&mut self, name: &str, column: &SampledColumn, num_rows: u64) {
        let index = RowIndex::of(name, &column.cells, num_rows);
        self.leak = index.map(|index| match index {
            RowIndex::Named => Evidence::PandasIndex,
            RowIndex::Step(step) => Evidence::RowNumber { step },
        });
    }

    pub(super) fn find_leaks(&mut self, column: &SampledColumn, sample: &Sample) {
        let cells = &column.cells;
        let (values, distinct) = Bins::of_values(cells);
        let mut separation = Separation::of_bins(&values, sample);
        if is_numeric(cells) {
            let numbers = Bins::of_numbers(cells, sample.rows());
            let by_number = Separation::of_bins(&numbers, sample);
            if by_number.auc > separation.auc {
                separation = by_number;
            }
        }
        self.separation = Some(separation);
        let Separation { auc, bound } = separation;
        let separates = separation.is_perfect() || bound >= MIN_LEAK;
        let presence = || {
            Presence::of(cells, sample).map(|(rule, exceptions)| {
                let rows = cells.len() as u64;
                match rule {
                    Presence::Present => Evidence::Present { rows, exceptions },
                    Presence::NonZero => Evidence::NonZero { rows, exceptions },
                }
            })
        };
        self.leak = self
            .leak
            .take()
            .or_else(presence)
            .or_else(|| separates.then_some(Evidence::Separates { auc, bound }));
        let pure = PureValue::of(&values, &distinct, sample);
        self.pure_value = pure.map(|PureValue { cell, rows }| Evidence::PureValue {
            value: column.text(cell),
            rows,
        });
    }
}

/// Whether at least half of the cells that are not missing are numbers.
fn is_numeric(cells: &[Cell]) -> bool {
    let present = cells.iter().filter(|cell| **cell != Cell::Missing).count();
    let numbers = cells.iter().filter(|cell| cell.value().is_some()).count();
    numbers > 0 && 2 * numbers >= present
}
