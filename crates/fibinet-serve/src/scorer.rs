use std::path::Path;

use burn::tensor::Device;
use csv::ByteRecord;
use fibinet_data::{Batch, DataError, Encoder, LeftOut, OnBadRow, RowReader};
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

    /// The bundle.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Trained numbers.
    pub fn num_params(&self) -> usize {
        Bundle::num_params(&self.head, &self.bundle.tables())
    }

    /// The logits of encoded rows, calibrated as the bundle says.
    ///
    /// # Panics
    ///
    /// If the batch is not of this scorer's encoder.
    pub fn logits(&self, batch: Batch) -> Vec<f32> {
        let rows = self.bundle.plan.inputs(batch);
        // In the pool, whose threads then stay awake from one kernel to the next.
        let mut logits =
            rayon::scope(|_| score(&self.head, &self.bundle.tables(), &rows, &self.device));
        for logit in &mut logits {
            *logit = self.bundle.output.apply(*logit);
        }
        logits
    }

    /// Scores every row of a reader, batch by batch, in order. Where `on_bad_row` says skip, bad rows
    /// are left out, and counted in what it gives.
    ///
    /// # Errors
    ///
    /// Where a row cannot be read or encoded, every row is bad, a score is no number, or `sink` fails.
    pub fn score_rows<E: From<BundleError>>(
        &self,
        reader: &mut dyn RowReader,
        options: &ScoreOptions,
        mut sink: impl FnMut(&ScoredRows) -> Result<(), E>,
    ) -> Result<LeftOut, E> {
        let data = |error: DataError| E::from(BundleError::Data(error));
        let mut encoder = self.encoder().rows(reader, options.labels).map_err(data)?;
        let mut row = ByteRecord::new();
        let (mut rows, mut left_out, mut more) = (0, LeftOut::default(), true);
        while more {
            let (mut batch, mut carried) = (Batch::default(), Vec::new());
            while batch.num_rows < BATCH_ROWS {
                let encoded = match reader.read_row(&mut row) {
                    Ok(false) => {
                        more = false;
                        break;
                    }
                    Ok(true) => encoder.encode(&row, &reader.position(), &mut batch),
                    Err(error) => Err(error),
                };
                match encoded {
                    Ok(()) if options.carry.is_empty() => {}
                    Ok(()) => {
                        let cells = options.carry.iter().map(|column| &row[*column]);
                        carried.push(cells.collect());
                    }
                    Err(error) => left_out.skip(options.on_bad_row, error).map_err(data)?,
                }
            }
            if batch.num_rows == 0 {
                continue;
            }
            let labels = std::mem::take(&mut batch.labels);
            let groups = std::mem::take(&mut batch.groups);
            let logits = self.logits(batch);
            if let Some(at) = logits.iter().position(|logit| !logit.is_finite()) {
                return Err(E::from(BundleError::NotFinite {
                    row: rows + at as u64 + 1,
                }));
            }
            rows += logits.len() as u64;
            sink(&ScoredRows {
                logits,
                labels,
                groups,
                carried,
            })?;
        }
        match left_out.first_bad_row.take_if(|_| rows == 0) {
            Some(first) => Err(data(DataError::AllBad {
                path: reader.position().path.to_path_buf(),
                first,
            })),
            None => Ok(left_out),
        }
    }
}

/// What [`Scorer::score_rows`] reads and gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScoreOptions {
    /// Read labels and groups, which the rows must then have.
    pub labels: bool,
    /// What a row that cannot be read does.
    pub on_bad_row: OnBadRow,
    /// Columns of the reader whose cells go with the scores.
    pub carry: Vec<usize>,
}

/// A batch of scored rows.
#[derive(Debug)]
pub struct ScoredRows {
    /// A logit a row.
    pub logits: Vec<f32>,
    /// A label a row, where labels were asked for.
    pub labels: Vec<f32>,
    /// A group a row, where labels were asked for and the log has groups.
    pub groups: Vec<u64>,
    /// The cells of the columns that were asked for, a record a row; none where none were.
    pub carried: Vec<ByteRecord>,
}

/// The probability of a logit, `1 / (1 + exp(-z))`.
///
/// ```
/// assert_eq!(fibinet_serve::probability(0.0), 0.5);
/// ```
pub fn probability(logit: f32) -> f32 {
    (1.0 / (1.0 + (-f64::from(logit)).exp())) as f32
}
