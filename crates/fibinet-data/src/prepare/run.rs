use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::config::schema::{DataSpec, OnBadRow};
use crate::encode::encoder::{Encoder, RowEncoder, Unscaled};
use crate::encode::fit::EncoderFit;
use crate::encode::spill::Spill;
use crate::error::{DataError, DataErrorKind};
use crate::formats::blocks::{Block, Blocks};
use crate::formats::parts::{self, open_rows};
use crate::formats::reader::{Label, RowReader};
use crate::position::{Location, Position};
use crate::prepare::split::{Assigner, SplitKind};
use crate::shards::batch::Batch;
use crate::shards::prefetch::Prefetch;
use crate::shards::reader::Shards;
use crate::shards::writer::ShardWriter;

/// How far [`prepare`] has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Rows of the training file counted.
    Counting(u64),
    /// Rows of the training file read to fit the encoder.
    Fitting(u64),
    /// Rows of all files encoded.
    Encoding(u64),
    /// The rows were encoded before, and nothing has changed since.
    Reused,
}

/// A fitted encoder and the encoded rows of each split.
#[derive(Debug)]
pub struct Prepared {
    /// Fitted on the training rows alone.
    pub encoder: Encoder,
    /// Rows to learn from.
    pub train: Arc<Shards>,
    /// Rows to stop early by.
    pub valid: Arc<Shards>,
    /// Rows to judge by, where the spec has some.
    pub test: Option<Arc<Shards>>,
    /// Rows that are in no split.
    pub left_out: LeftOut,
}

/// Rows that no split has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Rows that could not be read and were skipped.
    pub bad_rows: u64,
    /// What was wrong with the first one met: not always the first of the file, as rows whose numbers
    /// have no scaled value are met when all rows have been read.
    pub first_bad_row: Option<String>,
    /// Rows whose value of the split's column is of no split.
    pub of_no_split: u64,
}

impl LeftOut {
    /// Counts a bad row where bad rows are skipped; any other error is given back.
    ///
    /// # Errors
    ///
    /// The error itself.
    pub fn skip(&mut self, on_bad_row: OnBadRow, error: DataError) -> Result<(), DataError> {
        if on_bad_row == OnBadRow::Fail || !error.is_bad_row() {
            return Err(error);
        }
        self.bad_rows += 1;
        self.first_bad_row.get_or_insert_with(|| error.to_string());
        Ok(())
    }
}

/// The file that is written last: a directory without it is no prepared one.
const MANIFEST: &str = "prepared.toml";
const ENCODER: &str = "encoder";
/// Changes with whatever changes what [`prepare`] writes.
const CACHE_VERSION: u32 = 3;
/// Rows that a thread encodes at a time.
const CHUNK_ROWS: usize = 512;
/// Blocks of rows that lie ready.
const BLOCKS_AHEAD: usize = 2;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    /// The files of the three splits.
    files: [Vec<String>; 3],
    left_out: LeftOut,
}

