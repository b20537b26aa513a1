use std::ops::Range;
use std::path::Path;

use burn::tensor::Device;
use fibinet_nn::inputs::{FieldInputs, FieldSizes};
use fibinet_nn::models::TablesConfig;
use fibinet_storage::MappedFile;
use safetensors::SafeTensors;

use crate::error::BundleError;
use crate::inputs::plan::RowInputs;
use crate::tables::table_file::{EMBEDDING, LINEAR};
use crate::tables::table_rows::TableRows;
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
        let (header, metadata) =
            SafeTensors::read_metadata(&file).map_err(|error| BundleError::damaged(path, error))?;
        let table = |name: &str, width: usize, known: &[TableDtype]| {
            let info = metadata
                .info(name)
                .ok_or_else(|| BundleError::damaged(path, format!("no table `{name}`")))?;
            let shape = [sizes.num_rows(), width];
            let dtype = TableDtype::from_safetensors(info.dtype)
                .filter(|dtype| known.contains(dtype) && info.shape == shape)
                .ok_or_else(|| {
                    let names: Vec<String> = known
                        .iter()
                        .map(|dtype| dtype.in_safetensors().to_string())
                        .collect();
                    let reason = format!(
                        "`{name}` is {:?} of {}, expected {shape:?} of {}",
                        info.shape,
                        info.dtype,
                        names.join(", ")
                    );
                    BundleError::damaged(path, reason)
                })?;
            // Eight bytes of header length before the header.
            let (start, end) = info.data_offsets;
            let range = 8 + header + start..8 + header + end;
            TableSlice::from_bytes(dtype, &file[range.clone()])
                .map_err(|error| BundleError::damaged(path, error))?;
            Ok::<_, BundleError>((dtype, range))
        };
        let (dtype, embedding) = match config.embedding_dim {
            0 => (TableDtype::F32, 0..0),
            dim => table(EMBEDDING, dim, &TableDtype::ALL)?,
        };
        let linear = match config.linear {
            true => Some(table(LINEAR, 1, &[TableDtype::F32])?.1),
            false => None,
        };
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

impl TableRows for MappedTables {
    fn field_inputs(&self, rows: &RowInputs, device: &Device) -> FieldInputs {
        self.view().field_inputs(rows, device)
    }
}
