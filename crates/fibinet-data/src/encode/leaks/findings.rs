use crate::encode::leaks::evidence::Evidence;
use crate::encode::leaks::labelled::{Presence, PureValue};
use crate::encode::leaks::row_index::RowIndex;
use crate::encode::leaks::sample::SampledColumn;
use crate::encode::leaks::separation::Separation;
use crate::encode::leaks::values::Values;

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
    pub(super) fn find_row_index(&mut self, name: &str, values: &Values, num_rows: u64) {
        let index = RowIndex::of(name, values, num_rows);
        self.leak = index.map(|index| match index {
            RowIndex::Named => Evidence::PandasIndex,
            RowIndex::Step(step) => Evidence::RowNumber { step },
        });
    }

    /// Looks for leaks in a column of these values.
    pub(super) fn find_leaks(&mut self, values: &Values, column: &SampledColumn) {
        let mut separation = Separation::of_bins(&values.counts);
        if values.are_numbers() {
            let by_number = Separation::of_bins(&values.number_bins());
            if by_number.auc > separation.auc {
                separation = by_number;
            }
        }
        self.separation = Some(separation);
        let Separation { auc, bound } = separation;
        let separates = separation.is_perfect() || bound >= MIN_LEAK;
        let presence = || {
            Presence::of(values).map(|(rule, exceptions)| {
                let rows = column.cells.len() as u64;
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
        let pure = PureValue::of(values);
        self.pure_value = pure.map(|PureValue { cell, rows }| match cell {
            Some(cell) => Evidence::PureValue {
                value: column.text(cell),
                rows,
            },
            None => Evidence::PureAmounts { rows },
        });
    }
}