/// Fits an encoder on the training rows and writes every split encoded into a directory.
///
/// Training rows are scattered over files by their number, so that each file is a fair sample of
/// all of them, whatever their order. With a `base`, what that was fitted on stays
/// as it is, buckets and scales too: its tokens keep their ids, and those that it does not have come
/// after them.
///
/// A thread reads ahead; fields are counted, and rows encoded and written, on all threads, with the
/// same result at any number of them. The training file is read once (twice, where the last rows make
/// the splits): until the encoder is fitted, its rows lie in a file without a name in the directory.
/// There a token or id takes 1 to 4 bytes, as the largest of its block needs, a number 4 and a group
/// 8, which can be more than the file itself takes, if it is compressed above all. It stays until all
/// its rows are encoded: the disk must have room for both.
///
/// # Errors
///
/// Where the base has other fields, a file cannot be read or written, a row is not what the spec
/// says, or no row goes to the training or the validation split.
pub fn prepare(
    spec: &DataSpec,
    base: Option<&Encoder>,
    directory: &Path,
    mut progress: impl FnMut(Progress),
) -> Result<Prepared, DataError> {
    // What is in the directory is prepared again only when all of it is.
    match fs::remove_file(directory.join(MANIFEST)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(DataError::io(directory)(error));
        }
        _ => {}
    }
    let count = match &spec.sources.split {
        Some(split) if split.needs_count() => {
            count(spec, |rows| progress(Progress::Counting(rows)))?
        }
        _ => 0,
    };
    if let Some(base) = base {
        check_base(spec, base)?;
    }
    fs::create_dir_all(directory).map_err(DataError::io(directory))?;
    let spill = Spill::create(directory)?;
    let fitted = fit(spec, base, count, spill, |rows| {
        progress(Progress::Fitting(rows));
    })?;
    let Fitted {
        encoder,
        rows,
        num_train,
        mut left_out,
    } = fitted;
    encoder.save(&directory.join(ENCODER))?;

    let writer = |kind: SplitKind, num_files| {
        ShardWriter::create(directory, kind.name(), encoder.shard_layout(), num_files)
    };
    let mut writers = [
        writer(SplitKind::Train, spec.num_train_files(num_train))?,
        writer(SplitKind::Valid, 1)?,
        writer(SplitKind::Test, 1)?,
    ];
    let mut encoded = 0;
    let mut progress = |rows| {
        encoded += rows;
        progress(Progress::Encoding(encoded));
    };
    write_fitted(
        spec,
        &encoder,
        rows,
        &mut writers,
        &mut left_out,
        &mut progress,
    )?;
    let files = [
        (&spec.sources.valid, SplitKind::Valid),
        (&spec.sources.test, SplitKind::Test),
    ];
    for (path, kind) in files {
        let Some(path) = path else { continue };
        let writer = &mut writers[kind as usize];
        let bad = write_file(spec, &encoder, path, writer, &mut progress)?;
        left_out.bad_rows += bad.bad_rows;
        left_out.first_bad_row = left_out.first_bad_row.take().or(bad.first_bad_row);
    }

    let [train, valid, test] = writers;
    let [train, valid, test] = [train.finish()?, valid.finish()?, test.finish()?];
    if train.num_rows() == 0 {
        return Err(DataErrorKind::EmptySplit {
            split: SplitKind::Train.name(),
            reason: "all those that the training file has for it are bad rows",
        }
        .into());
    }
    if valid.num_rows() == 0 {
        return Err(DataErrorKind::EmptySplit {
            split: SplitKind::Valid.name(),
            reason: "the training file has none for it: see `data.split`",
        }
        .into());
    }
    let names = |shards: &Shards| {
        let names = shards.files().iter().filter_map(|path| path.file_name());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    };
    let manifest = Manifest {
        files: [names(&train), names(&valid), names(&test)],
        left_out,
    };
    let path = directory.join(MANIFEST);
    let text = toml::to_string(&manifest).map_err(|error| DataError::corrupt(&path, error))?;
    fs::write(&path, text).map_err(DataError::io(&path))?;
    Ok(Prepared {
        encoder,
        train: Arc::new(train),
        valid: Arc::new(valid),
        test: Some(Arc::new(test)).filter(|shards| shards.num_rows() > 0),
        left_out: manifest.left_out,
    })
}

/// [`prepare`] into a directory of its own under `cache`, which is used again while neither the spec
/// nor a file (its path, length and time of change) is another. Gives that directory too.
///
/// # Errors
///
/// As [`prepare`].
pub fn prepare_cached(
    spec: &DataSpec,
    base: Option<&Encoder>,
    cache: &Path,
    mut progress: impl FnMut(Progress),
) -> Result<(Prepared, PathBuf), DataError> {
    let key = cache_key(spec, base)?;
    let directory = cache.join(&key);
    match Prepared::open(&directory) {
        Ok(prepared) => {
            progress(Progress::Reused);
            return Ok((prepared, directory));
        }
        // Damaged, or in part deleted: it is made again.
        Err(_) if directory.is_dir() => {
            fs::remove_dir_all(&directory).map_err(DataError::io(&directory))?;
        }
        Err(_) => {}
    }
    fs::create_dir_all(cache).map_err(DataError::io(cache))?;
    let partial = Partial::create(cache)?;
    prepare(spec, base, partial.0.path(), progress)?;
    if cache_key(spec, base)? != key {
        return Err(DataErrorKind::Changed.into());
    }
    match fs::rename(partial.0.path(), &directory) {
        Ok(()) => {}
        // Another process was faster with the same.
        Err(_) if directory.join(MANIFEST).is_file() => {}
        Err(error) => return Err(DataError::io(&directory)(error)),
    }
    let prepared = Prepared::open(&directory)?;
    Ok((prepared, directory))
}

/// A directory that is removed again where it is not renamed, and the lock that says that its process
/// lives.
struct Partial(
    TempDir,
    #[expect(dead_code, reason = "held, never read")] File,
);

