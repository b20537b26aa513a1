use std::path::Path;

use anyhow::{Context, Result, bail};
use fibinet::data::config::{DataConfig, RowFormat};
use fibinet::data::encode::{ColumnGuess, Guess, TextGuess};
use fibinet::nn::models::AnySpec;
use fibinet::train::config::{Calibration, Monitor, RowUpdate, TrainConfig};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table};

use crate::cli::commands::init::args::InitArgs;
use crate::cli::commands::init::members::{ALTERNATE, has_embeddings, has_hidden_layers, members};
use crate::cli::commands::init::split::{by_time, split};
use crate::cli::failure::UsageError;

/// The settings of `[train]` that are written, with what is said beside them.
const TRAIN_KEYS: [(&str, &str); 6] = [
    ("learning_rate", ""),
    (
        "batch_size",
        " # larger ones are faster, for logs of millions of rows",
    ),
    (
        "row_update",
        " # all rows of small tables, the touched rows of large ones",
    ),
    ("embedding_l2", ""),
    ("monitor", " # logloss, auc_minus_logloss"),
    ("calibration", " # temperature, none"),
];

/// The text of a run file: the settings that were guessed, each with its reason as a comment.
pub(super) fn run_file(
    args: &InitArgs,
    format: &RowFormat,
    text: Option<&TextGuess>,
    guess: &Guess,
) -> Result<String> {
    let data = data_config(args, format)?;
    let mut data = toml_edit::ser::to_document(&data)?.as_table().clone();
    remove_defaults(&mut data);
    if let Some(by_time) = by_time(args, guess) {
        let reason = format!(
            "random: rows are trained on that are later than those tested on; by time: {by_time}"
        );
        comment(&mut data, "split", &reason);
    }
    if let Some(text) = text {
        comment(&mut data, "delimiter", &text.delimiter_reason);
        comment(&mut data, "quote", &text.quote_reason);
    }
    if args.schema.is_none() {
        let fields = field_tables(guess)?;
        data.insert("fields", Item::ArrayOfTables(fields));
    }
    data.decor_mut()
        .set_prefix("# Written by `fibinet init`; edit what it guessed wrong.\n\n");
    let mut document = DocumentMut::new();
    document.insert("data", Item::Table(data));
    let mut train = DocumentMut::new();
    train.insert("train", Item::Table(train_table(args, guess)?));
    Ok(finish(&document, args, guess) + "\n" + &train.to_string())
}

fn data_config(args: &InitArgs, format: &RowFormat) -> Result<DataConfig> {
    let path = |path: &Path| from_run_file(path, &args.output).map(Into::into);
    let file = |file: &Option<_>| file.as_deref().map(path).transpose();
    // A built-in schema already describes rows and fields.
    let own = args.schema.is_none();
    Ok(DataConfig {
        train: path(&args.train)?,
        valid: file(&args.valid)?,
        test: file(&args.test)?,
        split: split(args),
        on_bad_row: args.on_bad_row.into(),
        negative_rate: None,
        shuffle_rows: None,
        schema: args.schema.map(|schema| schema.name().to_owned()),
        label: own.then(|| format.label.clone()),
        group: format.group.clone(),
        positive: format.positive.clone().filter(|_| own),
        delimiter: own.then(|| format.delimiter.clone()),
        quote: format.quote.filter(|_| own),
        columns: format.columns.clone().filter(|_| own),
        missing: (!args.missing.is_empty()).then(|| args.missing.clone()),
        missing_words: None,
        // Written one by one, with comments.
        fields: Vec::new(),
    })
}

/// A comment, which may quote cells and names of columns: a line end would end it.
fn on_one_line(comment: &str) -> String {
    let escape = |character: char| match character.is_control() {
        true => character.escape_debug().to_string(),
        false => character.to_string(),
    };
    comment.chars().map(escape).collect()
}

/// The number of characters that a line of a long comment should not exceed.
const LINE: usize = 110;

/// A comment on one line or, if it is long, on several: it is broken behind semicolons, or else at blanks.
fn comment_lines(comment: &str) -> String {
    let comment = on_one_line(comment);
    let mut lines: Vec<String> = Vec::new();
    let fits = |line: &str, more: &str| line.chars().count() + more.chars().count() <= LINE;
    for clause in comment.split_inclusive("; ") {
        match lines.last_mut() {
            Some(line) if fits(line, clause) => line.push_str(clause),
            _ => lines.push(clause.to_owned()),
        }
        while let Some(line) = lines.pop_if(|line| !fits(line, "")) {
            let (end, _) = line.char_indices().nth(LINE).unwrap_or((line.len(), ' '));
            let at = line[..end].rfind(' ').filter(|at| *at > 0);
            let Some((line, rest)) = at.map(|at| line.split_at(at)) else {
                lines.push(line);
                break;
            };
            lines.extend([line.to_owned(), rest.trim_start().to_owned()]);
        }
    }
    let lines = lines.iter().map(|line| format!("# {}", line.trim_end()));
    lines.collect::<Vec<_>>().join("\n")
}

/// Writes the reason for a setting beside it.
fn comment(table: &mut Table, key: &str, reason: &str) {
    if let Some(value) = table.get_mut(key).and_then(Item::as_value_mut)
        && !reason.is_empty()
    {
        value
            .decor_mut()
            .set_suffix(format!(" # {}", on_one_line(reason)));
    }
}

