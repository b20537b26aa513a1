mod run_file;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use clap::builder::PossibleValuesParser;
use fibinet::data::config::{BuiltinSchema, RowFormat};
use fibinet::data::encode::{Guess, Known, guess_delimiter, guess_fields};
use fibinet::nn::models::AnySpec;
use fibinet::storage::AtomicFile;

use self::run_file::run_file;
use crate::cli::args::{is_same_file, schema_parser};
use crate::cli::failure::UsageError;
use crate::cli::output::note;

/// Look at a log and write a run file for it, ready to edit and to train
///
/// The kind of every column is guessed, and the run file gives the reason beside it. Columns are read as
/// numbers, times, lists or texts, in this order. If at most 1% of the cells of a column are odd, they are
/// named and taken as missing. A column that fits two readings, such as 1,234 or 03/04/2024, is named with
/// both and left out. Arguments that are lists are separated by commas.
///
/// Example: fibinet init train.csv --label click -o fibinet.toml
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Training file: CSV or TSV with a header, plain, .gz or .zst, or Parquet; or a directory of such
    /// files.
    train: PathBuf,
    /// Validation file, which decides when to stop training; by default a tenth of the training file.
    #[arg(long, value_name = "PATH")]
    valid: Option<PathBuf>,
    /// Test file, on which the finished model is evaluated; by default a tenth of the training file,
    /// unless there is a --valid.
    #[arg(long, value_name = "PATH")]
    test: Option<PathBuf>,
    /// Column of the label, which is 0 or 1 unless --positive is given.
    #[arg(long, value_name = "COLUMN", required_unless_present = "schema")]
    label: Option<String>,
    /// Value of the label that means a click, if it is not 1; any other value means no click.
    #[arg(long, value_name = "VALUE")]
    positive: Option<String>,
    /// Column that groups the rows, such as the user: reports then include the AUC within groups. It
    /// is a field of the model too unless it is excluded.
    #[arg(long, value_name = "COLUMN")]
    group: Option<String>,
    /// Names of the columns, for files without a header.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    columns: Vec<String>,
    /// Columns that the model does not use.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    exclude: Vec<String>,
    /// Columns to treat as categories, whatever they look like.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    categorical: Vec<String>,
    /// Columns to treat as quantities, whatever they look like.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    numeric: Vec<String>,
    /// Cells that mean "no value", besides empty ones and the usual spellings.
    #[arg(long, value_name = "VALUES", value_delimiter = ',')]
    missing: Vec<String>,
    /// Column that says which split a row belongs to.
    #[arg(long, value_name = "COLUMN", requires = "train_value", conflicts_with_all = ["valid", "test"])]
    split_column: Option<String>,
    /// Value of the split column for training rows.
    #[arg(long, value_name = "VALUE", requires = "split_column")]
    train_value: Option<String>,
    /// Value of the split column for validation rows; by default a tenth of the training rows.
    #[arg(long, value_name = "VALUE", requires = "split_column")]
    valid_value: Option<String>,
    /// Value of the split column for test rows.
    #[arg(long, value_name = "VALUE", requires = "split_column")]
    test_value: Option<String>,
    /// Built-in description of a well-known log.
    #[arg(
        long,
        value_parser = schema_parser(),
        conflicts_with_all = ["label", "positive", "columns", "exclude", "categorical", "numeric"],
    )]
    schema: Option<BuiltinSchema>,
    /// Model to train.
    #[arg(long, value_name = "NAME", default_value = AnySpec::DEFAULT, value_parser = PossibleValuesParser::new(AnySpec::NAMES))]
    model: String,
    /// Run file to write.
    #[arg(short, long, value_name = "FILE", default_value = "fibinet.toml")]
    output: PathBuf,
    /// Replace the run file if it exists.
    #[arg(long)]
    force: bool,
}

/// What `init` does, checked.
pub(crate) struct InitJob {
    args: InitArgs,
}

impl InitArgs {
    pub(crate) fn check(self) -> Result<InitJob> {
        let output = self.output.display();
        ensure!(
            self.force || self.output.symlink_metadata().is_err(),
            UsageError(format!(
                "{output} exists; choose another -o, or replace it with --force"
            ))
        );
        for file in [&self.valid, &self.test].into_iter().flatten() {
            let metadata = file.metadata();
            metadata.with_context(|| file.display().to_string())?;
        }
        let logs = [Some(&self.train), self.valid.as_ref(), self.test.as_ref()];
        ensure!(
            !logs
                .into_iter()
                .flatten()
                .any(|log| is_same_file(log, &self.output)),
            UsageError(format!(
                "{output} is one of the logs; write the run file elsewhere"
            ))
        );
        Ok(InitJob { args: self })
    }

    /// How the rows are written.
    fn format(&self) -> Result<RowFormat> {
        if let Some(schema) = self.schema {
            return Ok(RowFormat {
                group: self.group.clone(),
                ..schema.format()
            });
        }
        Ok(RowFormat {
            label: self.label.clone().unwrap_or_default(),
            positive: self.positive.clone(),
            group: self.group.clone(),
            delimiter: guess_delimiter(&self.train)?,
            columns: (!self.columns.is_empty()).then(|| self.columns.clone()),
            missing: self.missing.clone(),
        })
    }

    /// The columns whose kind is not guessed.
    fn known(&self) -> Known {
        let mut known = Known {
            exclude: self.exclude.clone(),
            categorical: self.categorical.clone(),
            numeric: self.numeric.clone(),
        };
        known.exclude.extend(self.split_column.clone());
        // The column that groups the rows is not a quantity unless it is said to be.
        let group = self.group.iter();
        let group = group.filter(|group| !known.numeric.contains(*group));
        known.categorical.extend(group.cloned());
        known
    }
}

impl InitJob {
    pub(crate) fn run(self) -> Result<()> {
        let args = &self.args;
        let format = args.format()?;
        let guess = guess_fields(&args.train, &format, &args.known())?;
        let text = run_file(args, &format, &guess)?;
        let mut output = AtomicFile::create(&args.output)?;
        let context = || args.output.display().to_string();
        output.write_all(text.as_bytes()).with_context(context)?;
        output.commit()?;
        note_guess(args, &guess);
        Ok(())
    }
}

/// Summarizes the run file on stderr, with what will prevent training.
fn note_guess(args: &InitArgs, guess: &Guess) {
    let columns = guess.columns.iter();
    let num_fields = args.schema.map_or_else(
        || columns.filter(|column| column.field.is_some()).count(),
        |schema| schema.fields().len(),
    );
    note(&format!(
        "{}: {num_fields} fields from {} columns, guessed from {} rows",
        args.output.display(),
        guess.columns.len(),
        guess.num_rows
    ));
    let guessed = guess.columns.iter().filter(|_| args.schema.is_none());
    for column in guessed {
        if let Some(about) = &column.note {
            note(&format!("note: `{}`: {about}", column.name));
        }
    }
    if let Some(wrong) = &guess.bad_label {
        note(&format!("note: training will refuse {wrong}"));
    }
    if guess.clicks == 0 {
        note("note: none of the rows read is a click");
    }
    if num_fields < 2 {
        note("note: a model that crosses pairs of fields needs at least two fields");
    }
}
