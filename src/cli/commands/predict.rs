use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use burn::tensor::Device;
use clap::Args;
use fibinet::data::formats::{Label, ParquetTable, RowReader};
use fibinet::model::scorer::{ReadRows, ScoreOptions, ScoredRows, Scorer, probability};
use fibinet::storage::AtomicFile;
use serde_json::json;

use crate::cli::args::{
    DeviceArgs, LogArgs, MalformedRows, is_same_file, is_standard, refuse_remote,
};
use crate::cli::failure::UsageError;
use crate::cli::output::{
    JsonArgs, Printer, Report, cell_table, note, skipped_rows, surprise_line,
};

const PROBABILITY: &str = "probability";
const SPREAD: &str = "spread";

/// Score raw rows: one probability per row, in the order of the rows
///
/// The rows do not need a label. On stderr, or with --json on stdout, it shows the share of each field's cells
/// that were unknown, missing, out of the range of the training rows, or written in another way. A warning names
/// fields where a share is far above that of the validation rows.
///
/// Example: fibinet predict runs/first --data new.csv -o scores.csv --carry id
///
/// From a pipe: zcat new.csv.gz | fibinet predict runs/first --data - -o - --carry id
#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// Bundle that `fibinet train` wrote.
    #[arg(value_name = "BUNDLE")]
    run: PathBuf,
    #[command(flatten)]
    log: LogArgs,
    /// File of scores to write, as Parquet if it ends in .parquet and else as CSV: the carried columns,
    /// then `probability`, then `spread` if asked for; `-` for CSV on standard output.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Columns of the rows to write beside the probability, separated by commas; required with
    /// `--on-bad-row skip`, to tell which rows were scored.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    carry: Vec<String>,
    /// Write the column `spread`: the standard deviation of the members' probabilities, which tells how
    /// much they disagree about a row. The bundle must have several members.
    #[arg(long)]
    spread: bool,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    json: JsonArgs,
}

/// What `predict` does, checked.
pub(crate) struct PredictJob {
    bundle: PathBuf,
    log: LogArgs,
    output: PathBuf,
    carry: Vec<String>,
    spread: bool,
    device: Device,
    printer: Printer,
}

impl PredictArgs {
    pub(crate) fn check(self) -> Result<PredictJob> {
        refuse_remote(&self.output)?;
        ensure!(
            !is_same_file(&self.log.data, &self.output),
            UsageError(format!(
                "{} is the file to score; write the scores to another file",
                self.output.display()
            ))
        );
        ensure!(
            self.log.on_bad_row == MalformedRows::Fail || !self.carry.is_empty(),
            UsageError(
                "--on-bad-row skip needs --carry, to tell which rows were scored".to_owned()
            )
        );
        ensure!(
            self.json.printer() == Printer::Text || !is_standard(&self.output),
            UsageError("--json needs another --output than -, where its report goes".to_owned())
        );
        let output = if is_standard(&self.output) {
            PathBuf::from("/dev/stdout")
        } else {
            self.output
        };
        Ok(PredictJob {
            bundle: self.run,
            log: self.log,
            output,
            carry: self.carry,
            spread: self.spread,
            device: self.device.select()?,
            printer: self.json.printer(),
        })
    }
}

impl PredictJob {
    pub(crate) fn run(self) -> Result<()> {
        let scorer = Scorer::open(&self.bundle, &self.device)?;
        ensure!(
            !self.spread || scorer.bundle().num_members() > 1,
            UsageError(format!(
                "--spread: {} has one member, so there is nothing to compare",
                self.bundle.display()
            ))
        );
        let format = scorer.encoder().format();
        let mut reader = self.log.open(format, Label::Optional)?;
        if format.columns.is_some() && !reader.columns().contains(&format.label) {
            note(&format!(
                "the rows have one cell fewer than in training: assuming that the label, `{}`, is absent",
                format.label
            ));
        }
        let options = ScoreOptions {
            labels: false,
            on_bad_row: self.log.on_bad_row.into(),
            carry: self.carried_columns(reader.as_ref())?,
            missing: self.log.missing.clone(),
            spread: self.spread,
        };
        let mut scores = Scores::create(&self.output, &self.carry, self.spread)?;
        let (mut rows, mut spreads) = (0, 0.0);
        let read = scorer.score_rows(reader.as_mut(), &options, |batch| {
            rows += batch.logits.len();
            spreads += batch.spreads.iter().copied().map(f64::from).sum::<f64>();
            scores.write(batch)
        })?;
        scores.commit()?;
        if let Some(line) = skipped_rows(&read.skipped) {
            note(&line);
        }
        if let Some(line) =
            surprise_line(&scorer.encoder().surprises(&read.fields), "this file has")
        {
            note(&line);
        }
        let report = Prediction {
            rows,
            mean_spread: (self.spread && rows > 0).then(|| spreads / rows as f64),
            output: self.output,
            read,
        };
        match self.printer {
            // Scores may go to stdout.
            Printer::Text => note(&report.text()),
            Printer::Json => self.printer.print(&report)?,
        }
        Ok(())
    }

