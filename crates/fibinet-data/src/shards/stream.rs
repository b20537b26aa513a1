use std::sync::Arc;

use crate::error::DataError;
use crate::mix::mix;
use crate::shards::batch::Batch;
use crate::shards::reader::Shards;

/// How a stream shuffles rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shuffle {
    /// Decides the order. Use a different seed for each epoch.
    pub seed: u64,
    /// Number of rows that are shuffled together, and up to a quarter more. Data with no more rows than this
    /// is shuffled exactly. Of larger data, pieces of files come in random order, and those that fill the
    /// buffer are shuffled together. As far as each file is a fair sample of the data, that is as good as
    /// a shuffle of the whole.
    pub buffer_rows: usize,
}

/// The batches of a split, in the order of the files or shuffled.
///
/// The order depends only on the shards, the batch size and the seed. Only the last batch may be smaller.
/// The memory is that of the buffer.
#[derive(Debug)]
pub struct BatchStream {
    shards: Arc<Shards>,
    batch_size: usize,
    shuffle: Option<Shuffle>,
    /// The row groups still to be read. Those of a piece are read together.
    pieces: std::vec::IntoIter<Vec<usize>>,
    draws: Draws,
    /// The rows that were read, and the order in which they are sent.
    block: Batch,
    order: Vec<u32>,
    sent: usize,
}

impl BatchStream {
    /// Batches of `batch_size` rows.
    ///
    /// # Panics
    ///
    /// If `batch_size` is 0.
    pub fn new(shards: Arc<Shards>, batch_size: usize, shuffle: Option<Shuffle>) -> Self {
        assert!(batch_size > 0, "expected a batch size of at least 1");
        let mut draws = Draws::new(shuffle.map_or(0, |shuffle| shuffle.seed));
        let pieces = match shuffle {
            Some(shuffle) => {
                let mut pieces = shards.pieces(shuffle.buffer_rows / 4);
                draws.shuffle(&mut pieces);
                pieces
            }
            None => (0..shards.num_row_groups())
                .map(|group| vec![group])
                .collect(),
        };
        Self {
            shards,
            batch_size,
            shuffle,
            pieces: pieces.into_iter(),
            draws,
            block: Batch::default(),
            order: Vec::new(),
            sent: 0,
        }
    }

    fn next_batch(&mut self) -> Result<Option<Batch>, DataError> {
        if self.order.len() - self.sent < self.batch_size {
            self.refill()?;
        }
        let rows = (self.order.len() - self.sent).min(self.batch_size);
        if rows == 0 {
            return Ok(None);
        }
        let order = &self.order[self.sent..self.sent + rows];
        self.sent += rows;
        Ok(Some(pick(&self.block, order)))
    }

    /// Keeps the rows not yet sent and reads until the buffer is full.
    fn refill(&mut self) -> Result<(), DataError> {
        if self.pieces.len() == 0 {
            return Ok(());
        }
        self.block = pick(&self.block, &self.order[self.sent..]);
        self.sent = 0;
        let wanted = self
            .shuffle
            .map_or(0, |shuffle| shuffle.buffer_rows)
            .max(self.batch_size);
        while self.block.num_rows < wanted
            && let Some(groups) = self.pieces.next()
        {
            for group in groups {
                self.shards.read_row_group(group, &mut self.block)?;
            }
        }
        self.order.clear();
        self.order.extend(0..self.block.num_rows as u32);
        if self.shuffle.is_some() {
            self.draws.shuffle(&mut self.order);
        }
        Ok(())
    }
}

impl Iterator for BatchStream {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().transpose()
    }
}

/// Some rows of a batch, in the order given.
fn pick(batch: &Batch, order: &[u32]) -> Batch {
    let mut picked = Batch::default();
    let share = |len: usize| len / batch.num_rows.max(1) * order.len();
    picked.ids.reserve_exact(share(batch.ids.len()));
    picked.numerics.reserve_exact(share(batch.numerics.len()));
    picked.labels.reserve_exact(share(batch.labels.len()));
    picked.groups.reserve_exact(share(batch.groups.len()));
    for &row in order {
        picked.push_row(batch, row as usize);
    }
    picked
}

/// A stream of random draws: a seed, and the index of the next draw.
#[derive(Debug)]
struct Draws {
    seed: u64,
    index: u64,
}

impl Draws {
    fn new(seed: u64) -> Self {
        Self { seed, index: 0 }
    }

