/// The id that no cell gets: it fills slots without a value.
pub(crate) const PADDING: u32 = 0;
/// The id of tokens that were too rare in the training rows.
pub(crate) const OUT_OF_VOCABULARY: u32 = 1;
/// The id of a cell without a value.
pub(crate) const MISSING: u32 = 2;
/// The first id of a token or bucket.
pub(crate) const FIRST_TOKEN: u32 = 3;

/// The cells that mean "no value" in a field, besides empty ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MissingCells<'a> {
    /// Those of all columns.
    pub(crate) of_format: &'a [String],
    /// Those of the field alone.
    pub(crate) of_field: &'a [String],
}

impl MissingCells<'_> {
    /// Whether a cell means "no value".
    pub(crate) fn contain(self, cell: &[u8]) -> bool {
        let mut words = self.of_format.iter().chain(self.of_field);
        cell.is_empty() || words.any(|word| word.as_bytes() == cell)
    }
}

/// A cell that its field cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BadCell {
    /// It is not a finite number.
    Number,
    /// It breaks a rule of the field.
    Rule(String),
}

/// Gives tokens their ids: a fit counts them, a vocabulary looks them up.
pub(crate) trait TokenIds {
    /// The id of a token.
    fn id(&mut self, token: &[u8]) -> u32;

    /// The id of the token that `write` writes. If `key` is a number, it identifies that token, and
    /// `write` may not be called again for it; keys are small.
    fn id_by_key(&mut self, key: Option<usize>, write: &dyn Fn(&mut Vec<u8>)) -> u32;
}

/// Where the values of a row go.
pub(crate) struct RowValues<'a> {
    pub(crate) ids: &'a mut Vec<u32>,
    pub(crate) numbers: &'a mut Vec<f32>,
}
