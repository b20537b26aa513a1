use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use fibinet_storage::{AtomicDirectory, Replace, StorageError};

use crate::config::DataSpec;
use crate::encode::encoder::Encoder;
use crate::error::{DataError, DataErrorKind};
use crate::formats::parts;
use crate::prepare::prepared::Prepared;
use crate::prepare::run::{Progress, prepare};

/// Raised with every change of what [`prepare`] writes.
const CACHE_VERSION: u32 = 6;

/// As [`prepare`], into a directory of its own under `cache`, which is returned too. It is used again
/// as long as the spec and the files (by path, length and time of change) are the same.
///
/// Waits while another process or thread prepares the same, and then uses what that left. A directory
/// that is missing or damaged is made again.
///
/// # Errors
///
/// As [`prepare`], and if the directory exists but cannot be read: without permission or with too many
/// files open it may well be intact.
pub fn prepare_cached(
    spec: &DataSpec,
    base: Option<&Encoder>,
    cache: &Path,
    mut progress: impl FnMut(Progress),
) -> Result<(Prepared, PathBuf), DataError> {
    let key = cache_key(spec, base)?;
    let directory = cache.join(&key);
    if let Some(prepared) = open_intact(&directory)? {
        progress(Progress::Reused);
        return Ok((prepared, directory));
    }
    fs::create_dir_all(cache).map_err(DataError::io(cache))?;
    AtomicDirectory::remove_abandoned(cache)?;
    let aside = create_aside(&directory, &mut progress)?;
    // Another process may have finished it since.
    if let Some(prepared) = open_intact(&directory)? {
        progress(Progress::Reused);
        return Ok((prepared, directory));
    }
    remove(&directory)?;
    prepare(spec, base, aside.path(), progress)?;
    if cache_key(spec, base)? != key {
        return Err(DataErrorKind::Changed.into());
    }
    // Not synced: the files are checked when they are opened, and can be made again.
    aside.commit_unsynced()?;
    let prepared = Prepared::open(&directory)?;
    Ok((prepared, directory))
}

/// Removes what is in the way of a directory of the cache, which was found damaged.
fn remove(damaged: &Path) -> Result<(), DataError> {
    let removed = match damaged.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(damaged),
        Ok(_) => fs::remove_file(damaged),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(DataError::io(damaged)(error)),
        _ => Ok(()),
    }
}

