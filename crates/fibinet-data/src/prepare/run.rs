use std::fs;
use std::io;
use std::path::Path;

use crate::config::DataSpec;
use crate::config::split::{Split, SplitKind};
use crate::encode::encoder::{Encoder, SeenBySplit};
use crate::encode::spill::Spill;
use crate::error::DataError;
use crate::prepare::base::continued;
use crate::prepare::fit::{Fitted, count, fit};
use crate::prepare::prepared::{ENCODER, MANIFEST, Prepared};
use crate::prepare::split::FirstPass;
use crate::prepare::time_cuts::TimeCuts;
use crate::prepare::write::{write_file, write_fitted};
use crate::shards::writer::ShardWriter;
use crate::skipped::SkippedRows;

/// How far [`prepare`] has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Rows of the training file counted.
    Counting(u64),
    /// Rows of the training file read to fit the encoder.
    Fitting(u64),
    /// Rows of all files encoded.
    Encoding(u64),
    /// Another process is preparing the same rows, which are used once it is done.
    Waiting,
    /// The rows were encoded before, and nothing has changed since.
    Reused,
}

/// Fits an encoder on the training rows and writes every split, encoded, into a directory.
///
/// Training rows are scattered over files by their row number, so that each file is a fair sample of
/// all of them, whatever their order. With a `base`, everything that it was fitted on stays as it is:
/// buckets and scales, and the ids of its tokens. New tokens get the ids after those.
///
/// One thread reads ahead. All threads count fields and encode and write rows, with the same result
/// at any number of threads. The training file is read once, or twice if the splits go by the rows'
/// order or by time; with time, the first pass keeps 8 bytes per row in an unnamed file. Until the encoder is fitted, its rows are kept in an unnamed file in the directory, where a
/// token or id takes 1 to 4 bytes (as many as the largest of its block needs), a number 4 and a group
/// 8. That can be more than the file itself, above all if it is compressed. The unnamed file lasts
/// until all its rows are encoded, so the disk must hold both at once.
///
/// # Errors
///
/// If the base has other fields, a file cannot be read or written, a row is not what the spec says,
/// or no row goes to the training or the validation split.
pub fn prepare(
    spec: &DataSpec,
    base: Option<&Encoder>,
    directory: &Path,
    mut progress: impl FnMut(Progress),
) -> Result<Prepared, DataError> {
    remove_manifest(directory)?;
    let spec = &match base {
        Some(base) => continued(spec, base)?,
        None => spec.clone(),
    };
    fs::create_dir_all(directory).map_err(DataError::io(directory))?;
    let first_pass = first_pass(spec, directory, |rows| progress(Progress::Counting(rows)))?;
    let spill = Spill::create(directory)?;
    let Fitted {
        encoder,
        rows,
        num_train,
        mut skipped,
    } = fit(spec, base, &first_pass, spill, |rows| {
        progress(Progress::Fitting(rows));
    })?;
    encoder.save(&directory.join(ENCODER))?;

    let mut writers = shard_writers(directory, &encoder, spec.num_train_files(num_train))?;
    let mut seen = encoder.nothing_seen();
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
        &mut skipped,
        &mut seen,
        &mut progress,
    )?;
    write_other_files(
        spec,
        &encoder,
        &mut writers,
        &mut skipped,
        &mut seen,
        &mut progress,
    )?;
    let [train, valid, test] = writers;
    let shards = [train.finish()?, valid.finish()?, test.finish()?];
    Prepared::finish(directory, encoder, shards, skipped, seen)
}

/// Reads the training file for what its split needs to know first.
fn first_pass(
    spec: &DataSpec,
    directory: &Path,
    progress: impl FnMut(u64),
) -> Result<FirstPass, DataError> {
    Ok(match &spec.sources.split {
        Some(Split::Order { .. }) => FirstPass::Count(count(spec, progress)?),
        Some(Split::Time(split)) => {
            FirstPass::Times(TimeCuts::find(spec, split, directory, progress)?)
        }
        _ => FirstPass::None,
    })
}

/// Marks a directory as unprepared until all of it has been prepared again.
fn remove_manifest(directory: &Path) -> Result<(), DataError> {
    match fs::remove_file(directory.join(MANIFEST)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(DataError::io(directory)(error))
        }
        _ => Ok(()),
    }
}

