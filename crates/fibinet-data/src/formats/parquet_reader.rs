use std::collections::HashSet;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_schema};
use parquet::basic::Type as PhysicalType;
use parquet::errors::ParquetError;
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor};

use crate::config::RowFormat;
use crate::error::{DataError, DataErrorKind};
use crate::formats::arrow_cells::{ColumnType, ReadableColumn, RowBatch, unreadable};
use crate::formats::input_format::{Contents, InputFormat, open};
use crate::formats::raw_row::{RawRow, RowCells};
use crate::formats::reader::RowReader;
use crate::formats::time_zone::{TimeZone, UnknownZone};
use crate::position::{Location, Position};
use crate::shards::column::check_offsets;

pub(crate) const PARQUET: InputFormat = InputFormat {
    recognizes: |start| start.starts_with(b"PAR1"),
    contents: Contents::Rows(|path, file, format| {
        Ok(Box::new(ParquetReader::new(path, file, format)?))
    }),
};

/// Rows that are decoded at a time. It bounds the memory, however many rows a row group has.
const BATCH_ROWS: usize = 1024;

/// Reads the rows of a Parquet file, as [`formats`](crate::formats) says. Columns that it cannot read have empty cells, and
/// [`unreadable`](RowReader::unreadable) tells why.
pub(crate) struct ParquetReader {
    /// `None` after an error.
    batches: Option<ParquetRecordBatchReader>,
    path: Arc<PathBuf>,
    names: Vec<String>,
    columns: Vec<ReadableColumn>,
    /// The rows that were decoded last, and how many of them have been read.
    batch: Arc<RowBatch>,
    batch_read: usize,
    /// Number of rows read.
    rows: u64,
}

impl ParquetReader {
    /// Opens a file, which may have no rows.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is not a Parquet file or has two columns of one name.
    #[cfg(test)]
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let format = RowFormat::csv("y");
        Self::new(path, open(path)?.into_inner(), &format)
    }

    /// Opens a file to read `rows` rows from each of `blocks` places spread evenly over it, or all rows
    /// of a file that has no more. Also gives the number of rows of the file.
    pub(crate) fn open_spread(
        path: &Path,
        format: &RowFormat,
        blocks: usize,
        rows: usize,
    ) -> Result<(Self, u64), DataError> {
        let file = open(path)?.into_inner();
        let metadata = guarded(path, || metadata(&file))?;
        let groups = metadata.metadata().row_groups().iter();
        let num_rows: usize = groups.map(|group| group.num_rows().max(0) as usize).sum();
        let selection = spread(num_rows, blocks, rows);
        Ok((
            Self::select(path, file, format, metadata, selection)?,
            num_rows as u64,
        ))
    }

    fn new(path: &Path, file: File, format: &RowFormat) -> Result<Self, DataError> {
        let metadata = guarded(path, || metadata(&file))?;
        Self::select(path, file, format, metadata, None)
    }

    /// Reads the selected rows, or all of them.
    fn select(
        path: &Path,
        file: File,
        format: &RowFormat,
        metadata: ArrowReaderMetadata,
        selection: Option<RowSelection>,
    ) -> Result<Self, DataError> {
        let names = names(&metadata, path)?;
        let columns = guarded(path, || columns(&metadata, format))?;
        let readable = (0..columns.len()).filter(|root| columns[*root].is_ok());
        let mask = ProjectionMask::roots(metadata.parquet_schema(), readable);
        let batches = guarded(path, || {
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
                .with_projection(mask)
                .with_batch_size(BATCH_ROWS);
            match selection {
                Some(selection) => builder.with_row_selection(selection).build(),
                None => builder.build(),
            }
        })?;
        Ok(Self {
            batches: Some(batches),
            path: Arc::new(path.to_owned()),
            names,
            columns,
            batch: Arc::new(RowBatch::EMPTY),
            batch_read: 0,
            rows: 0,
        })
    }

    /// Decodes the next rows; false at the end.
    fn next_batch(&mut self) -> Result<bool, DataError> {
        let Some(mut batches) = self.batches.take() else {
            return Ok(false);
        };
        let batch = guarded(&self.path, || {
            let arrays = batches.next().transpose()?;
            let batch = arrays.map(|arrays| RowBatch::new(&arrays, &self.columns));
            batch.transpose()
        })?;
        self.batches = Some(batches);
        let more = batch.is_some();
        self.batch = Arc::new(batch.unwrap_or(RowBatch::EMPTY));
        self.batch_read = 0;
        Ok(more)
    }
}

impl RowReader for ParquetReader {
    fn columns(&self) -> &[String] {
        &self.names
    }

    fn read_row(&mut self) -> Result<bool, DataError> {
        while self.batch_read == self.batch.num_rows {
            if !self.next_batch()? {
                return Ok(false);
            }
        }
        self.batch_read += 1;
        self.rows += 1;
        Ok(true)
    }

