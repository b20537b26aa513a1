use std::sync::Arc;

use parquet::basic::EncodingMask;
use parquet::column::writer::{ColumnWriter, get_column_writer};
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, ParquetMetaData, RowGroupMetaData,
};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor};
use rayon::prelude::*;

use crate::shards::batch::IdLists;
use crate::shards::columns::{Column, Columns};
use crate::shards::layout::{ShardLayout, schema};

/// What the footer will say about a row group, in a twentieth of the memory that the parquet crate needs.
pub(crate) struct WrittenGroup {
    pub(crate) start: i64,
    pub(crate) num_rows: i64,
    pub(crate) chunks: Box<[WrittenChunk]>,
}

pub(crate) struct WrittenChunk {
    pub(crate) len: i64,
    num_values: i64,
    /// Length of the dictionary before the data in bytes; 0 if there is none.
    dictionary_len: i64,
    encodings: EncodingMask,
}

/// The metadata of a file with these row groups.
pub(crate) fn footer(
    layout: &ShardLayout,
    groups: &[WrittenGroup],
) -> Result<ParquetMetaData, ParquetError> {
    let schema = Arc::new(SchemaDescriptor::new(schema(layout)));
    let mut row_groups = Vec::new();
    for (ordinal, group) in groups.iter().enumerate() {
        let mut start = group.start;
        let mut columns = Vec::new();
        for (chunk, leaf) in group.chunks.iter().zip(schema.columns()) {
            let column = ColumnChunkMetaData::builder(Arc::clone(leaf))
                .set_encodings_mask(chunk.encodings)
                .set_total_compressed_size(chunk.len)
                .set_total_uncompressed_size(chunk.len)
                .set_num_values(chunk.num_values)
                .set_dictionary_page_offset((chunk.dictionary_len > 0).then_some(start))
                .set_data_page_offset(start + chunk.dictionary_len);
            columns.push(column.build()?);
            start += chunk.len;
        }
        let row_group = RowGroupMetaData::builder(Arc::clone(&schema))
            .set_num_rows(group.num_rows)
            .set_total_byte_size(start - group.start)
            .set_file_offset(group.start)
            .set_ordinal(ordinal as i32)
            .set_column_metadata(columns);
        row_groups.push(row_group.build()?);
    }
    let properties = properties(true);
    let file = FileMetaData::new(
        properties.writer_version().as_num(),
        groups.iter().map(|group| group.num_rows).sum(),
        Some(properties.created_by().to_owned()),
        None,
        schema,
        None,
    );
    Ok(ParquetMetaData::new(file, row_groups))
}

fn properties(with_dictionary: bool) -> WriterProperties {
    WriterProperties::builder()
        .set_dictionary_enabled(with_dictionary)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .build()
}

/// Encodes the columns of a row group, in parallel.
pub(crate) fn encode_columns(
    layout: &ShardLayout,
    columns: &Columns,
) -> Result<Vec<(Vec<u8>, WrittenChunk)>, ParquetError> {
    let mut written = vec![Written::Floats(&columns.labels)];
    if !columns.groups.is_empty() {
        written.push(Written::Hashes(&columns.groups));
    }
    written.extend(columns.fields.iter().map(|column| match column {
        Column::Ids(ids) => Written::Ids(ids),
        Column::Lists(lists) => Written::Lists(lists),
        Column::Numbers(numbers) => Written::Floats(numbers),
        Column::Unscaled(_) => unreachable!("numbers are scaled before they are written"),
    }));
    let schema = SchemaDescriptor::new(schema(layout));
    let leaves = schema.columns();
    assert_eq!(written.len(), leaves.len(), "expected one column per leaf");
    let [with, without] = [true, false].map(|dictionary| Arc::new(properties(dictionary)));
    written
        .into_par_iter()
        .zip(leaves)
        .map(|(values, leaf)| {
            let properties = if values.repeat() { &with } else { &without };
            values.encode(Arc::clone(leaf), Arc::clone(properties))
        })
        .collect()
}

