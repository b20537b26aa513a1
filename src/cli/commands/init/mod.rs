mod leaks;
mod run_file;
mod split;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use clap::builder::PossibleValuesParser;
use fibinet::data::config::{BuiltinSchema, Delimiter, Quote, RowFormat};
use fibinet::data::encode::{
    ColumnGuess, Guess, Known, KnownText, TextGuess, guess_delimiter, guess_fields,
};
use fibinet::data::formats::refuse_address;
use fibinet::nn::models::AnySpec;
use fibinet::storage::AtomicFile;
use fibinet::train::TrainError;
use fibinet::train::config::RunConfig;

use self::leaks::exclude_leaks;
use self::run_file::run_file;
use self::split::by_time;
use crate::cli::args::{
    MalformedRows, is_same_file, parse_delimiter, parse_quote, refuse_standard, schema_parser,
};
use crate::cli::failure::UsageError;
use crate::cli::output::{note, skipped_rows};

/// Look at a log and write a run file for it, ready to edit and to train
///
/// The kind of every column is guessed, and the run file gives the reason beside it. Columns are read as
/// numbers, times, lists or texts, in this order. If at most 1% of the cells of a column are odd, they are
/// named and taken as missing. A column that fits two readings, such as 1,234 or 03/04/2024, is named with
/// both and left out. Columns that give the label away, such as the time spent after the click, and row
/// numbers are left out. Arguments that are lists are separated by commas.
///
/// Example: fibinet init train.csv --label click -o fibinet.toml
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Training file: delimited text with a header, plain, .gz or .zst, or Parquet; or a directory of
    /// such files.
    train: PathBuf,
    /// Validation file, which decides when to stop training; by default a tenth of the training file.
    #[arg(long, value_name = "PATH")]
    valid: Option<PathBuf>,
    /// Test file, on which the finished model is evaluated; by default a tenth of the training file,
    /// unless there is a --valid. The run file's `split` takes these rows at random, by their order, by
    /// time or by a column.
    #[arg(long, value_name = "PATH")]
    test: Option<PathBuf>,
    /// Column of the label, which is 0 or 1 unless --positive is given.
    #[arg(long, value_name = "COLUMN", required_unless_present = "schema")]
    label: Option<String>,
    /// Value of the label that means a click, if it is not 1; any other value means no click.
    #[arg(long, value_name = "VALUE")]
    positive: Option<String>,
    /// Column that groups the rows, such as the user: reports then include the AUC within groups. Rows
    /// with a blank cell are one group. It is a field of the model too unless it is excluded.
    #[arg(long, value_name = "COLUMN")]
    group: Option<String>,
    /// Names of the columns, for files without a header.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    columns: Vec<String>,
    /// What stands between cells: a character, several such as `::`, or `tab`, `space`, `'\x01'`; by
    /// default one of `, ; | tab space \x01 \x02 ::`, whichever gives most rows the same number of cells.
    #[arg(long, value_name = "CHARACTERS", value_parser = parse_delimiter)]
    delimiter: Option<Delimiter>,
    /// Character around cells that hold a delimiter or a line end, or `none` if quotes are ordinary
    /// characters; by default `"`, or whichever the file shows if it is not separated by commas.
    #[arg(long, value_name = "CHARACTER", value_parser = parse_quote)]
    quote: Option<Quote>,
    /// What to do with malformed rows; with `skip` the run file says so too, and training skips them.
    #[arg(long, value_enum, value_name = "CHOICE", default_value_t = MalformedRows::Fail)]
    on_bad_row: MalformedRows,
    /// Columns that the model does not use.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    exclude: Vec<String>,
    /// Columns that the model uses even if they give the label away or number the rows.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    keep: Vec<String>,
    /// Columns to treat as categories, whatever they look like.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    categorical: Vec<String>,
    /// Columns to treat as quantities, whatever they look like.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    numeric: Vec<String>,
    /// Cells that mean "no value" in every column, besides empty ones. Without it, usual words such as ?, NA,
    /// null, None and - do, except in a category where they are frequent.
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
        conflicts_with_all = ["label", "positive", "columns", "delimiter", "quote", "exclude", "keep", "categorical", "numeric"],
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
        let files = [
            ("the training file", Some(&self.train)),
            ("--valid", self.valid.as_ref()),
            ("--test", self.test.as_ref()),
            ("--output", Some(&self.output)),
        ];
        for (argument, file) in files {
            file.map_or(Ok(()), |file| refuse_standard(argument, file))?;
        }
        let output = self.output.display();
        ensure!(
            self.force || self.output.symlink_metadata().is_err(),
            UsageError(format!(
                "{output} exists; choose another -o, or replace it with --force"
            ))
        );
        for file in [&self.valid, &self.test].into_iter().flatten() {
            refuse_address(file)?;
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

    /// How the rows are written, and why it is thought so; no reasons for a built-in schema.
    fn format(&self) -> Result<(RowFormat, Option<TextGuess>)> {
        if let Some(schema) = self.schema {
            let group = self.group.clone();
            return Ok((
                RowFormat {
                    group,
                    ..schema.format()
                },
                None,
            ));
        }
        let columns = (!self.columns.is_empty()).then(|| self.columns.clone());
        let known = KnownText {
            label: self.label.clone().unwrap_or_default(),
            columns: columns.clone(),
            delimiter: self.delimiter.clone(),
            quote: self.quote,
        };
        let text = guess_delimiter(&self.train, &known)?;
        let format = RowFormat {
            positive: self.positive.clone(),
            group: self.group.clone(),
            delimiter: text.delimiter.clone(),
            quote: text.quote,
            columns,
            missing: self.missing.clone(),
            ..RowFormat::csv(known.label)
        };
        Ok((format, Some(text)))
    }

    /// Refuses a label that is 0 and 1 in another spelling, because training would.
    fn check_labels(&self, guess: &Guess) -> Result<()> {
        let values = &guess.label_values;
        let is_readable = self.positive.is_some() || values.are_labels();
        let Some(label) = self.label.as_ref().filter(|_| !is_readable) else {
            return Ok(());
        };
        let (others, rows) = (values.num_unreadable(), values.num_rows());
        let argument = match values.positive() {
            Some(value) => format!("such as --positive {}", quoted(&value)),
            None => "--positive VALUE".to_owned(),
        };
        let message = format!(
            "`{label}`: a label must be 0 or 1, but {others} of {rows} rows have another value: {values}; \
             name the value that means a click, {argument}; any other then means no click"
        );
        Err(UsageError(message).into())
    }

    /// The columns whose kind is not guessed.
    fn known(&self) -> Known {
        let mut known = Known {
            exclude: self.exclude.clone(),
            categorical: self.categorical.clone(),
            numeric: self.numeric.clone(),
            keep: self.keep.clone(),
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
        let (format, text_guess) = args.format()?;
        let known = args.known();
        let mut guess = guess_fields(&args.train, &format, &known, args.on_bad_row.into())?;
        args.check_labels(&guess)?;
        // A built-in schema has its own fields.
        let notes = match args.schema {
            Some(_) => Vec::new(),
            None => exclude_leaks(&mut guess, &args.train, &format, &known)?,
        };
        let text = run_file(args, &format, text_guess.as_ref(), &guess)?;
        check_run_file(args, &text, &guess)?;
        let mut output = AtomicFile::create(&args.output)?;
        let context = || args.output.display().to_string();
        output.write_all(text.as_bytes()).with_context(context)?;
        output.commit()?;
        note_guess(args, &guess);
        notes.iter().for_each(|line| note(line));
        Ok(())
    }
}

/// Checks that `train` accepts the run file. If it does not because of too few fields, the columns that
/// are not fields are listed.
fn check_run_file(args: &InitArgs, text: &str, guess: &Guess) -> Result<()> {
    let config = RunConfig::parse(text, &[]).map_err(TrainError::RunFile)?;
    let Err(error) = config.validate() else {
        return Ok(());
    };
    let is_unused = |column: &&ColumnGuess| column.field.is_none();
    let unused: Vec<_> = guess.columns.iter().filter(is_unused).collect();
    if args.schema.is_none() && guess.columns.len() - unused.len() < 2 {
        for column in unused {
            note(&format!("note: {:?}: {}", column.name, column.reason));
        }
    }
    let refusal = format!("{}: no run file can be written", args.train.display());
    Err(anyhow::Error::from(error).context(refusal))
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
    if let Some(line) = skipped_rows(&guess.skipped) {
        note(&format!("{line}\nnote: training will skip such rows too"));
    }
    if let Some(wrong) = &guess.bad_label {
        note(&format!("note: training will refuse {wrong}"));
    }
    if guess.clicks == 0 {
        note(&format!("note: {}", without_clicks(args, guess)));
    }
    if let Some(by_time) = by_time(args, guess) {
        note(&format!(
            "note: the log has times, and a random split trains on rows that are later than those it tests \
             on; to test on the latest rows, set in [data] split = {by_time}"
        ));
    }
}

/// What is said of a label without a click among the rows read, which may not be all.
fn without_clicks(args: &InitArgs, guess: &Guess) -> String {
    let rows = guess.num_rows;
    match (&args.positive, &args.label) {
        (Some(positive), Some(label)) => format!(
            "none of the {rows} rows read has `{positive}` in `{label}`, the value that --positive says is a \
             click: the column has {}",
            guess.label_values
        ),
        _ => format!("none of the {rows} rows read is a click"),
    }
}

/// A value as a shell takes it.
fn quoted(value: &str) -> String {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-+%@:/".contains(&byte);
    if !value.is_empty() && value.bytes().all(is_word) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', "'\\''"))
    }
}
