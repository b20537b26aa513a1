use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use rayon::prelude::*;

use crate::error::BundleError;
use crate::tables::TableView;

/// The embedding table's name in its file.
pub(crate) const EMBEDDING: &str = "embedding.weight";
/// The linear weights' name in it.
pub(crate) const LINEAR: &str = "linear.weight";
/// Rows that lie in memory a second time while rows left behind are written.
const CHUNK_ROWS: usize = 1 << 14;

/// Rows whose last updates an optimizer has not done yet. What is written of them has them done.
pub trait RowsBehind: Debug + Sync {
    /// Brings a copy of a row of the embedding table, `[K]`, up to date.
    fn bring_up_embedding(&self, row: usize, vector: &mut [f32]);

    /// Brings a copy of a row's linear weight, `[1]`, up to date.
    fn bring_up_linear(&self, row: usize, weight: &mut [f32]);
}

/// Writes tables as a safetensors file, `[V, K]` and `[V, 1]`, from where they lie. The file is renamed
/// into place, so that one who mapped the old one keeps it.
///
/// # Errors
///
/// Where the file cannot be written; what there is of it is then removed.
pub(crate) fn write_tables(
    path: &Path,
    tables: &TableView<'_>,
    behind: Option<&dyn RowsBehind>,
) -> Result<(), BundleError> {
    let partial = path.with_extension("partial");
    let written = write(&partial, tables, behind)
        .map_err(BundleError::io(&partial))
        .and_then(|()| fs::rename(&partial, path).map_err(BundleError::io(path)));
    if written.is_err() {
        // It may never have come to be; the error that is told is the first one.
        let _ = fs::remove_file(&partial);
    }
    written
}

fn write(path: &Path, tables: &TableView<'_>, behind: Option<&dyn RowsBehind>) -> io::Result<()> {
    let (num_rows, dim) = (tables.sizes.num_rows(), tables.embedding_dim);
    let mut file = File::create(path)?;
    file.write_all(&header(num_rows, dim, tables.linear.is_some()))?;
    let embedding = |row, vector: &mut [f32]| {
        if let Some(behind) = behind {
            behind.bring_up_embedding(row, vector);
        }
    };
    let linear = |row, weight: &mut [f32]| {
        if let Some(behind) = behind {
            behind.bring_up_linear(row, weight);
        }
    };
    let mut buffer = Vec::new();
    let mut write = |numbers: &[f32], width: usize, finish: &(dyn Fn(usize, &mut [f32]) + Sync)| {
        assert_eq!(numbers.len(), num_rows * width, "numbers of a table");
        if behind.is_none() {
            return file.write_all(bytemuck::cast_slice(numbers));
        }
        for (chunk, numbers) in numbers.chunks(CHUNK_ROWS * width).enumerate() {
            buffer.clear();
            buffer.extend_from_slice(numbers);
            let rows = buffer.par_chunks_exact_mut(width).enumerate();
            rows.for_each(|(row, numbers)| finish(chunk * CHUNK_ROWS + row, numbers));
            file.write_all(bytemuck::cast_slice(&buffer))?;
        }
        Ok(())
    };
    write(tables.embedding, dim, &embedding)?;
    match tables.linear {
        Some(weights) => write(weights, 1, &linear),
        None => Ok(()),
    }
}

/// The length of the header, and the header, filled up with spaces so that numbers are aligned.
fn header(num_rows: usize, dim: usize, linear: bool) -> Vec<u8> {
    let entry = |name: &str, width: usize, start: usize| {
        let end = start + num_rows * width * size_of::<f32>();
        let offsets = format!("[{start},{end}]");
        let entry = format!(
            r#""{name}":{{"dtype":"F32","shape":[{num_rows},{width}],"data_offsets":{offsets}}}"#
        );
        (entry, end)
    };
    let (embedding, end) = entry(EMBEDDING, dim, 0);
    let linear = match linear {
        true => format!(",{}", entry(LINEAR, 1, end).0),
        false => String::new(),
    };
    let text = format!("{{{embedding}{linear}}}");
    let len = text.len().next_multiple_of(8);
    let mut header = (len as u64).to_le_bytes().to_vec();
    header.extend_from_slice(format!("{text:len$}").as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use fibinet_nn::FieldSizes;
    use safetensors::SafeTensors;

    /// Row r lacks r.
    #[derive(Debug)]
    struct Lacks;

    impl RowsBehind for Lacks {
        fn bring_up_embedding(&self, row: usize, vector: &mut [f32]) {
            vector.iter_mut().for_each(|number| *number += row as f32);
        }

        fn bring_up_linear(&self, row: usize, weight: &mut [f32]) {
            assert_eq!(weight.len(), 1);
            weight[0] -= row as f32;
        }
    }

    #[test]
    fn rows_are_written_as_they_are_once_up_to_date() {
        let num_rows = CHUNK_ROWS + 5;
        let sizes = FieldSizes::new(vec![7, num_rows - 7]).unwrap();
        let embedding: Vec<f32> = (0..num_rows * 2).map(|i| i as f32).collect();
        let linear: Vec<f32> = (0..num_rows).map(|i| i as f32).collect();
        let view = TableView {
            embedding: &embedding,
            linear: Some(&linear),
            sizes: &sizes,
            embedding_dim: 2,
            padding: false,
        };
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tables.safetensors");
        let read = |behind| {
            write_tables(&path, &view, behind).unwrap();
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

    /// `tables.partial` is a name of a device that is always full.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_cannot_be_written_is_removed() {
        let sizes = FieldSizes::new(vec![3]).unwrap();
        let view = TableView {
            embedding: &[1.0, 2.0, 3.0],
            linear: None,
            sizes: &sizes,
            embedding_dim: 1,
            padding: false,
        };
        let directory = tempfile::tempdir().unwrap();
        let partial = directory.path().join("tables.partial");
        std::os::unix::fs::symlink("/dev/full", &partial).unwrap();
        let path = directory.path().join("tables.safetensors");
        let error = write_tables(&path, &view, None).unwrap_err().to_string();
        assert!(error.contains("tables.partial: No space left"), "{error}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
