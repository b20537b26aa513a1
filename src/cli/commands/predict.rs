use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use fibinet::data::{DataError, DataErrorKind, Label, ParquetTable, RowReader, open_rows};
use fibinet::model::{ScoreOptions, ScoredRows, Scorer, probability};

use crate::cli::args::BadRow;
use crate::cli::args::device;
use crate::cli::aside::AsideFile;
use crate::cli::output::left_out_line;
use crate::cli::{UsageError, is_same_file, say};

const PROBABILITY: &str = "probability";

/// Score raw rows: one probability a row, in the rows' order
///
/// Example: fibinet predict runs/first --data new.csv -o scores.csv --carry id
#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// The bundle.
    run: PathBuf,
    /// Rows, written as the training file is; a label is not needed.
    #[arg(long)]
    data: PathBuf,
    /// A CSV file, or a Parquet file where it ends in .parquet: the carried columns, and
    /// `probability`.
    #[arg(short, long)]
    output: PathBuf,
    /// Columns of the rows to write beside the probability.
    #[arg(long, value_delimiter = ',')]
    carry: Vec<String>,
    /// What a row that cannot be read does: end the run, or be left out and counted, which needs
    /// --carry to tell whose scores are there.
    #[arg(long, value_enum, default_value_t = BadRow::Fail)]
    on_bad_row: BadRow,
    /// flex, ndarray, wgpu, vulkan, metal or cuda, as far as compiled in.
    #[arg(long)]
    device: Option<String>,
}

pub(crate) fn run(args: &PredictArgs) -> Result<()> {
    if is_same_file(&args.data, &args.output) {
        let path = args.output.display();
        let message = format!("{path} is the file to score; write the scores to another");
        return Err(UsageError(message).into());
    }
    if matches!(args.on_bad_row, BadRow::Skip) && args.carry.is_empty() {
        let message = "--on-bad-row skip needs --carry, to tell whose scores are there";
        return Err(UsageError(message.to_owned()).into());
    }
    let device = device::select(args.device.as_deref())?;
    let scorer = Scorer::open(&args.run, &device)?;
    let format = scorer.encoder().format();
    let mut reader = open_rows(&args.data, format, Label::Optional)?;
    if format.columns.is_some() && !reader.columns().contains(&format.label) {
        say(&format!(
            "rows are one cell narrower: `{}` is taken to be absent",
            format.label
        ));
    }
    let options = ScoreOptions {
        labels: false,
        on_bad_row: args.on_bad_row.into(),
        carry: carried_columns(args, reader.as_ref())?,
    };
    let mut scores = Scores::create(&args.output, &args.carry)?;
    let mut rows = 0;
    let left_out = scorer.score_rows(reader.as_mut(), &options, |batch| {
        rows += batch.logits.len();
        scores.write(batch)
    })?;
    scores.commit()?;
    if let Some(line) = left_out_line(&left_out) {
        say(&line);
    }
    say(&format!(
        "{rows} rows scored into {}",
        args.output.display()
    ));
    Ok(())
}

fn carried_columns(args: &PredictArgs, reader: &dyn RowReader) -> Result<Vec<usize>> {
    let columns = reader.columns();
    let column = |name: &String| {
        columns
            .iter()
            .position(|column| column == name)
            .ok_or_else(|| {
                UsageError(format!(
                    "--carry: {} has no column `{name}`; it has: {}",
                    args.data.display(),
                    columns.join(", ")
                ))
            })
    };
    Ok(args.carry.iter().map(column).collect::<Result<_, _>>()?)
}

/// The file of scores.
enum Scores {
    Csv(csv::Writer<AsideFile>, PathBuf),
    Parquet(ParquetTable<AsideFile>),
}

impl Scores {
    fn create(path: &Path, carry: &[String]) -> Result<Self> {
        let file = AsideFile::create(path)?;
        if path.extension().is_some_and(|ending| ending == "parquet") {
            return Ok(Self::Parquet(ParquetTable::create(
                file,
                path,
                carry,
                PROBABILITY,
            )?));
        }
        let mut writer = csv::Writer::from_writer(file);
        let header = carry.iter().map(String::as_str).chain([PROBABILITY]);
        let context = || path.display().to_string();
        writer.write_record(header).with_context(context)?;
        Ok(Self::Csv(writer, path.to_owned()))
    }

    fn write(&mut self, batch: &ScoredRows) -> Result<()> {
        let nothing = csv::ByteRecord::new();
        let carried = batch.carried.iter().chain(std::iter::repeat(&nothing));
        for (&logit, cells) in batch.logits.iter().zip(carried) {
            let probability = probability(logit);
            match self {
                Self::Parquet(table) => {
                    let cells: Vec<&[u8]> = cells.iter().collect();
                    table.push(&cells, probability)?;
                }
                Self::Csv(writer, path) => {
                    let probability = probability.to_string();
                    let record = cells.iter().chain([probability.as_bytes()]);
                    let context = || path.display().to_string();
                    writer.write_record(record).with_context(context)?;
                }
            }
        }
        Ok(())
    }

    fn commit(self) -> Result<()> {
        match self {
            Self::Parquet(table) => table.finish()?.commit(),
            Self::Csv(writer, path) => writer
                .into_inner()
                .map_err(|error| DataErrorKind::Io {
                    path,
                    error: error.into_error(),
                })
                .map_err(DataError::from)?
                .commit(),
        }
    }
}
