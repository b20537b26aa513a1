mod args;
mod leaks;
mod members;
mod run_file;
mod split;

use std::io::Write as _;

use anyhow::{Context, Result, ensure};
use fibinet::data::config::RowFormat;
use fibinet::data::encode::{
    ColumnGuess, Guess, Known, KnownText, Remark, TextGuess, guess_delimiter, guess_fields,
};
use fibinet::data::formats::refuse_address;
use fibinet::storage::AtomicFile;
use fibinet::train::TrainError;
use fibinet::train::config::RunConfig;

pub(crate) use self::args::InitArgs;
use self::leaks::{exclude_leaks, find_malformed};
use self::run_file::run_file;
use self::split::by_time;
use crate::cli::args::{is_same_file, refuse_remote, refuse_standard};
use crate::cli::failure::UsageError;
use crate::cli::output::{note, shell_word, skipped_rows};

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
        refuse_remote(&self.output)?;
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
        if let Some(quote) = self.quote.map(String::from)
            && !quote.is_empty()
            && text.delimiter.as_str().contains(&quote)
        {
            let delimiter = text.delimiter.as_str().escape_debug();
            let message = format!("--quote {quote}: the delimiter, `{delimiter}`, contains it");
            return Err(UsageError(message).into());
        }
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
            Some(value) => format!("such as --positive {}", shell_word(&value)),
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
        if let Some(quotes) = text_guess
            .as_ref()
            .and_then(|text| text.quote_note.as_ref())
        {
            note(&format!("note: {quotes}"));
        }
        let known = args.known();
        let mut guess = guess_fields(&args.train, &format, &known, args.on_bad_row.into())?;
        args.check_labels(&guess)?;
        // A built-in schema has its own fields.
        let on_bad_row = args.on_bad_row.into();
        let notes = if args.schema.is_some() {
            find_malformed(&mut guess, &args.train, &format, on_bad_row)?
        } else {
            exclude_leaks(&mut guess, &args.train, &format, &known, on_bad_row)?
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
        if let Some(Remark::Note(about)) = &column.remark {
            note(&format!("note: `{}`: {about}", column.name));
        }
    }
    left_out(args, guess).iter().for_each(|line| note(line));
    if let Some(line) = skipped_rows(&guess.skipped) {
        let line = with_argument(&line, guess.is_first_skipped_label);
        note(&format!("{line}\nnote: training will skip such rows too"));
    }
    if let Some(wrong) = &guess.bad_label {
        note(&format!(
            "note: training will refuse {}",
            with_argument(wrong, true)
        ));
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

/// What is wrong with a row; if it is the label, with the argument that reads it.
fn with_argument(wrong: &str, is_label: bool) -> String {
    let argument = if is_label {
        "; set --positive to the cell that means a click"
    } else {
        ""
    };
    wrong.to_owned() + argument
}

/// What is said of the columns that a rule leaves out; those with the same reason share a line.
fn left_out(args: &InitArgs, guess: &Guess) -> Vec<String> {
    /// Columns that a line names.
    const NAMED: usize = 10;
    let mut by_reason: Vec<(&str, Vec<&str>)> = Vec::new();
    for column in guess.columns.iter().filter(|_| args.schema.is_none()) {
        let Some(Remark::LeftOut(why)) = &column.remark else {
            continue;
        };
        match by_reason.iter_mut().find(|(reason, _)| reason == why) {
            Some((_, columns)) => columns.push(&column.name),
            None => by_reason.push((why, vec![&column.name])),
        }
    }
    let line = |(why, columns): (&str, Vec<&str>)| {
        let others = columns.len().saturating_sub(NAMED);
        let named = columns.iter().take(NAMED).map(|name| format!("`{name}`"));
        let named: Vec<String> = named.collect();
        let named = match others {
            0 => named.join(", "),
            _ => format!("{} and {others} others", named.join(", ")),
        };
        match (&columns[..], others) {
            ([column], _) => format!(
                "note: {named} is left out: {why}; --keep {} brings it back",
                shell_word(column)
            ),
            (_, 0) => format!(
                "note: {named} are left out: {why}; --keep {} brings them back",
                shell_word(&columns.join(","))
            ),
            _ => format!("note: {named} are left out: {why}; --keep COLUMNS brings them back"),
        }
    };
    by_reason.into_iter().map(line).collect()
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
