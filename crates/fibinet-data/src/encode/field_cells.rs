use serde::{Serialize, Serializer};

use crate::encode::encoder::Encoder;
use crate::encode::shown::shown;
use crate::fields::FieldSpec;
use crate::fields::cell_counts::{CellCounts, Examples, SeenCells, Unusual};

/// A share of unusual cells is a surprise if it exceeds that of the validation rows by this much and by
/// [`FACTOR`].
const DIFFERENCE: f64 = 0.1;
const FACTOR: f64 = 2.0;
/// Fewer cells are no surprise, whatever they are.
const MIN_CELLS: u64 = 5;

/// What some rows show of a field's cells. As JSON, shares of all cells; that of unknown ones is null if the
/// field [cannot tell](Self::unknown).
#[derive(Debug, Clone, PartialEq)]
pub struct FieldCells {
    /// The field's name.
    pub field: String,
    /// How many cells were unusual.
    pub counts: CellCounts,
    /// The share of rewritten cells in the validation rows; 0 if it is not known.
    pub(crate) valid_rewritten: f64,
    /// Whether the field tells values that the training rows did not have.
    pub(crate) tells_unknown: bool,
    pub(crate) examples: Examples,
}

impl FieldCells {
    /// The share of the cells that are unusual in one way. Rewritten ones are not where the rows of the training file were
    /// written so too, as the `True` and `False` of pandas are: 0 unless their share exceeds that of the validation rows by
    /// 10 points.
    pub fn unusual_share(&self, unusual: Unusual) -> f64 {
        let share = self.counts.share(unusual);
        match unusual {
            Unusual::Rewritten if share - self.valid_rewritten <= DIFFERENCE => 0.0,
            _ => share,
        }
    }

    /// The share of unknown cells; `None` for a hashed field, which cannot tell.
    pub fn unknown(&self) -> Option<f64> {
        self.tells_unknown
            .then(|| self.counts.share(Unusual::Unknown))
    }
}

impl Serialize for FieldCells {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shares<'a> {
            field: &'a str,
            cells: u64,
            unknown: Option<f64>,
            missing: f64,
            out_of_range: f64,
            rewritten: f64,
        }
        Shares {
            field: &self.field,
            cells: self.counts.cells,
            unknown: self.unknown(),
            missing: self.counts.share(Unusual::Missing),
            out_of_range: self.counts.share(Unusual::OutOfRange),
            rewritten: self.counts.share(Unusual::Rewritten),
        }
        .serialize(serializer)
    }
}

/// A field with more unusual cells than its validation rows had.
#[derive(Debug, Clone, PartialEq)]
pub struct Surprise {
    /// The field's name.
    pub field: String,
    /// What is unusual about its cells.
    pub unusual: Unusual,
    /// The number of cells.
    pub cells: u64,
    /// The share of unusual ones among them.
    pub share: f64,
    /// Their share among those of the validation rows.
    pub valid_share: f64,
    /// The first of them, without blanks around it; empty if it was an empty cell.
    pub example: Option<String>,
    /// What the training rows had, in words.
    pub known: Option<String>,
}

impl Surprise {
    /// The surprise in a sentence. `whose` says whose cells they are, as in `this file has`.
    pub fn describe(&self, whose: &str) -> String {
        let (name, share, valid) = (
            self.unusual.name(),
            100.0 * self.share,
            100.0 * self.valid_share,
        );
        let mut text = format!(
            "`{}`: {share:.0}% of {} cells are {name} ({valid:.0}% in the validation rows)",
            self.field, self.cells
        );
        if let Some(known) = &self.known {
            text += &format!("; {known}");
        }
        match self.example.as_deref() {
            Some("") => text += &format!("; {whose} empty cells"),
            Some(example) => text += &format!("; {whose} {}", shown(example)),
            None => {}
        }
        text
    }
}

impl Encoder {
    /// What rows show of the fields' cells.
    pub(crate) fn field_cells(&self, seen: &[SeenCells]) -> Vec<FieldCells> {
        let fields = self.fields().zip(seen).enumerate();
        let cells = |(index, (field, seen)): (usize, (&FieldSpec, &SeenCells))| FieldCells {
            field: field.name.clone(),
            counts: seen.counts,
            valid_rewritten: self
                .valid_counts()
                .map_or(0.0, |valid| valid[index].share(Unusual::Rewritten)),
            tells_unknown: field.encoding.tells_unknown(),
            examples: seen.examples.clone(),
        };
        fields.map(cells).collect()
    }

    /// The fields of which some rows have far more unusual cells than the validation rows had: by 10 points and
    /// twice as many, among at least five. The most surprising is the first. An encoder of an older version does not
    /// know its validation rows, and is never surprised.
    pub fn surprises(&self, cells: &[FieldCells]) -> Vec<Surprise> {
        let Some(valid) = self.valid_counts() else {
            return Vec::new();
        };
        let mut surprises = Vec::new();
        for (index, (cells, valid)) in cells.iter().zip(valid).enumerate() {
            for unusual in Unusual::ALL {
                let (share, valid_share) = (cells.counts.share(unusual), valid.share(unusual));
                let is_surprise = share - valid_share > DIFFERENCE
                    && share > FACTOR * valid_share
                    && cells.counts.cells >= MIN_CELLS;
                if is_surprise {
                    surprises.push(Surprise {
                        field: cells.field.clone(),
                        unusual,
                        cells: cells.counts.cells,
                        share,
                        valid_share,
                        example: cells.examples.get(&unusual).cloned(),
                        known: self.known_side(index, unusual, cells),
                    });
                }
            }
        }
        // A rewritten cell has its value all the same.
        let surprise =
            |of: &Surprise| (of.unusual == Unusual::Rewritten, of.valid_share - of.share);
        surprises.sort_by(|a, b| {
            let (a, b) = (surprise(a), surprise(b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        surprises
    }

    /// What the training rows had that unusual cells lack, in words.
    fn known_side(&self, field: usize, unusual: Unusual, cells: &FieldCells) -> Option<String> {
        let fitted = &self.fitted()[field].fitted;
        match unusual {
            Unusual::Unknown => {
                let number = fitted.num_tokens();
                let first = self.vocabulary().first_token(field)?;
                let first = shown(&String::from_utf8_lossy(&first));
                Some(format!("training knew {number} values such as {first}"))
            }
            Unusual::OutOfRange => {
                let (least, greatest) = fitted.range()?;
                Some(format!("training had numbers from {least} to {greatest}"))
            }
            Unusual::Rewritten => {
                let written = cells.examples.get(&unusual)?;
                let mut scratch = Vec::new();
                let text = fitted
                    .token_text()
                    .canonical(written.as_bytes(), &mut scratch);
                // The example of a list is the whole list, which has no other text.
                let text = Some(text).filter(|text| *text != written.as_bytes())?;
                let text = shown(&String::from_utf8_lossy(text));
                Some(format!("training wrote the same value as {text}"))
            }
            Unusual::Missing => None,
        }
    }
}
