//! From raw rows to logits and probabilities.

use std::mem::swap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use burn::module::Module;
use burn::tensor::Device;
use csv::ByteRecord;
use fibinet_data::DataError;
use fibinet_data::encode::Encoder;
use fibinet_data::formats::RowReader;
use fibinet_data::shards::Batch;
use fibinet_nn::backend::Backend;
use fibinet_nn::models::AnyHead;

pub use crate::batch_reader::{ReadRows, ScoreOptions};
pub use crate::probabilities::{mean_logits, probability};

use crate::batch_reader::BatchReader;
use crate::bundle::directory::Bundle;
use crate::error::BundleError;
use crate::inputs::plan::RowInputs;
use crate::probabilities::spreads;
use crate::tables::huge_pages;
use crate::tables::table_rows::score;

/// Scores raw rows: a bundle whose heads are on a device.
#[derive(Debug)]
pub struct Scorer {
    bundle: Bundle,
    /// One head per member.
    heads: Vec<AnyHead>,
    device: Device,
    /// Buffers of earlier batches, as many as were scored at the same time.
    buffers: Mutex<Vec<RowInputs>>,
}

impl Scorer {
    /// Opens a bundle and checks everything except the numbers in its tables. Use [`new`](Self::new) with
    /// [`Bundle::open_verified`] to check those too.
    ///
    /// # Errors
    ///
    /// As [`Bundle::open`] and [`Bundle::head`].
    pub fn open(path: &Path, device: &Device) -> Result<Self, BundleError> {
        Self::new(Bundle::open(path)?, device)
    }

    /// A scorer of an open bundle, with the heads on a device.
    ///
    /// # Errors
    ///
    /// As [`Bundle::head`].
    pub fn new(bundle: Bundle, device: &Device) -> Result<Self, BundleError> {
        let device = device.clone().inner();
        let head = |member| {
            let head = bundle.head(member, &device)?;
            Ok(if is_flex(&device) {
                huge_pages::move_weights(head)
            } else {
                head
            })
        };
        let heads = (0..bundle.num_members()).map(head);
        Ok(Self {
            heads: heads.collect::<Result<_, BundleError>>()?,
            bundle,
            device,
            buffers: Mutex::default(),
        })
    }

    /// The encoder, which says how raw rows are read.
    pub fn encoder(&self) -> &Encoder {
        &self.bundle.encoder
    }

    /// The bundle.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The number of trained parameters of all members, tables included.
    pub fn num_params(&self) -> usize {
        let of_member = |(member, head): (usize, &AnyHead)| {
            head.num_params() + self.bundle.tables(member).num_params()
        };
        self.heads.iter().enumerate().map(of_member).sum()
    }

    /// The logits of encoded rows: those of the members' mean probabilities, calibrated as the bundle says.
    ///
    /// Several threads may call this at the same time, rayon's included. The buffers of each call are kept
    /// for later calls, so that memory grows to that of the largest batch, times the calls made at once.
    /// On flex the work runs in rayon's pool, where a thread that waits for part of one batch may score
    /// another one meanwhile. On other devices it runs on the caller's thread.
    ///
    /// # Panics
    ///
    /// If the batch has other fields than this scorer's encoder.
    pub fn logits(&self, batch: &Batch) -> Vec<f32> {
        self.calibrated(&self.member_logits(batch))
    }

    /// The logits of each member, which are not calibrated.
    fn member_logits(&self, batch: &Batch) -> Vec<Vec<f32>> {
        let kept = || self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows = kept().pop().unwrap_or_default();
        self.bundle.plan.inputs_into(batch, &mut rows);
        let score = |(member, head): (usize, &AnyHead)| {
            score(head, &self.bundle.tables(member), &rows, &self.device)
        };
        let score = || self.heads.iter().enumerate().map(score).collect();
        let logits = if is_flex(&self.device) {
            // Inside the pool, so that its threads stay awake from one kernel to the next.
            rayon::scope(|_| score())
        } else {
            score()
        };
        kept().push(rows);
        logits
    }

    /// The calibrated logits of the members' mean probabilities.
    fn calibrated(&self, members: &[Vec<f32>]) -> Vec<f32> {
        let mut logits = mean_logits(members);
        for logit in &mut logits {
            *logit = self.bundle.output.apply(*logit);
        }
        logits
    }

    /// Scores every row of a reader in order, batch by batch.
    ///
    /// # Errors
    ///
    /// If a row cannot be read or encoded, every row was skipped, a score is NaN or infinite, or `sink`
    /// fails.
    pub fn score_rows<E: From<BundleError>>(
        &self,
        reader: &mut dyn RowReader,
        options: &ScoreOptions,
        mut sink: impl FnMut(&ScoredRows) -> Result<(), E>,
    ) -> Result<ReadRows, E> {
        let data = |error: DataError| E::from(BundleError::Data(error));
        let encoder = self.encoder().rows(reader, options.labels).map_err(data)?;
        let encoder = encoder.with_missing(&options.missing);
        let mut reader = BatchReader::new(reader, encoder, options);
        let (mut batch, mut scored) = (Batch::default(), ScoredRows::none());
        let (mut rows, mut more) = (0, true);
        while more {
            more = reader.read(&mut batch, &mut scored.carried).map_err(data)?;
            if batch.num_rows == 0 {
                continue;
            }
            let members = self.member_logits(&batch);
            scored.logits = self.calibrated(&members);
            if options.spread {
                scored.spreads = spreads(&members, self.bundle.output);
            }
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

/// Whether a device is flex: its kernels run in rayon's pool, and its tensors keep the vector that they are
/// made from.
fn is_flex(device: &Device) -> bool {
    Backend::Flex.device().is_ok_and(|flex| flex == *device)
}

/// A batch of scored rows.
#[derive(Debug)]
pub struct ScoredRows {
    /// One logit per row.
    pub logits: Vec<f32>,
    /// The standard deviation of the members' probabilities per row, each calibrated like their mean; empty if
    /// it was not asked for.
    pub spreads: Vec<f32>,
    /// One label per row; empty if labels were not asked for.
    pub labels: Vec<f32>,
    /// One group per row; empty if labels were not asked for or the log has no groups.
    pub groups: Vec<u64>,
    /// The carried cells, one record per row; empty if no column was asked for.
    pub carried: Vec<ByteRecord>,
}

impl ScoredRows {
    fn none() -> Self {
        Self {
            logits: Vec::new(),
            spreads: Vec::new(),
            labels: Vec::new(),
            groups: Vec::new(),
            carried: Vec::new(),
        }
    }
}
