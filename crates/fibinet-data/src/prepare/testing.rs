//! Helpers for tests of preparing.

use std::path::Path;

use crate::config::{DataConfig, DataSpec};
use crate::shards::batch::Batch;
use crate::shards::reader::Shards;

/// A spec of `train.csv` in a directory: the label `y` and one categorical field, `a`.
pub(crate) fn spec(directory: &Path, rest: &str) -> DataSpec {
    let text = format!(
        "train = {:?}\nlabel = 'y'\n{rest}\n[[fields]]\nname = 'a'\nkind = 'categorical'",
        directory.join("train.csv")
    );
    toml::from_str::<DataConfig>(&text)
        .unwrap()
        .validate()
        .unwrap()
}

/// All rows.
pub(crate) fn rows(shards: &Shards) -> Batch {
    let mut batch = Batch::default();
    (0..shards.num_row_groups())
        .for_each(|group| shards.read_row_group(group, &mut batch).unwrap());
    batch
}
