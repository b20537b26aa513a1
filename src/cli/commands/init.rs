use std::fmt::Write;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use fibinet::data::{
    BuiltinSchema, FieldEncoding, FieldSpec, Guess, Known, RowFormat, guess_delimiter, guess_fields,
};
use fibinet::storage::AtomicFile;

use crate::cli::args::{is_same_file, schema_parser};
use crate::cli::failure::UsageError;
use crate::cli::output::note;

/// Look at a log and write a run file for it, ready to edit and to train
///
/// The kind of every column is guessed, and the run file gives the reason beside it. Arguments that are
/// lists are separated by commas.
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
    /// Column of the label, which is 0 or 1.
    #[arg(long, value_name = "COLUMN", required_unless_present = "schema")]
    label: Option<String>,
    /// Label that means a click, if it is not 1; any other label then means no click.
    #[arg(long, value_name = "VALUE")]
    positive: Option<String>,
    /// Column that groups the rows, such as the user: reports then include the AUC within groups. It
    /// is a field of the model too unless it is excluded.
    #[arg(long, value_name = "COLUMN")]
    group: Option<String>,
    /// Names of the columns, for files without a header.
    #[arg(long, value_delimiter = ',')]
    columns: Vec<String>,
    /// Columns that the model does not use.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    exclude: Vec<String>,
    /// Columns that are categories, whatever they look like.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    categorical: Vec<String>,
    /// Columns that are quantities, whatever they look like.
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
    /// Value of the split column for validation rows; by default a tenth of the training rows are
    /// taken.
    #[arg(long, value_name = "VALUE", requires = "split_column")]
    valid_value: Option<String>,
    /// Value of the split column for test rows.
    #[arg(long, value_name = "VALUE", requires = "split_column")]
    test_value: Option<String>,
    /// Well-known log whose columns need no description.
    #[arg(
        long,
        value_parser = schema_parser(),
        conflicts_with_all = ["label", "positive", "columns", "exclude", "categorical", "numeric"],
    )]
    schema: Option<BuiltinSchema>,
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
                "{output} exists; give another -o, or replace it with --force"
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
                "{output} is a log; write the run file to another file"
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

/// Sums the run file up on stderr, with what will keep it from training.
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
    if let Some(wrong) = &guess.bad_label {
        note(&format!("note: training will refuse {wrong}"));
    }
    if guess.clicks == 0 {
        note("note: none of these rows is a click");
    }
    if num_fields < 2 {
        note("note: a model that crosses pairs of fields needs at least two fields");
    }
}

fn run_file(args: &InitArgs, format: &RowFormat, guess: &Guess) -> Result<String> {
    let mut text = String::new();
    let path = |path: &Path| -> Result<String> { Ok(quoted(&from_run_file(path, &args.output)?)) };
    writeln!(
        text,
        "# Written by `fibinet init`; edit what it guessed wrong."
    )?;
    writeln!(text, "\n[data]\ntrain = {}", path(&args.train)?)?;
    for (key, file) in [("valid", &args.valid), ("test", &args.test)] {
        if let Some(file) = file {
            writeln!(text, "{key} = {}", path(file)?)?;
        }
    }
    if let Some(split) = split(args) {
        writeln!(text, "{split}")?;
    }
    if let Some(group) = &format.group {
        writeln!(text, "group = {}", quoted(group))?;
    }
    match args.schema {
        Some(schema) => {
            writeln!(text, "schema = {}", quoted(schema.name()))?;
            if !args.missing.is_empty() {
                writeln!(text, "missing = {}", list(&args.missing))?;
            }
        }
        None => {
            writeln!(text, "label = {}", quoted(&format.label))?;
            if let Some(positive) = &format.positive {
                writeln!(text, "positive = {}", quoted(positive))?;
            }
            let delimiter = quoted(&format.delimiter.to_string());
            writeln!(text, "delimiter = {delimiter}")?;
            if let Some(columns) = &format.columns {
                writeln!(text, "columns = {}", list(columns))?;
            }
            if !guess.missing.is_empty() {
                writeln!(text, "missing = {}", list(&guess.missing))?;
            }
            for column in &guess.columns {
                let reason = &column.reason;
                match &column.field {
                    Some(field) => write_field(&mut text, field, reason)?,
                    None => writeln!(text, "\n# {:?}: {reason}", column.name)?,
                }
            }
        }
    }
    text.push_str(MODEL_AND_TRAINING);
    Ok(text)
}

/// Chosen on the validation rows of Frappe, MovieLens and Adult together.
const MODEL_AND_TRAINING: &str = r#"
[model]
embedding_dim = 16
bilinear = "field_each" # field_all, field_interaction
hidden_units = [128, 64]
dropout = 0.2

[train]
learning_rate = 0.001
batch_size = 256 # larger ones are faster, for logs of millions of rows
row_update = "auto" # small tables train dense, large ones by the rows met
embedding_l2 = 0.0001
monitor = "auc" # logloss, auc_minus_logloss
calibration = "platt" # temperature, none
"#;

fn split(args: &InitArgs) -> Option<String> {
    if let Some(column) = &args.split_column {
        let values = [
            ("train_value", &args.train_value),
            ("valid_value", &args.valid_value),
            ("test_value", &args.test_value),
        ];
        let mut split = format!("split = {{ by = \"column\", column = {}", quoted(column));
        for (key, value) in values {
            if let Some(value) = value {
                split += &format!(", {key} = {}", quoted(value));
            }
        }
        if args.valid_value.is_none() {
            split += ", valid = 0.1, seed = 2019";
        }
        return Some(split + " }");
    }
    let split = match (&args.valid, &args.test) {
        (None, None) => "split = { valid = 0.1, test = 0.1, seed = 2019 }",
        (None, Some(_)) => "split = { valid = 0.1, seed = 2019 }",
        (Some(_), _) => return None,
    };
    Some(split.to_owned())
}

fn write_field(text: &mut String, field: &FieldSpec, reason: &str) -> Result<()> {
    writeln!(
        text,
        "\n[[data.fields]] # {reason}\nname = {}",
        quoted(&field.name)
    )?;
    match &field.encoding {
        FieldEncoding::Categorical(of) => {
            writeln!(text, "kind = \"categorical\"\nmin_count = {}", of.min_count)?;
        }
        FieldEncoding::MultiCategorical(of) => writeln!(
            text,
            "kind = \"multi_categorical\"\nseparator = {}\npooling = \"mean\" # sum, max\n\
             min_count = {}",
            quoted(&of.separator),
            of.min_count
        )?,
        FieldEncoding::Quantile(of) => writeln!(
            text,
            "kind = \"numeric\"\nencoding = \"quantile\" # log2, value\nbuckets = {}",
            of.buckets
        )?,
        FieldEncoding::Timestamp(of) => {
            let parts: Vec<String> = of.parts.iter().map(|part| part.name().to_owned()).collect();
            writeln!(
                text,
                "kind = \"timestamp\"\nformat = {}\nparts = {}",
                quoted(&of.format),
                list(&parts)
            )?;
        }
        other => unreachable!("{other:?} is never guessed"),
    }
    Ok(())
}

/// A path as the run file must write it, which reads it from its own directory.
fn from_run_file(path: &Path, run_file: &Path) -> Result<String> {
    let beside = run_file
        .parent()
        .is_none_or(|parent| parent.as_os_str().is_empty());
    let path = match beside {
        true => path.to_owned(),
        false => path
            .canonicalize()
            .with_context(|| path.display().to_string())?,
    };
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| UsageError(format!("{} is not UTF-8", path.display())).into())
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", quoted.join(", "))
}