const PARTIAL: &str = ".partial-";
const LOCK: &str = "lock";

impl Partial {
    fn create(cache: &Path) -> Result<Self, DataError> {
        remove_dead(cache)?;
        let directory = tempfile::Builder::new().prefix(PARTIAL).tempdir_in(cache);
        let directory = directory.map_err(DataError::io(cache))?;
        // Locked before it has its name, by which others would try it.
        let (path, unnamed) = (
            directory.path().join(LOCK),
            directory.path().join("unnamed"),
        );
        let lock = File::create(&unnamed).map_err(DataError::io(&unnamed))?;
        lock.lock().map_err(DataError::io(&unnamed))?;
        fs::rename(&unnamed, &path).map_err(DataError::io(&path))?;
        Ok(Self(directory, lock))
    }
}

/// Removes what killed processes left, whose locks are free.
fn remove_dead(cache: &Path) -> Result<(), DataError> {
    for entry in fs::read_dir(cache).map_err(DataError::io(cache))? {
        let entry = entry.map_err(DataError::io(cache))?;
        let is_partial = entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(PARTIAL.as_bytes());
        // Without a lock it is being made, or was renamed meanwhile.
        if is_partial
            && let Ok(lock) = File::open(entry.path().join(LOCK))
            && lock.try_lock().is_ok()
        {
            // What cannot be removed is in nobody's way.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// The files of every source.
fn source_files(spec: &DataSpec) -> Result<Vec<PathBuf>, DataError> {
    let sources = &spec.sources;
    let paths = [
        Some(&sources.train),
        sources.valid.as_ref(),
        sources.test.as_ref(),
    ];
    let mut files = Vec::new();
    for path in paths.into_iter().flatten() {
        files.extend(parts::files(path)?);
    }
    Ok(files)
}

/// The bytes of every source's files, as they lie on disk; a pipe has none.
///
/// # Errors
///
/// Where a file cannot be looked at.
pub fn source_bytes(spec: &DataSpec) -> Result<u64, DataError> {
    let mut bytes = 0;
    for path in &source_files(spec)? {
        bytes += fs::metadata(path).map_err(DataError::io(path))?.len();
    }
    Ok(bytes)
}

/// A name for the spec and the files as they are.
fn cache_key(spec: &DataSpec, base: Option<&Encoder>) -> Result<String, DataError> {
    let base = base.map(Encoder::fingerprint);
    let mut text = format!("{CACHE_VERSION} {spec:?} {base:?}");
    for path in &source_files(spec)? {
        let metadata = fs::metadata(path).map_err(DataError::io(path))?;
        let whole = path.canonicalize().map_err(DataError::io(path))?;
        let changed = metadata.modified().map_err(DataError::io(path))?;
        let changed = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
        text += &format!(" {whole:?} {} {}", metadata.len(), changed.as_nanos());
    }
    let hash = |seed| twox_hash::XxHash64::oneshot(seed, text.as_bytes());
    Ok(format!("{:016x}{:016x}", hash(0), hash(1)))
}

impl Prepared {
    /// Opens a directory that [`prepare`] wrote.
    ///
    /// # Errors
    ///
    /// Where a file is missing or is not what it should be.
    pub fn open(directory: &Path) -> Result<Self, DataError> {
        let path = directory.join(MANIFEST);
        let text = fs::read_to_string(&path).map_err(DataError::io(&path))?;
        let manifest: Manifest =
            toml::from_str(&text).map_err(|error| DataError::corrupt(&path, error))?;
        let encoder = Encoder::open(&directory.join(ENCODER))?;
        let open = |files: Vec<String>| {
            let files = files.iter().map(|name| directory.join(name)).collect();
            Shards::open(files, encoder.shard_layout())
        };
        let [train, valid, test] = manifest.files;
        Ok(Self {
            train: Arc::new(open(train)?),
            valid: Arc::new(open(valid)?),
            test: Some(Arc::new(open(test)?)).filter(|shards| shards.num_rows() > 0),
            left_out: manifest.left_out,
            encoder,
        })
    }
}

fn check_base(spec: &DataSpec, base: &Encoder) -> Result<(), DataError> {
    let known: Vec<_> = base.fields().collect();
    let differ = |difference| Err(DataErrorKind::OtherFields { difference }.into());
    // What decides the meaning of cells; how they are written may change.
    let (format, base) = (&spec.format, base.format());
    if format.missing != base.missing {
        let (new, old) = (&format.missing, &base.missing);
        return differ(format!("`missing` is {new:?} where it has {old:?}"));
    }
    if format.positive != base.positive {
        let (new, old) = (&format.positive, &base.positive);
        return differ(format!("`positive` is {new:?} where it has {old:?}"));
    }
    for (i, field) in spec.fields.iter().enumerate() {
        match known.get(i) {
            Some(known) if *known == field => {}
            Some(known) if known.name == field.name => {
                return differ(format!("`{}` is encoded otherwise", field.name));
            }
            Some(known) => {
                return differ(format!(
                    "`{}` stands where it has `{}`",
                    field.name, known.name
                ));
            }
            None => return differ(format!("it has no `{}`", field.name)),
        }
    }
    match known.get(spec.fields.len()) {
        Some(known) => differ(format!("`{}` is missing", known.name)),
        None => Ok(()),
    }
}

fn count(spec: &DataSpec, mut progress: impl FnMut(u64)) -> Result<u64, DataError> {
    let path = &spec.sources.train;
    let reader = open_rows(path, &spec.format, Label::Required)?;
    let mut count = 0;
    let bad = for_each_block(reader, path, spec.on_bad_row, |block| {
        count += block.num_rows() as u64;
        progress(count);
        Ok(Vec::new())
    })?;
    Ok(count + bad.bad_rows)
}

/// A fitted encoder.
struct Fitted {
    encoder: Encoder,
    /// The rows of the training file.
    rows: Spill,
    /// How many of them the encoder was fitted on.
    num_train: u64,
    left_out: LeftOut,
}

/// Fits the encoder. The training file is read once: its rows wait in `spill` for the ids of their
/// tokens.
fn fit(
    spec: &DataSpec,
    base: Option<&Encoder>,
    count: u64,
    mut spill: Spill,
    mut progress: impl FnMut(u64),
) -> Result<Fitted, DataError> {
    let path = &spec.sources.train;
    let reader = open_rows(path, &spec.format, Label::Required)?;
    let mut fit = EncoderFit::new(&spec.format, &spec.fields, reader.as_ref())?;
    let split = assigner(spec, reader.as_ref(), count)?;
    let (mut read, mut num_train, mut of_no_split) = (0, 0, 0);
    let left_out = for_each_block(reader, path, spec.on_bad_row, |block| {
        let rows = 0..block.num_rows();
        let rows: Vec<_> = rows
            .filter_map(|at| Some((at, split.assign(block.row(at))?)))
            .collect();
        let (waiting, bad) = fit.add(block, &rows);
        spill.write(&waiting)?;
        let kinds = waiting.kinds.iter();
        num_train += kinds.filter(|kind| **kind == SplitKind::Train).count() as u64;
        of_no_split += (block.num_rows() - rows.len()) as u64;
        read += block.num_rows() as u64;
        progress(read);
        Ok(bad)
    })?;
    if num_train == 0 {
        return Err(DataErrorKind::EmptySplit {
            split: SplitKind::Train.name(),
            reason: "the training file has none for it: see `data.split`",
        }
        .into());
    }
    Ok(Fitted {
        encoder: fit.finish(base),
        rows: spill,
        num_train,
        left_out: LeftOut {
            of_no_split,
            ..left_out
        },
    })
}

/// Encodes and writes the rows of the training file.
///
/// # Errors
///
/// [`DataErrorKind::AllBad`] where none of them could be encoded, beside what cannot be read or written.
fn write_fitted(
    spec: &DataSpec,
    encoder: &Encoder,
    rows: Spill,
    writers: &mut [ShardWriter; 3],
    left_out: &mut LeftOut,
    progress: &mut impl FnMut(u64),
) -> Result<(), DataError> {
    let path = &spec.sources.train;
    let blocks = rows.into_blocks()?;
    let mut kept = 0;
    for rows in Prefetch::new(blocks, BLOCKS_AHEAD).map_err(DataError::io(path))? {
        let mut rows = rows?;
        let refused = encoder.encode_fitted(&mut rows.columns);
        kept += rows.kinds.len() - refused.len();
        for &unscaled in &refused {
            // One is named.
            match left_out.first_bad_row {
                Some(_) => left_out.bad_rows += 1,
                None => {
                    let error = bad_row(spec, encoder, rows.numbers[unscaled.row], unscaled)?;
                    left_out.skip(spec.on_bad_row, error)?;
                }
            }
        }
        let mut by_kind = SplitKind::ALL.map(|_| Vec::new());
        for (row, kind) in (0..).zip(&rows.kinds) {
            by_kind[*kind as usize].push(row);
        }
        if !refused.is_empty() {
            let is_kept = |row: &u32| {
                let row = *row as usize;
                let found = refused.binary_search_by_key(&row, |unscaled| unscaled.row);
                found.is_err()
            };
            by_kind.iter_mut().for_each(|rows| rows.retain(is_kept));
        }
        for (writer, rows_of_kind) in writers.iter_mut().zip(&by_kind) {
            writer.add_columns(&rows.columns, rows_of_kind);
            writer.write_full_row_groups()?;
        }
        progress(rows.kinds.len() as u64);
    }
    match &left_out.first_bad_row {
        Some(first) if kept == 0 => Err(DataErrorKind::AllBad {
            path: path.clone(),
            first: first.clone(),
        }
        .into()),
        _ => Ok(()),
    }
}

/// What is wrong with a row of the training file that the encoder cannot encode. The row is read
/// again for it, where it can be.
fn bad_row(
    spec: &DataSpec,
    encoder: &Encoder,
    number: u64,
    unscaled: Unscaled,
) -> Result<DataError, DataError> {
    let path = &spec.sources.train;
    // A pipe has no rows a second time.
    if !path.is_file() && !path.is_dir() {
        let position = Position {
            path: Arc::new(path.clone()),
            location: Location::Row(number + 1),
        };
        return Ok(encoder.unscaled(unscaled, position));
    }
    let reader = open_rows(path, &spec.format, Label::Required)?;
    let mut rows = encoder.rows(reader.as_ref(), true)?;
    for block in Blocks::new(reader) {
        let block = block?;
        let mut those = (0..block.num_rows()).map(|at| block.row(at));
        if let Some(row) = those.find(|row| row.number() == number) {
            let encoded = rows.encode_cells(
                |column| row.cell(column),
                row.position(),
                &mut Batch::default(),
            );
            return Ok(encoded.err().unwrap_or(DataErrorKind::Changed.into()));
        }
    }
    Ok(DataErrorKind::Changed.into())
}

/// Encodes and writes a file that is one split.
fn write_file(
    spec: &DataSpec,
    encoder: &Encoder,
    path: &Path,
    writer: &mut ShardWriter,
    progress: &mut impl FnMut(u64),
) -> Result<LeftOut, DataError> {
    let reader = open_rows(path, &spec.format, Label::Required)?;
    let rows = encoder.rows(reader.as_ref(), true)?;
    for_each_block(reader, path, spec.on_bad_row, |block| {
        let chunks = (0..block.num_rows().div_ceil(CHUNK_ROWS)).into_par_iter();
        let encode = |chunk| {
            let start = chunk * CHUNK_ROWS;
            let end = block.num_rows().min(start + CHUNK_ROWS);
            Chunk::encode(block, start..end, rows.clone())
        };
        let chunks: Vec<Chunk> = chunks.map(encode).collect();
        let mut bad = Vec::new();
        for chunk in chunks {
            (0..chunk.batch.num_rows).for_each(|row| writer.add(&chunk.batch, row));
            progress(chunk.batch.num_rows as u64);
            bad.extend(chunk.bad);
        }
        writer.write_full_row_groups()?;
        Ok(bad)
    })
}

/// What decides the split of the training file's rows.
fn assigner<'a>(
    spec: &'a DataSpec,
    reader: &dyn RowReader,
    count: u64,
) -> Result<Assigner<'a>, DataError> {
    match &spec.sources.split {
        Some(split) => split.assigner(reader, count),
        None => Ok(Assigner::Whole(SplitKind::Train)),
    }
}

/// Encoded rows.
#[derive(Default)]
struct Chunk {
    batch: Batch,
    bad: Vec<(u64, DataError)>,
}

impl Chunk {
    fn encode(block: &Block, rows: Range<usize>, mut encoder: RowEncoder<'_>) -> Self {
        let mut chunk = Self::default();
        for row in rows.map(|at| block.row(at)) {
            let cell = |column| row.cell(column);
            if let Err(error) = encoder.encode_cells(cell, row.position(), &mut chunk.batch) {
                chunk.bad.push((row.number(), error));
            }
        }
        chunk
    }
}

/// Gives the rows of a file, which a thread of its own reads ahead. Bad rows, those that cannot be
/// read and those that `each` gives back, with their numbers, count as `on_bad_row` says.
fn for_each_block(
    reader: Box<dyn RowReader>,
    path: &Path,
    on_bad_row: OnBadRow,
    mut each: impl FnMut(&Block) -> Result<Vec<(u64, DataError)>, DataError>,
) -> Result<LeftOut, DataError> {
    let mut left_out = LeftOut::default();
    let mut number = 0;
    for block in Prefetch::new(Blocks::new(reader), BLOCKS_AHEAD).map_err(DataError::io(path))? {
        let mut block = block?;
        let mut bad = std::mem::take(&mut block.bad);
        number += (block.num_rows() + bad.len()) as u64;
        bad.extend(each(&block)?);
        bad.sort_by_key(|(number, _)| *number);
        for (_, error) in bad {
            left_out.skip(on_bad_row, error)?;
        }
    }
    match &left_out.first_bad_row {
        Some(first) if left_out.bad_rows == number => Err(DataErrorKind::AllBad {
            path: path.to_owned(),
            first: first.clone(),
        }
        .into()),
        None if number == 0 => Err(DataErrorKind::Empty {
            path: path.to_owned(),
        }
        .into()),
        _ => Ok(left_out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::DataConfig;
    use std::fs;

    fn spec(directory: &Path, rest: &str) -> DataSpec {
        let text = format!(
            "train = {:?}\nlabel = 'y'\n{rest}\n[[fields]]\nname = 'a'\nkind = 'categorical'",
            directory.join("train.csv")
        );
        toml::from_str::<DataConfig>(&text)
            .unwrap()
            .validate()
            .unwrap()
    }

    fn rows(shards: &Shards) -> Batch {
        let mut batch = Batch::default();
        (0..shards.num_row_groups())
            .for_each(|group| shards.read_row_group(group, &mut batch).unwrap());
        batch
    }

    #[test]
    fn the_encoder_sees_training_rows_alone() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        // Every token is met once: those of other splits must be out of the vocabulary.
        let text: String = (0..1000).map(|i| format!("{},token{i}\n", i % 2)).collect();
        fs::write(directory.join("train.csv"), format!("y,a\n{text}")).unwrap();
        let spec = spec(directory, "split = { valid = 0.2, test = 0.1 }");
        let mut reports = Vec::new();
        let prepared = prepare(&spec, None, directory, |report| reports.push(report)).unwrap();
        assert_eq!(reports, [Progress::Fitting(1000), Progress::Encoding(1000)]);

        let (train, valid) = (rows(&prepared.train), rows(&prepared.valid));
        let test = rows(prepared.test.as_ref().unwrap().as_ref());
        assert_eq!(train.num_rows + valid.num_rows + test.num_rows, 1000);
        assert!((650..750).contains(&train.num_rows), "{}", train.num_rows);
        assert!(train.ids.iter().all(|id| *id >= Encoder::FIRST_TOKEN));
        for other in [&valid.ids, &test.ids] {
            assert!(other.iter().all(|id| *id == Encoder::OUT_OF_VOCABULARY));
        }
    }

    #[test]
    fn separate_files_are_whole_splits() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        fs::write(directory.join("train.csv"), "y,a\n1,p\n0,q\n0,p\n").unwrap();
        fs::write(directory.join("valid.csv"), "a,y\nq,1\nr,0\n").unwrap();
        let valid = format!("valid = {:?}", directory.join("valid.csv"));
        let prepared = prepare(&spec(directory, &valid), None, directory, |_| ()).unwrap();
        assert_eq!(rows(&prepared.train).ids, [3, 4, 3]);
        assert_eq!(rows(&prepared.valid).ids, [4, 1]);
        assert_eq!(rows(&prepared.valid).labels, [1.0, 0.0]);
        assert!(prepared.test.is_none());
    }

    #[test]
    fn a_split_without_rows_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        fs::write(directory.join("train.csv"), "y,a\n1,p\n").unwrap();
        let spec = spec(directory, "split = { valid = 0.0001 }");
        let error = prepare(&spec, None, directory, |_| ())
            .unwrap_err()
            .to_string();
        assert!(error.contains("no rows in the valid split"), "{error}");
        fs::write(directory.join("train.csv"), "y,a\n").unwrap();
        let error = prepare(&spec, None, directory, |_| ())
            .unwrap_err()
            .to_string();
        assert!(
            error.ends_with("train.csv: the file has no rows"),
            "{error}"
        );
    }

    #[test]
    fn the_last_rows_or_a_columns_values_make_the_splits() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let text: String = (0..100)
            .map(|i| format!("{},{i},{}\n", i % 2, ["A", "B", "C", "D"][i % 4]))
            .collect();
        fs::write(directory.join("train.csv"), format!("y,a,part\n{text}")).unwrap();
        let counts = |split: &str| {
            let prepared = prepare(&spec(directory, split), None, directory, |_| ()).unwrap();
            let test = prepared.test.as_ref().map_or(0, |test| test.num_rows());
            let (train, valid) = (prepared.train.num_rows(), prepared.valid.num_rows());
            ([train, valid, test], prepared)
        };
        let (rows_of, prepared) = counts("split = { by = 'order', valid = 0.2, test = 0.1 }");
        assert_eq!(rows_of, [70, 20, 10]);
        // The labels alternate, and the first of the test rows is number 90.
        assert_eq!(rows(&prepared.valid).labels[..2], [0.0, 1.0]);

        let by_column = "split = { by = 'column', column = 'part', train_value = 'A', ";
        let (rows_of, prepared) = counts(&format!(
            "{by_column} valid_value = 'B', test_value = 'C' }}"
        ));
        assert_eq!((rows_of, prepared.left_out.of_no_split), ([25, 25, 25], 25));
        let (rows_of, _) = counts(&format!("{by_column} valid = 0.4, test_value = 'C' }}"));
        assert!(
            rows_of[0] + rows_of[1] == 25 && (4..16).contains(&rows_of[1]),
            "{rows_of:?}"
        );
        assert_eq!(rows_of[2], 25);
    }

    #[test]
    fn bad_rows_are_skipped_where_asked_and_counted() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let text: String = (0..200)
            .map(|i| match i {
                50 => "1,only,too,many\n".to_owned(),
                60 => "yes,p\n".to_owned(),
                _ => format!("{},p{}\n", i % 2, i % 3),
            })
            .collect();
        let path = directory.join("train.csv");
        fs::write(&path, format!("y,a\n{text}")).unwrap();
        let split = "split = { valid = 0.2 }";
        let error = prepare(&spec(directory, split), None, directory, |_| ()).unwrap_err();
        assert!(
            error.to_string().contains("train.csv:52: 4 columns"),
            "{error}"
        );
        let skip = spec(directory, &format!("on_bad_row = 'skip'\n{split}"));
        let prepared = prepare(&skip, None, directory, |_| ()).unwrap();
        assert_eq!(prepared.train.num_rows() + prepared.valid.num_rows(), 198);
        assert_eq!(prepared.left_out.bad_rows, 2);
        let first = prepared.left_out.first_bad_row.unwrap();
        assert!(first.contains("train.csv:52: 4 columns"), "{first}");
        fs::write(&path, "y,a\n2,p\n3,q\n").unwrap();
        let error = prepare(&skip, None, directory, |_| ())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("no row could be read; the first: "),
            "{error}"
        );
    }

    #[test]
    fn a_number_that_has_no_scaled_value_makes_a_bad_row() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let mut rows = vec!["1,0", "0,1e-30", "1,0", "0,0", "0,1e30", "1,0", "1,-1e30"];
        let spec = |rest: &str| {
            let split = "split = { by = 'order', valid = 0.5 }";
            let text = format!(
                "train = {:?}\nlabel = 'y'\n{rest}\n{split}\n[[fields]]\nname = 'v'\n\
                 kind = 'numeric'\nencoding = 'value'\nscaling = 'min_max'",
                directory.join("train.csv")
            );
            let config = toml::from_str::<DataConfig>(&text).unwrap();
            config.validate().unwrap()
        };
        let write = |rows: &[&str]| {
            fs::write(
                directory.join("train.csv"),
                format!("y,v\n{}\n", rows.join("\n")),
            )
            .unwrap();
        };
        write(&rows);
        let expected = "train.csv:6, column `v`: (v - 0) * 99999999";
        let error = prepare(&spec(""), None, directory, |_| ()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        let skip = spec("on_bad_row = 'skip'");
        let prepared = prepare(&skip, None, directory, |_| ()).unwrap();
        assert_eq!(
            (prepared.train.num_rows(), prepared.valid.num_rows()),
            (4, 1)
        );
        assert_eq!(prepared.left_out.bad_rows, 2);
        let first = prepared.left_out.first_bad_row.unwrap();
        assert!(first.contains(expected), "{first}");
        // What is found while rows are read comes first.
        rows[0] = "x,0";
        write(&rows);
        let left_out = prepare(&skip, None, directory, |_| ()).unwrap().left_out;
        assert_eq!(left_out.bad_rows, 3);
        let first = left_out.first_bad_row.unwrap();
        assert!(first.contains("train.csv:2, column `y`"), "{first}");

        // A base's scale may leave no row.
        write(&["1,0", "0,1e-30", "1,0", "0,0"]);
        let base = prepare(&skip, None, directory, |_| ()).unwrap().encoder;
        let error = |rows: &[&str], spec: &DataSpec| {
            write(rows);
            let error = prepare(spec, Some(&base), directory, |_| ()).unwrap_err();
            error.to_string()
        };
        let all = error(&["1,1e30", "0,1e30"], &skip);
        assert!(all.contains("no row could be read; the first: "), "{all}");
        let train = error(&["1,1e30", "0,1e30", "1,0", "0,0"], &skip);
        assert!(train.contains("no rows in the train split: all"), "{train}");

        // A pipe is not read again.
        #[cfg(unix)]
        {
            let (pipe, valid) = (directory.join("pipe"), directory.join("train.csv"));
            let made = std::process::Command::new("mkfifo").arg(&pipe).status();
            assert!(made.unwrap().success());
            let mut piped = skip.clone();
            piped.sources.split = None;
            (piped.sources.train, piped.sources.valid) = (pipe.clone(), Some(valid));
            let writer = std::thread::spawn(move || fs::write(pipe, "y,v\n1,0\n0,1e30\n"));
            let left_out = prepare(&piped, Some(&base), directory, |_| ())
                .unwrap()
                .left_out;
            writer.join().unwrap().unwrap();
            let first = left_out.first_bad_row.unwrap();
            assert!(
                first.contains("pipe, row 2, column `v`: (v - 0) * "),
                "{first}"
            );
            assert!(first.ends_with("the cell is `1e30`"), "{first}");
        }
    }

    #[test]
    fn a_cache_is_used_again_until_something_changes() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let text: String = (0..100)
            .map(|i| format!("{},p{}\n", i % 2, i % 3))
            .collect();
        let path = directory.join("train.csv");
        fs::write(&path, format!("y,a\n{text}")).unwrap();
        let cache = directory.join("cache");
        let run = |split: &str| {
            let mut reused = false;
            let (prepared, at) =
                prepare_cached(&spec(directory, split), None, &cache, |progress| {
                    reused |= progress == Progress::Reused;
                })
                .unwrap();
            (rows(&prepared.train), at, reused)
        };
        let split = "split = { valid = 0.2 }";
        let (first, at, reused) = run(split);
        assert!(!reused);
        assert_eq!(run(split), (first.clone(), at.clone(), true));
        let (other, elsewhere, reused) = run("split = { valid = 0.3 }");
        assert!(!reused && other != first && elsewhere != at);
        fs::write(&path, format!("y,a\n{text}1,p1\n")).unwrap();
        assert!(!run(split).2);
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 3);
    }

    #[test]
    fn an_encoder_goes_on_from_another_and_keeps_its_ids() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let valid = format!("valid = {:?}", directory.join("train.csv"));
        let rows_of = |tokens: &[&str]| {
            let rows: String = tokens.iter().map(|token| format!("1,{token}\n")).collect();
            fs::write(directory.join("train.csv"), format!("y,a\n{rows}")).unwrap();
        };
        rows_of(&["x", "y", "y", "z"]);
        let first = prepare(&spec(directory, &valid), None, directory, |_| ()).unwrap();
        assert_eq!(rows(&first.train).ids, [4, 3, 3, 5]);
        rows_of(&["new", "z", "new", "y", "newer"]);
        let base = Some(&first.encoder);
        let next = prepare(&spec(directory, &valid), base, directory, |_| ()).unwrap();
        assert_eq!(rows(&next.train).ids, [6, 5, 6, 3, 7]);
        assert_eq!(next.encoder.layout()[0].shape.num_ids(), Some(8));

        let mut other = spec(directory, &valid);
        other.fields[0].name = "b".to_owned();
        let error = prepare(&other, base, directory, |_| ())
            .unwrap_err()
            .to_string();
        assert!(error.ends_with("`b` stands where it has `a`"), "{error}");
    }
}
