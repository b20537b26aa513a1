use crate::encode::leaks::evidence::{Evidence, Having};
use crate::encode::leaks::presence::Presence;
use crate::encode::leaks::pure::PureCells;
use crate::encode::leaks::row_index::RowIndex;
use crate::encode::leaks::sample::{Row, SampledColumn};
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

    /// Looks for cells that clicks alone have.
    pub(super) fn find_presence(
        &mut self,
        values: &Values,
        column: &SampledColumn,
        sample_rows: &[Row],
    ) {
        let rows = sample_rows.len() as u64;
        let presence = Presence::of(values).map(|(rule, exceptions)| Evidence::Exactly {
            having: having(rule, column),
            rows,
            exceptions,
        });
        self.leak = self.leak.take().or(presence);
        let cells = PureCells::of(values);
        let elements = column.elements.as_ref();
        let element = elements.and_then(|elements| elements.pure(sample_rows));
        let most_rows = |(_, rows): &(_, u64)| cells.is_none_or(|(_, most)| *rows > most);
        self.pure_value = match (element.filter(most_rows), cells) {
            (Some((element, rows)), _) => Some(Evidence::PureElement { element, rows }),
            (None, Some((PureCells::Value(cell), rows))) => Some(Evidence::PureValue {
                value: column.text(cell),
                rows,
            }),
            (None, Some((PureCells::Ruled(rule), rows))) => Some(Evidence::Only {
                having: having(rule, column),
                rows,
            }),
            (None, None) => None,
        };
    }

    /// Looks for a column that ranks clicks above the other rows.
    pub(super) fn find_separation(&mut self, values: &Values) {
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
        let evidence = separates.then_some(Evidence::Separates { auc, bound });
        self.leak = self.leak.take().or(evidence);
    }
}

/// What the cells have that a rule holds for.
fn having(rule: Presence, column: &SampledColumn) -> Having {
    match rule {
        Presence::Present => Having::Value,
        Presence::NonZero => Having::NonZero,
        Presence::Besides(cell) => Having::Besides(column.text(cell)),
    }
}