/// Whether numbers repeat so often that a dictionary of them takes fewer bytes. Building one takes most of the time
/// of writing numbers that do not.
fn repeat(numbers: &[f32]) -> bool {
    const SAMPLE: usize = 256;
    let sample = numbers.iter().step_by((numbers.len() / SAMPLE).max(1));
    let mut bits: Vec<u32> = sample.map(|number| number.to_bits()).collect();
    let num_drawn = bits.len();
    bits.sort_unstable();
    bits.dedup();
    // In a row group with 4,000 different numbers, about 31 in 32 of a sample are different.
    32 * bits.len() <= 31 * num_drawn
}

/// A column to write.
enum Written<'a> {
    Floats(&'a [f32]),
    Hashes(&'a [u64]),
    Ids(&'a [u32]),
    Lists(&'a IdLists),
}

impl Written<'_> {
    /// Whether the values may repeat often.
    fn repeat(&self) -> bool {
        match self {
            Self::Floats(numbers) => repeat(numbers),
            Self::Hashes(_) | Self::Ids(_) | Self::Lists(_) => true,
        }
    }

    fn encode(
        self,
        leaf: ColumnDescPtr,
        properties: WriterPropertiesPtr,
    ) -> Result<(Vec<u8>, WrittenChunk), ParquetError> {
        let mut bytes = TrackedWrite::new(Vec::new());
        let pages = Box::new(SerializedPageWriter::new(&mut bytes));
        let mut writer = get_column_writer(leaf, properties, pages);
        self.write(&mut writer)?;
        let chunk = writer.close()?.metadata;
        // The pages begin at offset 0. The footer gives one length: nothing is compressed.
        assert_eq!(chunk.compressed_size(), chunk.uncompressed_size());
        let chunk = WrittenChunk {
            len: chunk.compressed_size(),
            num_values: chunk.num_values(),
            dictionary_len: match chunk.dictionary_page_offset() {
                Some(_) => chunk.data_page_offset(),
                None => 0,
            },
            encodings: *chunk.encodings_mask(),
        };
        Ok((bytes.into_inner()?, chunk))
    }

    fn write(self, writer: &mut ColumnWriter<'_>) -> Result<(), ParquetError> {
        let signed = |ids: &[u32]| -> Vec<i32> { ids.iter().map(|id| id.cast_signed()).collect() };
        match (writer, self) {
            (ColumnWriter::FloatColumnWriter(writer), Self::Floats(numbers)) => {
                writer.write_batch(numbers, None, None)?;
            }
            (ColumnWriter::Int64ColumnWriter(writer), Self::Hashes(hashes)) => {
                let hashes: Vec<i64> = hashes.iter().map(|hash| hash.cast_signed()).collect();
                writer.write_batch(&hashes, None, None)?;
            }
            (ColumnWriter::Int32ColumnWriter(writer), Self::Ids(ids)) => {
                writer.write_batch(&signed(ids), None, None)?;
            }
            (ColumnWriter::Int32ColumnWriter(writer), Self::Lists(lists)) => {
                // No list is empty: every id is defined, and the first id of a row begins its list.
                let definitions = vec![1; lists.ids.len()];
                let mut repetitions = definitions.clone();
                (0..lists.ends.len()).for_each(|row| repetitions[lists.range(row).start] = 0);
                writer.write_batch(&signed(&lists.ids), Some(&definitions), Some(&repetitions))?;
            }
            _ => unreachable!("the schema describes these columns"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_repeat_have_a_dictionary() {
        let rows = 8192_u32;
        let numbers = |distinct: u32| -> Vec<f32> {
            let draws = (0..rows).map(|row| crate::mix::mix(1, row.into()) % u64::from(distinct));
            draws.map(|draw| draw as f32).collect()
        };
        for distinct in [1, 2, 100, 1000] {
            assert!(repeat(&numbers(distinct)), "{distinct}");
        }
        assert!(!repeat(&numbers(1 << 20)));
        assert!(repeat(&[]) && !repeat(&[0.5]));
    }
}
