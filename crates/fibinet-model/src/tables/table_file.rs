use std::fmt::Debug;
use std::io::{self, Write};
use std::path::Path;

use fibinet_storage::AtomicFile;
use rayon::prelude::*;

use crate::error::BundleError;
use crate::tables::table_slice::{TableDtype, TableSlice};
use crate::tables::view::TableView;

/// The embedding table's name in its file.
pub(crate) const EMBEDDING: &str = "embedding.weight";
/// The linear weights' name in it.
pub(crate) const LINEAR: &str = "linear.weight";
/// Rows that are copied and finished at a time.
const CHUNK_ROWS: usize = 1 << 14;

/// Replayed rows of tables whose stored rows may be stale, as those of a model in training.
pub trait FinishedRows: Debug + Sync {
    /// Turns a copy of a stored row of the embedding table, `[K]`, into the finished row, in numbers that the
    /// table can store.
    fn finish_embedding(&self, row: usize, vector: &mut [f32]);

    /// Turns a copy of a stored linear weight, `[1]`, into the finished one.
    fn finish_linear(&self, row: usize, weight: &mut [f32]);
}

/// Writes tables as a safetensors file, `[V, K]` and `[V, 1]`, straight from the slices. The file is renamed
/// into place, so that whoever mapped the old one keeps it.
///
/// # Errors
///
/// If the file cannot be written. What was written of it is then removed.
pub(crate) fn write_tables(
    path: &Path,
    tables: &TableView<'_>,
    finished: Option<&dyn FinishedRows>,
) -> Result<(), BundleError> {
    let mut file = AtomicFile::create(path)?;
    write(&mut file, tables, finished).map_err(BundleError::io(file.path()))?;
    // The directory syncs all its files when it is committed.
    Ok(file.commit_unsynced()?)
}

fn write(
    file: &mut impl Write,
    tables: &TableView<'_>,
    finished: Option<&dyn FinishedRows>,
) -> io::Result<()> {
    let (num_rows, dim) = (tables.sizes.num_rows(), tables.embedding_dim);
    let dtype = tables.embedding.dtype();
    file.write_all(&header(num_rows, dim, dtype, tables.linear.is_some()))?;
    if let Some(weights) = tables.linear {
        let finish = finished.map(|finished| {
            move |row: usize, weight: &mut [f32]| finished.finish_linear(row, weight)
        });
        write_table(file, TableSlice::F32(weights), [num_rows, 1], finish)?;
    }
    if dim == 0 {
        return Ok(());
    }
    let finish = finished.map(|finished| {
        move |row: usize, vector: &mut [f32]| finished.finish_embedding(row, vector)
    });
    write_table(file, tables.embedding, [num_rows, dim], finish)
}

/// Writes the numbers of a table.
///
/// - `finish`: turns a copy of a stored row into the finished row; `None` if all rows are finished
fn write_table(
    file: &mut impl Write,
    table: TableSlice<'_>,
    [num_rows, width]: [usize; 2],
    finish: Option<impl Fn(usize, &mut [f32]) + Sync>,
) -> io::Result<()> {
    assert_eq!(
        table.len(),
        num_rows * width,
        "expected {num_rows} rows of {width} numbers"
    );
    let Some(finish) = finish else {
        return file.write_all(table.bytes());
    };
    let (mut buffer, mut bytes) = (Vec::new(), Vec::new());
    for first in (0..num_rows).step_by(CHUNK_ROWS) {
        let end = num_rows.min(first + CHUNK_ROWS);
        buffer.resize((end - first) * width, 0.0);
        table.copy(first * width, &mut buffer);
        let rows = buffer.par_chunks_exact_mut(width).enumerate();
        rows.for_each(|(row, numbers)| finish(first + row, numbers));
        bytes.clear();
        table.dtype().append(&buffer, &mut bytes);
        file.write_all(&bytes)?;
    }
    Ok(())
}