    fn row(&self) -> RawRow<'_> {
        let last = self.batch_read.wrapping_sub(1);
        RawRow(RowCells::Batch(&self.batch, last))
    }

    fn position(&self) -> Position {
        Position {
            path: Arc::clone(&self.path),
            location: Location::Row(self.rows),
        }
    }

    fn unreadable(&self, column: usize) -> Option<&str> {
        self.columns[column].as_ref().err().map(AsRef::as_ref)
    }
}

/// `rows` rows from the beginning of each of `blocks` equal parts; `None` if those are all rows.
fn spread(num_rows: usize, blocks: usize, rows: usize) -> Option<RowSelection> {
    if num_rows <= blocks * rows {
        return None;
    }
    let selectors = (0..blocks).flat_map(|block| {
        let length = (block + 1) * num_rows / blocks - block * num_rows / blocks;
        [RowSelector::select(rows), RowSelector::skip(length - rows)]
    });
    Some(selectors.collect::<Vec<_>>().into())
}

/// Runs a step of the Arrow reader. It panics on some damaged files, which is an error like any other: what
/// the step was working on is not used again.
fn guarded<T>(path: &Path, step: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, DataError> {
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(result) => result.map_err(DataError::parquet(path)),
        Err(_) => Err(DataError::corrupt(
            path,
            "the file is damaged: the Parquet reader gave up on it",
        )),
    }
}

/// The footer of a file and the Arrow types of its columns.
fn metadata(file: &File) -> Result<ArrowReaderMetadata, ParquetError> {
    // The types are those of Parquet, whatever Arrow types the writer noted beside them.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = ArrowReaderMetadata::load(file, options.clone())?;
    metadata
        .metadata()
        .row_groups()
        .iter()
        .try_for_each(check_offsets)?;
    let schema = metadata.parquet_schema();
    let fields = metadata.schema().fields().iter().enumerate();
    let fields = fields.map(|(root, field)| {
        if first_leaf(schema, root)?.physical_type() == PhysicalType::INT96 {
            Ok(with_micros(field))
        } else {
            Ok(field.as_ref().clone())
        }
    });
    let wanted = Schema::new(fields.collect::<Result<Vec<_>, ParquetError>>()?);
    if wanted.fields() == metadata.schema().fields() {
        return Ok(metadata);
    }
    ArrowReaderMetadata::try_new(
        Arc::clone(metadata.metadata()),
        options.with_schema(Arc::new(wanted)),
    )
}

/// A field of timestamps, or of lists of them, that is read in microseconds.
fn with_micros(field: &Field) -> Field {
    let data_type = match field.data_type() {
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        DataType::List(element) => DataType::List(Arc::new(with_micros(element))),
        other => other.clone(),
    };
    field.clone().with_data_type(data_type)
}

/// The names of the top-level fields.
fn names(metadata: &ArrowReaderMetadata, path: &Path) -> Result<Vec<String>, DataError> {
    let fields = metadata.schema().fields().iter();
    let names: Vec<String> = fields.map(|field| field.name().clone()).collect();
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(twice) => Err(DataErrorKind::DuplicateColumn {
            path: path.to_owned(),
            column: twice.clone(),
        }
        .into()),
        None => Ok(names),
    }
}

/// The columns that the top-level fields are read as.
fn columns(
    metadata: &ArrowReaderMetadata,
    format: &RowFormat,
) -> Result<Vec<ReadableColumn>, ParquetError> {
    let zones = if format.zoned_times {
        zones(metadata)
    } else {
        Vec::new()
    };
    let mut zones = zones.into_iter();
    let fields = metadata.schema().fields().iter().enumerate();
    let columns = fields.map(|(root, field)| {
        let leaf = first_leaf(metadata.parquet_schema(), root)?;
        let zone = zones.next().unwrap_or(Ok(None));
        Ok(match (unreadable(field.data_type(), &leaf), zone) {
            (Some(reason), _) => Err(reason.into()),
            (None, Err(zone)) => Err(zone.to_string().into()),
            (None, Ok(zone)) => Ok(ColumnType { leaf, zone }),
        })
    });
    columns.collect()
}

/// The zones of the times in the top-level fields, from the Arrow types that the writer noted. Parquet itself
/// knows UTC alone.
fn zones(metadata: &ArrowReaderMetadata) -> Vec<Result<Option<TimeZone>, UnknownZone>> {
    let noted = metadata.metadata().file_metadata().key_value_metadata();
    match parquet_to_arrow_schema(metadata.parquet_schema(), noted) {
        Ok(schema) => {
            let fields = schema.fields().iter();
            fields
                .map(|field| TimeZone::of(field.data_type()))
                .collect()
        }
        Err(_) => Vec::new(),
    }
}

/// The first column of values below a top-level field.
fn first_leaf(schema: &SchemaDescriptor, root: usize) -> Result<ColumnDescPtr, ParquetError> {
    let leaf = (0..schema.num_columns()).find(|leaf| schema.get_column_root_idx(*leaf) == root);
    let leaf = leaf.ok_or_else(|| {
        let name = schema.root_schema().get_fields()[root].name();
        ParquetError::General(format!("column `{name}` has no values"))
    })?;
    Ok(schema.column(leaf))
}

#[cfg(test)]
mod tests;