    fn carried_columns(&self, reader: &dyn RowReader) -> Result<Vec<usize>, UsageError> {
        let columns = reader.columns();
        let column = |name: &String| {
            let column = columns.iter().position(|column| column == name);
            column.ok_or_else(|| {
                UsageError(format!(
                    "--carry: {} has no column `{name}`; it has: {}",
                    self.log.data.display(),
                    columns.join(", ")
                ))
            })
        };
        self.carry.iter().map(column).collect()
    }
}

/// What was scored.
struct Prediction {
    rows: usize,
    /// `None` if the spread was not asked for or there were no rows.
    mean_spread: Option<f64>,
    output: PathBuf,
    read: ReadRows,
}

impl Report for Prediction {
    fn text(&self) -> String {
        let mut line = format!("{} rows scored into {}", self.rows, self.output.display());
        if let Some(spread) = self.mean_spread {
            line += &format!("; the members' mean spread is {spread:.4}");
        }
        match cell_table(&[&self.read.fields]) {
            Some(table) => format!("{table}\n{line}"),
            None => line,
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        let mut report = json!({
            "rows": self.rows,
            "output": self.output.display().to_string(),
            "left_out": self.read.skipped,
            "fields": self.read.fields,
        });
        if let Some(spread) = self.mean_spread {
            report["mean_spread"] = json!(spread);
        }
        Ok(report.to_string())
    }
}

/// The file of scores.
enum Scores {
    Csv(csv::Writer<AtomicFile>, PathBuf),
    Parquet(ParquetTable<AtomicFile>),
}

impl Scores {
    fn create(path: &Path, carry: &[String], spread: bool) -> Result<Self> {
        let numbers = [PROBABILITY, SPREAD];
        let numbers = if spread { &numbers } else { &numbers[..1] };
        if let Some(column) = carry
            .iter()
            .find(|column| numbers.contains(&column.as_str()))
        {
            let says = format!("--carry {column}: the scores have a column of that name");
            bail!(UsageError(says));
        }
        let file = AtomicFile::create(path)?;
        if path.extension().is_some_and(|ending| ending == "parquet") {
            let table = ParquetTable::create(file, path, carry, numbers)?;
            return Ok(Self::Parquet(table));
        }
        let mut writer = csv::Writer::from_writer(file);
        let header = carry
            .iter()
            .map(String::as_str)
            .chain(numbers.iter().copied());
        let context = || path.display().to_string();
        writer.write_record(header).with_context(context)?;
        Ok(Self::Csv(writer, path.to_owned()))
    }

    fn write(&mut self, batch: &ScoredRows) -> Result<()> {
        let nothing = csv::ByteRecord::new();
        let carried = batch.carried.iter().chain(std::iter::repeat(&nothing));
        for (row, (&logit, cells)) in batch.logits.iter().zip(carried).enumerate() {
            let spread = batch.spreads.get(row).copied();
            let numbers: Vec<f32> = [probability(logit)].into_iter().chain(spread).collect();
            match self {
                Self::Parquet(table) => {
                    let cells: Vec<&[u8]> = cells.iter().collect();
                    table.push(&cells, &numbers)?;
                }
                Self::Csv(writer, path) => {
                    let numbers: Vec<String> = numbers.iter().map(f32::to_string).collect();
                    let record = cells.iter().chain(numbers.iter().map(String::as_bytes));
                    let context = || path.display().to_string();
                    writer.write_record(record).with_context(context)?;
                }
            }
        }
        Ok(())
    }

    fn commit(self) -> Result<()> {
        match self {
            Self::Parquet(table) => table.finish()?.commit()?,
            Self::Csv(writer, path) => writer
                .into_inner()
                .map_err(csv::IntoInnerError::into_error)
                .with_context(|| path.display().to_string())?
                .commit()?,
        }
        Ok(())
    }
}
