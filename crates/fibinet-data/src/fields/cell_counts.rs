use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a model does not see in a cell as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unusual {
    /// Training had no such value, or too few.
    Unknown,
    /// It has no value.
    Missing,
    /// Its number is beyond those of the training rows.
    OutOfRange,
    /// It was written in another way than the field's tokens are, such as `17.0` instead of `17`.
    Rewritten,
}

impl Unusual {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Unknown,
        Self::Missing,
        Self::OutOfRange,
        Self::Rewritten,
    ];

    /// Its name in a sentence: `unknown`, `missing`, `out of range`, `rewritten`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Missing => "missing",
            Self::OutOfRange => "out of range",
            Self::Rewritten => "rewritten",
        }
    }
}

/// How many cells of a field were unusual. Of a cell that is a list, each element counts as a cell, and an
/// empty list as one that is missing. A cell may be both rewritten and something else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellCounts {
    /// The number of cells.
    pub cells: u64,
    /// Those that are [`Unusual::Unknown`].
    pub unknown: u64,
    /// Those that are [`Unusual::Missing`].
    pub missing: u64,
    /// Those that are [`Unusual::OutOfRange`].
    pub out_of_range: u64,
    /// Those that are [`Unusual::Rewritten`].
    pub rewritten: u64,
}

impl CellCounts {
    /// How many cells are unusual in one way.
    pub fn of(&self, unusual: Unusual) -> u64 {
        match unusual {
            Unusual::Unknown => self.unknown,
            Unusual::Missing => self.missing,
            Unusual::OutOfRange => self.out_of_range,
            Unusual::Rewritten => self.rewritten,
        }
    }

    /// The share of the cells that are unusual in one way; 0 if there are none.
    pub fn share(&self, unusual: Unusual) -> f64 {
        self.of(unusual) as f64 / self.cells.max(1) as f64
    }

    /// Adds the counts of other cells.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.cells += other.cells;
        self.unknown += other.unknown;
        self.missing += other.missing;
        self.out_of_range += other.out_of_range;
        self.rewritten += other.rewritten;
    }

    /// Counts one that is unusual.
    pub(crate) fn add(&mut self, unusual: Unusual) {
        *match unusual {
            Unusual::Unknown => &mut self.unknown,
            Unusual::Missing => &mut self.missing,
            Unusual::OutOfRange => &mut self.out_of_range,
            Unusual::Rewritten => &mut self.rewritten,
        } += 1;
    }
}

/// The first cell that was unusual in each way, without blanks around it; empty if it was an empty cell.
pub(crate) type Examples = BTreeMap<Unusual, String>;

/// What some rows show of a field's cells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeenCells {
    pub(crate) counts: CellCounts,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) examples: Examples,
}

impl From<CellCounts> for SeenCells {
    fn from(counts: CellCounts) -> Self {
        Self {
            counts,
            examples: Examples::new(),
        }
    }
}

impl SeenCells {
    /// Adds what later rows show.
    pub(crate) fn merge(&mut self, later: Self) {
        self.counts.merge(&later.counts);
        for (unusual, example) in later.examples {
            self.examples.entry(unusual).or_insert(example);
        }
    }
}
