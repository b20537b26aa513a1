use std::path::Path;

use burn::tensor::Device;
use csv::ByteRecord;
use fibinet_data::{Batch, Encoder, RowReader};
use fibinet_nn::FiBiNet;

use crate::bundle::Bundle;
use crate::error::BundleError;
use crate::tables::score;

/// Rows scored at once where a caller does not say.
const BATCH_ROWS: usize = 4096;

/// Raw rows to probabilities: a bundle on a device.
#[derive(Debug)]
pub struct Scorer {
    bundle: Bundle,
    head: FiBiNet,
    device: Device,
}

impl Scorer {
    /// Opens a bundle.
    ///
    /// # Errors
    ///
    /// As [`Bundle::open`].
    pub fn open(path: &Path, device: &Device) -> Result<Self, BundleError> {
        Self::new(Bundle::open(path)?, device)
    }

    /// Puts a bundle on a device.
    ///
    /// # Errors
    ///
    /// As [`Bundle::head`].
    pub fn new(bundle: Bundle, device: &Device) -> Result<Self, BundleError> {
        let device = device.clone().inner();
        Ok(Self {
            head: bundle.head(&device)?,
            bundle,
            device,
        })
    }

    /// How raw rows are read.
    pub fn encoder(&self) -> &Encoder {
        &self.bundle.encoder
    }

    /// Trained numbers.
    pub fn num_params(&self) -> usize {
        Bundle::num_params(&self.head, &self.bundle.tables())
    }

    /// The logits of encoded rows.
    ///
    /// # Panics
    ///
    /// If the batch is not of this scorer's encoder.
    pub fn logits(&self, batch: Batch) -> Vec<f32> {
        let rows = self.bundle.plan.inputs(batch);
        score(&self.head, &self.bundle.tables(), &rows, &self.device)
    }

    /// Scores every row of a reader, batch by batch: logits, and labels where they are asked for.
    ///
    /// # Errors
    ///
    /// Where a row cannot be read or encoded, its score is no number, or `sink` fails.
    pub fn score_rows<E: From<BundleError>>(
        &self,
        reader: &mut dyn RowReader,
        labels: bool,
        mut sink: impl FnMut(&[f32], &[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        let data = |error| E::from(BundleError::Data(error));
        let mut encoder = self.encoder().rows(reader, labels).map_err(data)?;
        let mut row = ByteRecord::new();
        let mut rows = 0;
        loop {
            let mut batch = Batch::default();
            while batch.num_rows < BATCH_ROWS && reader.read_row(&mut row).map_err(data)? {
                encoder.encode(&row, reader, &mut batch).map_err(data)?;
            }
            if batch.num_rows == 0 {
                return Ok(());
            }
            let labels = batch.labels.clone();
            let logits = self.logits(batch);
            if let Some(at) = logits.iter().position(|logit| !logit.is_finite()) {
                return Err(E::from(BundleError::NotFinite {
                    row: rows + at as u64 + 1,
                }));
            }
            rows += logits.len() as u64;
            sink(&logits, &labels)?;
        }
    }
}

/// The probability of a logit, `1 / (1 + exp(-z))`.
///
/// ```
/// assert_eq!(fibinet_serve::probability(0.0), 0.5);
/// ```
pub fn probability(logit: f32) -> f32 {
    (1.0 / (1.0 + (-f64::from(logit)).exp())) as f32
}
