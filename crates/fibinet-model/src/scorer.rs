use std::mem::swap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use burn::tensor::Device;
use csv::ByteRecord;
use fibinet_data::{Batch, DataError, Encoder, OnBadRow, RowReader, SkippedRows};
use fibinet_nn::AnyHead;

use crate::batch_reader::BatchReader;
use crate::bundle::directory::Bundle;
use crate::error::BundleError;
use crate::inputs::buffers::{InputBuffers, gives_memory_back};
use crate::inputs::plan::RowInputs;
use crate::tables::huge_pages;
use crate::tables::table_rows::{score, score_in};

/// Raw rows to probabilities: a bundle on a device.
#[derive(Debug)]
pub struct Scorer {
    bundle: Bundle,
    head: AnyHead,
    device: Device,
    /// What batches that were scored left; as many as were scored at once.
    memory: Mutex<Vec<BatchMemory>>,
}

/// Memory that a batch needs and the next one can have.
#[derive(Debug, Default)]
struct BatchMemory {
    rows: RowInputs,
    inputs: InputBuffers,
}

impl Scorer {
    /// Opens a bundle, all but the numbers in its tables checked; [`new`](Self::new) takes one that
    /// [`Bundle::open_verified`] read in full.
    ///
    /// # Errors
    ///
    /// As [`Bundle::open`] and [`Bundle::head`].
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
        let mut head = bundle.head(&device)?;
        if gives_memory_back(&device) {
            head = huge_pages::move_weights(head);
        }
        Ok(Self {
            head,
            bundle,
            device,
            memory: Mutex::default(),
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
    /// Memory for the inputs is kept for the next call, as much as the largest batch took, by as many
    /// threads as called at once. Threads may call at once, those of rayon's pool too: on flex the pool
    /// does the work, and one of its threads that waits for a part of a batch may do all of another
    /// call meanwhile. On other devices the caller's thread does it, whose stream of work a GPU has.
    ///
    /// # Panics
    ///
    /// If the batch is not of this scorer's encoder.
    pub fn logits(&self, batch: &Batch) -> Vec<f32> {
        let kept = || self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let mut memory = kept().pop().unwrap_or_default();
        let BatchMemory { rows, inputs } = &mut memory;
        self.bundle.plan.inputs_into(batch, rows);
        let (tables, device) = (self.bundle.tables(), &self.device);
        let mut logits = match gives_memory_back(device) {
            // In the pool, whose threads then stay awake from one kernel to the next.
            true => rayon::scope(|_| score_in(inputs, &self.head, &tables, rows, device)),
            false => score(&self.head, &tables, rows, device),
        };
        kept().push(memory);
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
    ) -> Result<SkippedRows, E> {
        let data = |error: DataError| E::from(BundleError::Data(error));
        let encoder = self.encoder().rows(reader, options.labels).map_err(data)?;
        let mut reader = BatchReader::new(reader, encoder, options);
        let (mut batch, mut scored) = (Batch::default(), ScoredRows::none());
        let (mut rows, mut more) = (0, true);
        while more {
            more = reader.read(&mut batch, &mut scored.carried).map_err(data)?;
            if batch.num_rows == 0 {
                continue;
            }
            scored.logits = self.logits(&batch);
            swap(&mut scored.labels, &mut batch.labels);
            swap(&mut scored.groups, &mut batch.groups);
            if let Some(at) = scored.logits.iter().position(|logit| !logit.is_finite()) {
                return Err(E::from(BundleError::NotFinite {
                    row: rows + at as u64 + 1,
                }));
            }
            rows += scored.logits.len() as u64;
            sink(&scored)?;
        }
        reader.finish(rows).map_err(data)
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

impl ScoredRows {
    fn none() -> Self {
        Self {
            logits: Vec::new(),
            labels: Vec::new(),
            groups: Vec::new(),
            carried: Vec::new(),
        }
    }
}

/// The probability of a logit, `1 / (1 + exp(-z))`.
///
/// ```
/// assert_eq!(fibinet_model::probability(0.0), 0.5);
/// ```
pub fn probability(logit: f32) -> f32 {
    (1.0 / (1.0 + (-f64::from(logit)).exp())) as f32
}