/// A writer for each split.
fn shard_writers(
    directory: &Path,
    encoder: &Encoder,
    num_train_files: usize,
) -> Result<[ShardWriter; 3], DataError> {
    let writer = |kind: SplitKind, num_files| {
        ShardWriter::create(directory, kind.name(), encoder.shard_layout(), num_files)
    };
    Ok([
        writer(SplitKind::Train, num_train_files)?,
        writer(SplitKind::Valid, 1)?,
        writer(SplitKind::Test, 1)?,
    ])
}

/// Encodes and writes the splits that have a file of their own.
fn write_other_files(
    spec: &DataSpec,
    encoder: &Encoder,
    writers: &mut [ShardWriter; 3],
    skipped: &mut SkippedRows,
    seen: &mut SeenBySplit,
    progress: &mut impl FnMut(u64),
) -> Result<(), DataError> {
    let files = [
        (&spec.sources.valid, SplitKind::Valid),
        (&spec.sources.test, SplitKind::Test),
    ];
    for ((path, kind), seen) in files.into_iter().zip(seen) {
        let Some(path) = path else { continue };
        let writer = &mut writers[kind as usize];
        let bad = write_file(spec, encoder, path, writer, seen, progress)?;
        skipped.bad_rows += bad.bad_rows;
        skipped.first_bad_row = skipped.first_bad_row.take().or(bad.first_bad_row);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DataConfig;
    use crate::encode::vocabulary::Vocabulary;
    use crate::fields::kind::FittedField;
    use crate::prepare::testing::{rows, spec};

    #[test]
    fn the_encoder_sees_training_rows_alone() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        // Every token occurs once: those of other splits must be out of the vocabulary.
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
        assert_eq!((rows_of, prepared.skipped.of_no_split), ([25, 25, 25], 25));
        let (rows_of, _) = counts(&format!("{by_column} valid = 0.4, test_value = 'C' }}"));
        assert!(
            rows_of[0] + rows_of[1] == 25 && (4..16).contains(&rows_of[1]),
            "{rows_of:?}"
        );
        assert_eq!(rows_of[2], 25);
    }

    #[test]
    fn the_latest_rows_make_the_splits() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        // Times in no order; the token says which day of the month it is.
        let text: String = (0..100)
            .map(|i| i * 37 % 100)
            .map(|i| {
                format!(
                    "{},d{},2024-03-{:02} {:02}:00:00\n",
                    i % 2,
                    i / 10,
                    i / 10 + 1,
                    i % 10
                )
            })
            .collect();
        let write = |more: &str| {
            fs::write(directory.join("train.csv"), format!("y,a,t\n{text}{more}")).unwrap();
        };
        write("");
        let by_time = |more: &str| {
            let split = "split = { by = 'time', column = 't', valid = 0.2, test = 0.1";
            spec(directory, &format!("{more}{split} }}"))
        };
        let prepared = prepare(&by_time(""), None, directory, |_| ()).unwrap();
        let days = |shards: &crate::shards::reader::Shards| {
            let ids = rows(shards).ids.into_iter();
            ids.collect::<std::collections::BTreeSet<_>>().len()
        };
        let test = prepared.test.as_ref().unwrap();
        assert_eq!((prepared.train.num_rows(), days(&prepared.train)), (70, 7));
        // Their tokens are out of the vocabulary.
        assert_eq!((prepared.valid.num_rows(), days(&prepared.valid)), (20, 1));
        assert_eq!((test.num_rows(), days(test)), (10, 1));

        write("1,d1,\n");
        let error = prepare(&by_time(""), None, directory, |_| ()).unwrap_err();
        let expected =
            "train.csv:102, column `t`: the split goes by time, so expected a time of the form";
        assert!(error.to_string().contains(expected), "{error}");
        let skip = by_time("on_bad_row = 'skip'\n");
        let prepared = prepare(&skip, None, directory, |_| ()).unwrap();
        assert_eq!(
            (prepared.train.num_rows(), prepared.skipped.bad_rows),
            (70, 1)
        );
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
            error
                .to_string()
                .contains("train.csv:52: expected 2 cells, got 4"),
            "{error}"
        );
        let skip = spec(directory, &format!("on_bad_row = 'skip'\n{split}"));
        let prepared = prepare(&skip, None, directory, |_| ()).unwrap();
        assert_eq!(prepared.train.num_rows() + prepared.valid.num_rows(), 198);
        assert_eq!(prepared.skipped.bad_rows, 2);
        let first = prepared.skipped.first_bad_row.unwrap();
        assert!(
            first.contains("train.csv:52: expected 2 cells, got 4"),
            "{first}"
        );
        fs::write(&path, "y,a\n2,p\n3,q\n").unwrap();
        let error = prepare(&skip, None, directory, |_| ())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("every row is malformed; the first: "),
            "{error}"
        );
    }

    #[test]
    fn a_malformed_row_over_several_lines_is_one_row() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let over = |lines: usize| format!("1,\"{}\",z\n", "x\n".repeat(lines - 1));
        let write = |rows: &str| {
            fs::write(directory.join("train.csv"), format!("y,a\n{rows}")).unwrap();
        };
        let prepared = |rest: &str| {
            let skip = spec(directory, &format!("on_bad_row = 'skip'\n{rest}"));
            prepare(&skip, None, directory, |_| ()).unwrap()
        };
        write(&format!("1,p\n0,q\n{}", over(3)));
        fs::write(directory.join("valid.csv"), "y,a\n1,p\n0,q\n").unwrap();
        let whole = prepared(&format!("valid = {:?}", directory.join("valid.csv")));
        assert_eq!((whole.train.num_rows(), whole.skipped.bad_rows), (2, 1));
        let first = whole.skipped.first_bad_row.unwrap();
        assert!(first.contains("train.csv:4: a row over 3 lines"), "{first}");

        let good = |rows: std::ops::Range<u32>| -> String {
            rows.map(|i| format!("{},p{}\n", i % 2, i % 3)).collect()
        };
        write(&format!("{}{}{}", good(0..90), over(100), good(91..100)));
        let by_order = prepared("split = { by = 'order', valid = 0.1, test = 0.1 }");
        let test = by_order.test.unwrap().num_rows();
        let rows_of = [by_order.train.num_rows(), by_order.valid.num_rows(), test];
        assert_eq!((rows_of, by_order.skipped.bad_rows), ([80, 10, 9], 1));
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
        // Fits of earlier versions do not clamp.
        let base = {
            let spec = spec("");
            let (shift, scale) = (0.0, 1e30);
            let fields = vec![(spec.fields[0].clone(), FittedField::Value { shift, scale })];
            let no_tokens = Vocabulary::new::<&[u8]>(&[Vec::new()], Encoder::FIRST_TOKEN);
            Encoder::new(spec.format, fields, no_tokens)
        };
        write(&rows);
        let expected = "train.csv:6, column `v`: (v - 0) * 1000000000";
        let error = prepare(&spec(""), Some(&base), directory, |_| ()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        let skip = spec("on_bad_row = 'skip'");
        let prepared = prepare(&skip, Some(&base), directory, |_| ()).unwrap();
        assert_eq!(
            (prepared.train.num_rows(), prepared.valid.num_rows()),
            (4, 1)
        );
        assert_eq!(prepared.skipped.bad_rows, 2);
        let first = prepared.skipped.first_bad_row.unwrap();
        assert!(first.contains(expected), "{first}");
        // What is found while rows are read comes first.
        rows[0] = "x,0";
        write(&rows);
        let skipped = prepare(&skip, Some(&base), directory, |_| ())
            .unwrap()
            .skipped;
        assert_eq!(skipped.bad_rows, 3);
        let first = skipped.first_bad_row.unwrap();
        assert!(first.contains("train.csv:2, column `y`"), "{first}");

        // A base's scale may leave no row.
        let error = |rows: &[&str], spec: &DataSpec| {
            write(rows);
            let error = prepare(spec, Some(&base), directory, |_| ()).unwrap_err();
            error.to_string()
        };
        let all = error(&["1,1e30", "0,1e30"], &skip);
        assert!(all.contains("every row is malformed; the first: "), "{all}");
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
            let skipped = prepare(&piped, Some(&base), directory, |_| ())
                .unwrap()
                .skipped;
            writer.join().unwrap().unwrap();
            let first = skipped.first_bad_row.unwrap();
            assert!(
                first.contains("pipe, row 2, column `v`: (v - 0) * "),
                "{first}"
            );
            assert!(first.ends_with("the cell is `1e30`"), "{first}");
        }
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
        assert!(
            error.ends_with("`b` is in the place of the earlier `a`"),
            "{error}"
        );
    }
}
