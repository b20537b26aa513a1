use std::fmt::Write;
use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use fibinet::data::{FieldEncoding, FieldSpec, Guess, RowFormat, guess_fields};

use super::aside::AsideFile;
use super::{UsageError, say};

/// Look at a log and write a run file for it, ready to train and to edit
///
/// Every column's kind is guessed, and the reason stands beside it.
///
/// Example: fibinet init train.csv --label click -o fibinet.toml
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The training file: CSV or TSV with a header.
    train: PathBuf,
    /// Rows to stop early by; without them a tenth of the training file.
    #[arg(long)]
    valid: Option<PathBuf>,
    /// Rows to judge by; without them, and without --valid, a tenth of the training file.
    #[arg(long)]
    test: Option<PathBuf>,
    /// The label's column, 0 or 1.
    #[arg(long)]
    label: String,
    /// The run file to write.
    #[arg(short, long, default_value = "fibinet.toml")]
    output: PathBuf,
    /// Replace the run file where it exists.
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &InitArgs) -> Result<()> {
    if !args.force && args.output.symlink_metadata().is_ok() {
        let path = args.output.display();
        let message = format!("{path} exists; give another -o, or --force to replace it");
        return Err(UsageError(message).into());
    }
    for file in [&args.valid, &args.test].into_iter().flatten() {
        file.metadata()
            .with_context(|| file.display().to_string())?;
    }
    let format = RowFormat {
        label: args.label.clone(),
        delimiter: delimiter(&args.train)?,
        columns: None,
        missing: Vec::new(),
    };
    let guess = guess_fields(&args.train, &format)?;
    let text = run_file(args, &format, &guess)?;
    let mut output = AsideFile::create(&args.output)?;
    let context = || args.output.display().to_string();
    output.write_all(text.as_bytes()).with_context(context)?;
    output.commit()?;
    say(&format!(
        "{}: {} fields of {} columns, by {} rows",
        args.output.display(),
        guess
            .columns
            .iter()
            .filter(|column| column.field.is_some())
            .count(),
        guess.columns.len(),
        guess.num_rows
    ));
    Ok(())
}

/// A tab where the first line has one, else a comma.
fn delimiter(path: &Path) -> Result<char> {
    let context = || path.display().to_string();
    let mut line = Vec::new();
    let mut file = BufReader::new(File::open(path).with_context(context)?);
    file.read_until(b'\n', &mut line).with_context(context)?;
    Ok(if line.contains(&b'\t') { '\t' } else { ',' })
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
    match (&args.valid, &args.test) {
        (None, None) => writeln!(text, "split = {{ valid = 0.1, test = 0.1, seed = 2019 }}")?,
        (None, Some(_)) => writeln!(text, "split = {{ valid = 0.1, seed = 2019 }}")?,
        (Some(_), _) => {}
    }
    writeln!(text, "label = {}", quoted(&format.label))?;
    writeln!(
        text,
        "delimiter = {}",
        quoted(&format.delimiter.to_string())
    )?;
    if !guess.missing.is_empty() {
        let missing: Vec<String> = guess.missing.iter().map(|word| quoted(word)).collect();
        writeln!(text, "missing = [{}]", missing.join(", "))?;
    }
    for column in &guess.columns {
        let reason = &column.reason;
        match &column.field {
            Some(field) => write_field(&mut text, field, reason)?,
            None => writeln!(text, "\n# {:?}: {reason}", column.name)?,
        }
    }
    writeln!(
        text,
        "\n[model]\nembedding_dim = 10\nbilinear = \"field_each\" # field_all, field_interaction\n\
         hidden_units = [128, 64]\ndropout = 0.2\n\
         \n[train]\nlearning_rate = 0.001\nbatch_size = 256\nembedding_l2 = 0.0001\n\
         monitor = \"logloss\" # auc"
    )?;
    Ok(text)
}

fn write_field(text: &mut String, field: &FieldSpec, reason: &str) -> Result<()> {
    writeln!(
        text,
        "\n[[data.fields]] # {reason}\nname = {}",
        quoted(&field.name)
    )?;
    match field.encoding {
        FieldEncoding::Categorical { min_count } => {
            writeln!(text, "kind = \"categorical\"\nmin_count = {min_count}")?;
        }
        FieldEncoding::Quantile { buckets } => writeln!(
            text,
            "kind = \"numeric\"\nencoding = \"quantile\" # log2, value\nbuckets = {buckets}"
        )?,
        FieldEncoding::Log2 { .. } | FieldEncoding::Value { .. } => {
            unreachable!("guesses are categories and quantiles")
        }
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
