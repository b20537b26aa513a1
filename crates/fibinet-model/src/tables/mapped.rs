use std::ops::Range;
use std::path::Path;

use fibinet_nn::inputs::FieldSizes;
use fibinet_nn::models::TablesConfig;
use fibinet_storage::MappedFile;
use safetensors::SafeTensors;
use safetensors::tensor::Metadata;

use crate::error::BundleError;
use crate::tables::table_file::{EMBEDDING, LINEAR};
use crate::tables::table_slice::{TableDtype, TableSlice};
use crate::tables::view::TableView;

/// Tables in a mapped file: opening reads no row, and a batch reads the rows that it needs.
#[derive(Debug)]
pub(crate) struct MappedTables {
    file: MappedFile,
    dtype: TableDtype,
    /// The bytes of the embedding table in the file.
    embedding: Range<usize>,
    /// The bytes of the linear weights in the file.
    linear: Option<Range<usize>>,
    sizes: FieldSizes,
    embedding_dim: usize,
    padding: bool,
}

impl MappedTables {
    /// Maps a file of tables for fields of these sizes.
    ///
    /// # Errors
    ///
    /// If the file cannot be mapped, or its tables are missing or have another shape or type.
    pub(crate) fn open(
        path: &Path,
        sizes: &FieldSizes,
        config: &TablesConfig,
    ) -> Result<Self, BundleError> {
        // SAFETY: a bundle's files are renamed into place and never written to.
        #[expect(unsafe_code, reason = "see `MappedFile::open`")]
        let file = unsafe { MappedFile::open(path) }?;
        let header =
            SafeTensors::read_metadata(&file).map_err(|error| BundleError::damaged(path, error))?;
        let find = |name, width, known| {
            let found = find(&file, &header, name, [sizes.num_rows(), width], known);
            found.map_err(|reason| BundleError::damaged(path, reason))
        };
        let (dtype, embedding) = match config.embedding_dim {
            0 => (TableDtype::F32, 0..0),
            dim => find(EMBEDDING, dim, &TableDtype::ALL)?,
        };
        let mut linear = None;
        if config.linear {
            linear = Some(find(LINEAR, 1, &[TableDtype::F32])?.1);
        }
        Ok(Self {
            file,
            dtype,
            embedding,
            linear,
            sizes: sizes.clone(),
            embedding_dim: config.embedding_dim,
            padding: config.padding,
        })
    }

    /// The tables as they are stored in the file.
    pub(crate) fn view(&self) -> TableView<'_> {
        let embedding = TableSlice::from_bytes(self.dtype, &self.file[self.embedding.clone()]);
        let linear = self.linear.clone();
        TableView {
            embedding: embedding.expect("alignment is checked when the file is opened"),
            linear: linear.map(|range| bytemuck::cast_slice(&self.file[range])),
            sizes: &self.sizes,
            embedding_dim: self.embedding_dim,
            padding: self.padding,
        }
    }
}

/// The type of a table and its bytes in the file, or what is wrong with it.
///
/// - `shape`, `known`: the shape that the table must have, and the types that it may have
fn find(
    file: &[u8],
    (header, metadata): &(usize, Metadata),
    name: &str,
    shape: [usize; 2],
    known: &[TableDtype],
) -> Result<(TableDtype, Range<usize>), String> {
    let info = metadata
        .info(name)
        .ok_or_else(|| format!("no table `{name}`"))?;
    let dtype = TableDtype::from_safetensors(info.dtype)
        .filter(|dtype| known.contains(dtype) && info.shape == shape)
        .ok_or_else(|| {
            let names: Vec<String> = known
                .iter()
                .map(|dtype| dtype.in_safetensors().to_string())
                .collect();
            format!(
                "`{name}` is {:?} of {}, expected {shape:?} of {}",
                info.shape,
                info.dtype,
                names.join(", ")
            )
        })?;
    // Eight bytes of header length before the header.
    let (start, end) = info.data_offsets;
    let range = 8 + header + start..8 + header + end;
    TableSlice::from_bytes(dtype, &file[range.clone()]).map_err(|error| error.to_string())?;
    Ok((dtype, range))
}