/// Opens a directory of the cache; `None` if it is missing or damaged, so that it is to be made again.
fn open_intact(directory: &Path) -> Result<Option<Prepared>, DataError> {
    match Prepared::open(directory) {
        Ok(prepared) => Ok(Some(prepared)),
        Err(error) if is_missing_or_damaged(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_missing_or_damaged(error: &DataError) -> bool {
    match error.kind() {
        DataErrorKind::Storage(error) => error.is_missing_or_damaged(),
        DataErrorKind::Corrupt { .. } => true,
        _ => false,
    }
}

/// A directory to prepare in; waits while another process prepares the same.
fn create_aside(
    directory: &Path,
    progress: &mut impl FnMut(Progress),
) -> Result<AtomicDirectory, StorageError> {
    match AtomicDirectory::create(directory, Replace::Any) {
        Err(StorageError::Busy { .. }) => {
            progress(Progress::Waiting);
            AtomicDirectory::wait_and_create(directory, Replace::Any)
        }
        created => created,
    }
}

/// The files of all sources.
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

/// The size of all sources on disk, in bytes. A pipe has none.
///
/// # Errors
///
/// If a file's metadata cannot be read.
pub fn source_bytes(spec: &DataSpec) -> Result<u64, DataError> {
    let mut bytes = 0;
    for path in &source_files(spec)? {
        bytes += fs::metadata(path).map_err(DataError::io(path))?.len();
    }
    Ok(bytes)
}

/// A name that identifies the spec, the base and the present state of the files.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepare::testing::{rows, spec};
    use crate::shards::batch::Batch;

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

    /// A cache of one prepared directory, and what prepares it (whether it was used again).
    fn prepared_once(
        directory: &Path,
    ) -> (PathBuf, impl FnMut() -> Result<(Batch, bool), DataError>) {
        let text: String = (0..100)
            .map(|i| format!("{},p{}\n", i % 2, i % 3))
            .collect();
        fs::write(directory.join("train.csv"), format!("y,a\n{text}")).unwrap();
        let spec = spec(directory, "split = { valid = 0.2 }");
        let cache = directory.join("cache");
        let (_, at) = prepare_cached(&spec, None, &cache, |_| ()).unwrap();
        let run = move || {
            let mut reused = false;
            let progress = |progress| reused |= progress == Progress::Reused;
            let (prepared, _) = prepare_cached(&spec, None, &cache, progress)?;
            Ok((rows(&prepared.train), reused))
        };
        (at, run)
    }

    #[test]
    fn a_damaged_directory_is_made_again() {
        let directory = tempfile::tempdir().unwrap();
        let (at, mut run) = prepared_once(directory.path());
        let (expected, _) = run().unwrap();
        let manifest = at.join("prepared.toml");
        let vocabulary = at.join("encoder").join("vocabulary.fst");
        let shard = fs::read_dir(&at)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.extension().is_some_and(|ending| ending == "parquet"))
            .unwrap();
        let damages: [&dyn Fn(); 7] = [
            &|| fs::remove_file(&manifest).unwrap(),
            &|| fs::write(&manifest, [0xff]).unwrap(),
            &|| fs::write(&vocabulary, "").unwrap(),
            &|| fs::write(&shard, "PAR1").unwrap(),
            // A directory instead of a file.
            &|| {
                fs::remove_file(&manifest).unwrap();
                fs::create_dir(&manifest).unwrap();
            },
            &|| {
                fs::remove_dir_all(at.join("encoder")).unwrap();
                fs::write(at.join("encoder"), "").unwrap();
            },
            // A file in the place of the whole.
            &|| {
                fs::remove_dir_all(&at).unwrap();
                fs::write(&at, "").unwrap();
            },
        ];
        for (i, damage) in damages.into_iter().enumerate() {
            damage();
            assert_eq!(run().unwrap(), (expected.clone(), false), "damage {i}");
            assert_eq!(run().unwrap(), (expected.clone(), true), "after damage {i}");
        }
    }

    #[test]
    fn what_cannot_be_read_now_is_not_damaged() {
        let io = |kind: io::ErrorKind| DataError::io(Path::new("x"))(kind.into());
        assert!(is_missing_or_damaged(&io(io::ErrorKind::NotFound)));
        assert!(is_missing_or_damaged(&DataError::corrupt(
            Path::new("x"),
            "cut short"
        )));
        assert!(!is_missing_or_damaged(&io(io::ErrorKind::PermissionDenied)));
        // Parquet's reader hands the system's error on.
        let many = io::Error::from_raw_os_error(24);
        let parquet = parquet::errors::ParquetError::External(Box::new(many));
        assert!(!is_missing_or_damaged(&DataError::parquet(Path::new("x"))(
            parquet
        )));
        // A link to itself.
        #[cfg(unix)]
        {
            let directory = tempfile::tempdir().unwrap();
            let (at, mut run) = prepared_once(directory.path());
            fs::remove_file(at.join("prepared.toml")).unwrap();
            std::os::unix::fs::symlink("prepared.toml", at.join("prepared.toml")).unwrap();
            assert!(run().is_err());
            assert!(at.join("encoder").is_dir());
        }
    }

    #[test]
    fn who_prepares_the_same_at_once_waits_and_uses_it() {
        let directory = tempfile::tempdir().unwrap();
        let (at, mut run) = prepared_once(directory.path());
        let expected = run().unwrap();
        // Another process that began to make it, and leaves it finished.
        let kept = directory.path().join("kept");
        fs::rename(&at, &kept).unwrap();
        let other = AtomicDirectory::create(&at, Replace::Never).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(move || run().unwrap());
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert!(!waiting.is_finished());
            fs::rename(&kept, &at).unwrap();
            drop(other);
            assert_eq!(waiting.join().unwrap(), expected);
        });
        assert_eq!(fs::read_dir(at.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_process_left_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let (at, mut run) = prepared_once(directory.path());
        let cache = at.parent().unwrap();
        fs::create_dir(cache.join(".0123.fibinet-partial")).unwrap();
        fs::write(cache.join(".0123.fibinet-partial/train-0.parquet"), "half").unwrap();
        fs::write(cache.join(".0123.fibinet-lock"), "").unwrap();
        // As soon as something is prepared.
        fs::write(
            directory.path().join("train.csv"),
            "y,a\n1,p\n0,q\n0,r\n1,s\n0,t\n",
        )
        .unwrap();
        let _ = run();
        let left = fs::read_dir(cache)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let hidden: Vec<_> = left
            .filter(|name| name.as_encoded_bytes()[0] == b'.')
            .collect();
        assert!(hidden.is_empty(), "{hidden:?}");
    }
}