/// The length of the header, and the header, filled up with spaces so that numbers are aligned. The
/// linear weights come first: after a table of 16-bit numbers they might not be.
fn header(num_rows: usize, dim: usize, dtype: TableDtype, linear: bool) -> Vec<u8> {
    let mut end = 0;
    let mut entry = |name: &str, dtype: TableDtype, width: usize| {
        let start = end;
        end += num_rows * width * dtype.num_bytes();
        let offsets = format!("[{start},{end}]");
        let dtype = dtype.in_safetensors();
        format!(
            r#""{name}":{{"dtype":"{dtype}","shape":[{num_rows},{width}],"data_offsets":{offsets}}}"#
        )
    };
    let linear = linear.then(|| entry(LINEAR, TableDtype::F32, 1));
    let embedding = (dim > 0).then(|| entry(EMBEDDING, dtype, dim));
    let entries: Vec<String> = linear.into_iter().chain(embedding).collect();
    let text = format!("{{{}}}", entries.join(","));
    let len = text.len().next_multiple_of(8);
    let mut header = (len as u64).to_le_bytes().to_vec();
    header.extend_from_slice(format!("{text:len$}").as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use fibinet_nn::inputs::FieldSizes;
    use half::bf16;
    use safetensors::SafeTensors;
    use std::fs;

    /// Embedding row r lacks r, and its linear weight -r.
    #[derive(Debug)]
    struct Lacks;

    impl FinishedRows for Lacks {
        fn finish_embedding(&self, row: usize, vector: &mut [f32]) {
            vector.iter_mut().for_each(|number| *number += row as f32);
        }

        fn finish_linear(&self, row: usize, weight: &mut [f32]) {
            assert_eq!(weight.len(), 1);
            weight[0] -= row as f32;
        }
    }

    #[test]
    fn the_finished_rows_are_written() {
        let num_rows = CHUNK_ROWS + 5;
        let sizes = FieldSizes::new(vec![7, num_rows - 7]).unwrap();
        let embedding: Vec<f32> = (0..num_rows * 2).map(|i| i as f32).collect();
        let linear: Vec<f32> = (0..num_rows).map(|i| i as f32).collect();
        let view = TableView {
            embedding: TableSlice::F32(&embedding),
            linear: Some(&linear),
            sizes: &sizes,
            embedding_dim: 2,
            padding: false,
        };
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tables.safetensors");
        let read = |finished| {
            write_tables(&path, &view, finished).unwrap();
            let bytes = fs::read(&path).unwrap();
            let tensors = SafeTensors::deserialize(&bytes).unwrap();
            let numbers = |name, shape: [usize; 2]| {
                let tensor = tensors.tensor(name).unwrap();
                assert_eq!(tensor.shape(), shape);
                let numbers = tensor.data().chunks_exact(4);
                let numbers = numbers.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
                numbers.collect::<Vec<f32>>()
            };
            (
                numbers(EMBEDDING, [num_rows, 2]),
                numbers(LINEAR, [num_rows, 1]),
            )
        };
        assert_eq!(read(None), (embedding.clone(), linear.clone()));
        let (written, weights) = read(Some(&Lacks));
        let lacks = |i: usize| embedding[i] + (i / 2) as f32;
        assert!((0..embedding.len()).all(|i| written[i] == lacks(i)));
        assert!(weights.iter().all(|weight| *weight == 0.0));
        let entries = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(entries, 1);
    }

    #[test]
    fn finished_rows_of_16_bits_are_written_in_half_the_bytes() {
        let num_rows = CHUNK_ROWS + 5;
        let sizes = FieldSizes::new(vec![num_rows]).unwrap();
        // As many numbers as would leave the linear weights unaligned after them.
        let numbers: Vec<f32> = (0..num_rows).map(|i| (i % 200) as f32).collect();
        let embedding: Vec<bf16> = numbers
            .iter()
            .map(|number| bf16::from_f32(*number))
            .collect();
        let view = TableView {
            embedding: TableSlice::Bf16(&embedding),
            linear: Some(&numbers),
            sizes: &sizes,
            embedding_dim: 1,
            padding: false,
        };
        /// Every row of the embedding lacks 1.
        #[derive(Debug)]
        struct LacksOne;
        impl FinishedRows for LacksOne {
            fn finish_embedding(&self, _: usize, vector: &mut [f32]) {
                vector[0] += 1.0;
            }
            fn finish_linear(&self, _: usize, _: &mut [f32]) {}
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tables.safetensors");
        for (finished, more) in [(None, 0.0), (Some(&LacksOne as &dyn FinishedRows), 1.0)] {
            write_tables(&path, &view, finished).unwrap();
            let bytes = fs::read(&path).unwrap();
            let (header, _) = SafeTensors::read_metadata(&bytes).unwrap();
            assert_eq!(bytes.len(), 8 + header + 6 * num_rows);
            let tensors = SafeTensors::deserialize(&bytes).unwrap();
            let tensor = tensors.tensor(EMBEDDING).unwrap();
            assert_eq!(tensor.dtype(), safetensors::Dtype::BF16);
            let written = tensor.data().chunks_exact(2);
            let written = written.map(|two| bf16::from_le_bytes([two[0], two[1]]).to_f32());
            assert!(written.eq(numbers.iter().map(|number| number + more)));
            let linear = tensors.tensor(LINEAR).unwrap();
            assert_eq!(linear.data(), bytemuck::cast_slice::<f32, u8>(&numbers));
        }
    }

    /// The partial file is a link to a device that is always full.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_cannot_be_written_is_removed() {
        let sizes = FieldSizes::new(vec![3]).unwrap();
        let view = TableView {
            embedding: TableSlice::F32(&[1.0, 2.0, 3.0]),
            linear: None,
            sizes: &sizes,
            embedding_dim: 1,
            padding: false,
        };
        let directory = tempfile::tempdir().unwrap();
        let partial = directory.path().join(".tables.safetensors.fibinet-partial");
        std::os::unix::fs::symlink("/dev/full", &partial).unwrap();
        let path = directory.path().join("tables.safetensors");
        let error = write_tables(&path, &view, None).unwrap_err().to_string();
        assert!(error.contains("fibinet-partial: No space left"), "{error}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
