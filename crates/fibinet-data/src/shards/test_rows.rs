//! Rows that the tests of writer and reader write.

use std::path::Path;

use crate::shards::batch::Batch;
use crate::shards::layout::{FieldLayout, FieldShape, Pooling, ShardLayout};
use crate::shards::reader::Shards;
use crate::shards::writer::ShardWriter;

pub(crate) fn layout() -> ShardLayout {
    let pooling = Pooling::Mean;
    let fields = [
        ("a", FieldShape::Id { num_ids: 70_000 }),
        ("x", FieldShape::Number),
        (
            "tags",
            FieldShape::Ids {
                num_ids: 9,
                pooling,
            },
        ),
        ("b", FieldShape::Id { num_ids: 3 }),
    ]
    .map(|(name, shape)| FieldLayout {
        name: name.to_owned(),
        shape,
    })
    .to_vec();
    ShardLayout {
        label: "y".to_owned(),
        grouped: true,
        fields,
    }
}

pub(crate) fn write(directory: &Path, rows: usize, wrong_id: Option<u32>) -> Shards {
    let writer = ShardWriter::create(directory, "train", layout(), 1).unwrap();
    write_to(writer, rows, wrong_id)
}

pub(crate) fn write_to(mut writer: ShardWriter, rows: usize, wrong_id: Option<u32>) -> Shards {
    for row in 0..rows {
        let mut batch = Batch::default();
        batch
            .ids
            .extend([row as u32 % 70_000, wrong_id.unwrap_or(row as u32 % 3)]);
        let lists = batch.list_mut(0);
        lists
            .ids
            .extend((0..=row as u32 % 3).map(|i| i + row as u32 % 5));
        lists.ends.push(lists.ids.len());
        batch.numerics.push(row as f32 / 4.0);
        batch.labels.push((row % 2) as f32);
        batch.groups.push(u64::MAX - row as u64);
        batch.num_rows += 1;
        writer.add(&batch, 0);
        writer.write_full_row_groups().unwrap();
    }
    writer.finish().unwrap()
}