/// Removes default settings, and writes the split on one line.
fn remove_defaults(data: &mut Table) {
    data.remove("fields");
    let is_default = |value: &Item| value.as_str() == Some("fail");
    if data.get("on_bad_row").is_some_and(is_default) {
        data.remove("on_bad_row");
    }
    if let Some(split) = data.remove("split")
        && let Ok(mut split) = split.into_value()
    {
        if let Some(split) = split.as_inline_table_mut() {
            if split.get("by").and_then(|by| by.as_str()) == Some("random") {
                split.remove("by");
            }
            split.fmt();
        }
        data.insert("split", Item::Value(split));
    }
}

/// Settings beside which the other values are written.
const CHOICES: [(&str, &[&str]); 2] = [
    (
        "encoding",
        &["cumulative", "quantile", "smoothed", "log2", "value"],
    ),
    ("pooling", &["mean", "sum", "max"]),
];

/// One table per field, with the reason beside its header, and comments for the columns left unused.
fn field_tables(guess: &Guess) -> Result<ArrayOfTables> {
    let mut tables = ArrayOfTables::new();
    let mut unused = String::new();
    for column in &guess.columns {
        let Some(field) = &column.field else {
            unused += &unused_column(column);
            continue;
        };
        let mut table = toml_edit::ser::to_document(field)?.as_table().clone();
        let decor = table.decor_mut();
        decor.set_prefix(format!("{}\n", std::mem::take(&mut unused)));
        decor.set_suffix(format!(" {}", comment_lines(&column.reason)));
        for (key, choices) in CHOICES {
            if let Some(value) = table.get_mut(key).and_then(Item::as_value_mut) {
                let others = choices.iter().filter(|other| value.as_str() != Some(other));
                let others: Vec<&str> = others.copied().collect();
                value
                    .decor_mut()
                    .set_suffix(format!(" # {}", others.join(", ")));
            }
        }
        tables.push(table);
    }
    Ok(tables)
}

fn unused_column(column: &ColumnGuess) -> String {
    let comment = comment_lines(&format!("{:?}: {}", column.name, column.reason));
    format!("\n{comment}\n")
}

/// The document, the comments of unused columns after the last field, and the model.
fn finish(document: &DocumentMut, args: &InitArgs, guess: &Guess) -> String {
    let mut text = document.to_string();
    if args.schema.is_none() {
        let last = guess.columns.iter().rev();
        let mut unused: Vec<_> = last.take_while(|column| column.field.is_none()).collect();
        unused.reverse();
        text.extend(unused.into_iter().map(unused_column));
    }
    let name = &args.model;
    let others: Vec<&str> = AnySpec::NAMES
        .iter()
        .copied()
        .filter(|other| other != name)
        .collect();
    let template = AnySpec::template(name).unwrap_or_default();
    text += &format!(
        "\n[model]\nname = \"{name}\" # {}\n{template}",
        others.join(", ")
    );
    text
}

/// A log of fewer rows has small batches: it has few steps per epoch otherwise, and training stops before it has
/// learnt. On the validation rows of `benches/accuracy`, 64 rows gain .024 AUC over 256 on churn (3,022 rows),
/// .009 on flights (18,084) and .003 on adult, and lose at most .003 on others.
const SMALL_LOG: u64 = 25_000;

/// The key of a run file that drops some of the embeddings' numbers, which `init` writes below [`SMALL_LOG`] rows. On
/// the validation rows of `benches/accuracy`, .1 gains .0014 AUC and .0015 of log loss on 14 small and synthetic logs.
/// On three logs of 44,000 to 80,000 rows it gained .0080 of log loss for Frappe, and lost up to .0008 for the others.
const DROPOUT: (&str, &str) = (
    "embedding_dropout",
    " # the share of the embeddings' numbers that a step leaves out; 0 for none",
);

/// The `[train]` section. Its values were chosen on the validation rows of Frappe, MovieLens and Adult together.
fn train_table(args: &InitArgs, guess: &Guess) -> Result<Table> {
    let (members, reason) = members(args, guess);
    let embedding_dropout = if has_embeddings(args) && guess.num_rows < SMALL_LOG {
        0.1
    } else {
        0.0
    };
    let config = TrainConfig {
        learning_rate: 1e-3,
        batch_size: if guess.num_rows < SMALL_LOG { 64 } else { 256 },
        row_update: RowUpdate::Auto,
        embedding_l2: 1e-4,
        embedding_dropout,
        monitor: Monitor::Auc,
        calibration: Calibration::Platt,
        members,
        alternate_batch_norm: members > 1 && has_hidden_layers(args),
        ..TrainConfig::default()
    };
    let mut all = toml_edit::ser::to_document(&config)?;
    let mut table = Table::new();
    let dropout = Some(DROPOUT).filter(|_| config.embedding_dropout > 0.0);
    let alternate = Some(ALTERNATE).filter(|_| config.alternate_batch_norm);
    let chosen = [dropout, Some(("members", &*reason)), alternate];
    for (key, beside) in TRAIN_KEYS.into_iter().chain(chosen.into_iter().flatten()) {
        let Some(Ok(mut value)) = all.remove(key).map(Item::into_value) else {
            bail!("there is no setting `{key}` in [train]");
        };
        value.decor_mut().set_suffix(beside);
        table.insert(key, Item::Value(value));
    }
    Ok(table)
}

/// A path as the run file writes it, which is relative to the run file's directory.
fn from_run_file(path: &Path, run_file: &Path) -> Result<String> {
    let beside = run_file
        .parent()
        .is_none_or(|parent| parent.as_os_str().is_empty());
    let path = if beside {
        path.to_owned()
    } else {
        path.canonicalize()
            .with_context(|| path.display().to_string())?
    };
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| UsageError(format!("{} is not UTF-8", path.display())).into())
}
