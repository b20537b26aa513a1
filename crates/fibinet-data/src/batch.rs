/// Encoded rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// Ids of the fields that have ids, `[rows, fields]`, row-major.
    pub ids: Vec<u32>,
    /// Values of the numeric fields that have none, `[rows, values]`, row-major.
    pub numerics: Vec<f32>,
    /// 0 or 1 a row; empty where rows are scored without labels.
    pub labels: Vec<f32>,
    /// The number of rows.
    pub num_rows: usize,
}

impl Batch {
    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.ids.clear();
        self.numerics.clear();
        self.labels.clear();
        self.num_rows = 0;
    }
}