    /// Shuffles by Fisher and Yates. The bias of the draws is below 2⁻³² for 2³² items.
    fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let draw = mix(self.seed, self.index);
            self.index += 1;
            items.swap(i, (draw % (i as u64 + 1)) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shards::layout::{FieldLayout, FieldShape, ShardLayout};
    use crate::shards::writer::ShardWriter;
    use proptest::prelude::*;

    /// Rows whose id, number and label all name the row.
    fn shards(directory: &std::path::Path, rows: usize, num_files: usize) -> Arc<Shards> {
        let num_ids = rows.max(1);
        let fields = [("a", FieldShape::Id { num_ids }), ("x", FieldShape::Number)]
            .map(|(name, shape)| FieldLayout {
                name: name.to_owned(),
                shape,
            })
            .to_vec();
        let layout = ShardLayout {
            label: "y".to_owned(),
            grouped: true,
            fields,
        };
        let mut writer = ShardWriter::create(directory, "train", layout, num_files).unwrap();
        for row in 0..rows {
            let mut batch = Batch::default();
            batch.ids.push(row as u32);
            batch.numerics.push(row as f32);
            batch.labels.push((row % 2) as f32);
            batch.groups.push(row as u64 / 2);
            batch.num_rows += 1;
            writer.add(&batch, 0);
            writer.write_full_row_groups().unwrap();
        }
        Arc::new(writer.finish().unwrap())
    }

    fn ids(shards: &Arc<Shards>, batch_size: usize, shuffle: Option<Shuffle>) -> Vec<u32> {
        let mut ids = Vec::new();
        let batches: Result<Vec<Batch>, _> =
            BatchStream::new(Arc::clone(shards), batch_size, shuffle).collect();
        let batches = batches.unwrap();
        for (i, batch) in batches.iter().enumerate() {
            let last = i + 1 == batches.len();
            assert!(batch.num_rows == batch_size || last && batch.num_rows < batch_size);
            for (row, &id) in batch.ids.iter().enumerate() {
                assert_eq!(batch.numerics[row], id as f32);
                assert_eq!(batch.labels[row], (id % 2) as f32);
                assert_eq!(batch.groups[row], u64::from(id / 2));
            }
            ids.extend(&batch.ids);
        }
        ids
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn every_row_comes_once_in_an_order_that_the_seed_decides(
            rows in 0_usize..30_000,
            batch_size in 1_usize..9_000,
            buffer_rows in 0_usize..40_000,
            seed: u64,
            num_files in 1_usize..5,
        ) {
            let directory = tempfile::tempdir().unwrap();
            let shards = shards(directory.path(), rows, num_files);
            let mut sequential = ids(&shards, batch_size, None);
            if num_files == 1 {
                prop_assert!(sequential.is_sorted());
            }
            sequential.sort_unstable();
            prop_assert!(sequential.iter().copied().eq(0..rows as u32));
            let shuffle = |seed| Some(Shuffle { seed, buffer_rows });
            let shuffled = ids(&shards, batch_size, shuffle(seed));
            prop_assert_eq!(&shuffled, &ids(&shards, batch_size, shuffle(seed)));
            if rows > 10 {
                prop_assert_ne!(&shuffled, &ids(&shards, batch_size, shuffle(seed ^ 1)));
            }
            let mut sorted = shuffled;
            sorted.sort_unstable();
            prop_assert_eq!(sorted, sequential);
        }
    }

    #[test]
    fn data_that_fits_the_buffer_is_shuffled_from_end_to_end() {
        let directory = tempfile::tempdir().unwrap();
        let rows = 30_000;
        let shards = shards(directory.path(), rows, 1);
        let shuffle = Shuffle {
            seed: 5,
            buffer_rows: rows,
        };
        let first = &ids(&shards, 1000, Some(shuffle))[..3000];
        // They are a tenth of the rows. About a tenth of them comes from each tenth of the file.
        for tenth in 0..10 {
            let range = tenth * 3000..(tenth + 1) * 3000;
            let count = first.iter().filter(|id| range.contains(*id)).count();
            assert!((230..370).contains(&count), "{count} of 300 from {range:?}");
        }
    }

    #[test]
    fn a_small_buffer_shuffles_scattered_rows_from_everywhere() {
        let directory = tempfile::tempdir().unwrap();
        let rows = 30_000;
        let shards = shards(directory.path(), rows, 30);
        let shuffle = Shuffle {
            seed: 5,
            buffer_rows: 3000,
        };
        let first = &ids(&shards, 1000, Some(shuffle))[..3000];
        for tenth in 0..10 {
            let range = tenth * 3000..(tenth + 1) * 3000;
            let count = first.iter().filter(|id| range.contains(*id)).count();
            assert!((230..370).contains(&count), "{count} of 300 from {range:?}");
        }
    }
}
