use fibinet::data::config::{SplitBy, SplitConfig};
use fibinet::data::encode::Guess;
use fibinet::data::fields::{FieldEncoding, FieldSpec};
use toml_edit::{InlineTable, Value};

use crate::cli::commands::init::args::InitArgs;

/// The seed of the split that `init` writes, so that a person sees that there is one.
const SPLIT_SEED: u64 = 2019;
/// The share of rows in a split without a file of its own.
const SHARE: f64 = 0.1;

/// How the training file is cut into the splits that have no file; `None` if all have one.
pub(super) fn split(args: &InitArgs) -> Option<SplitConfig> {
    let random = SplitConfig {
        valid: Some(SHARE),
        seed: Some(SPLIT_SEED),
        ..SplitConfig::default()
    };
    if args.split_column.is_some() {
        let random = match args.valid_value {
            Some(_) => SplitConfig::default(),
            None => random,
        };
        return Some(SplitConfig {
            by: SplitBy::Column,
            column: args.split_column.clone(),
            train_value: args.train_value.clone(),
            valid_value: args.valid_value.clone(),
            test_value: args.test_value.clone(),
            ..random
        });
    }
    match (&args.valid, &args.test) {
        (None, None) => Some(SplitConfig {
            test: Some(SHARE),
            ..random
        }),
        (None, Some(_)) => Some(random),
        (Some(_), _) => None,
    }
}

/// The split by time that could be written instead of a random one, if the log has a time and the rows are
/// drawn at random.
pub(super) fn by_time(args: &InitArgs, guess: &Guess) -> Option<InlineTable> {
    let split = split(args).filter(|split| split.by == SplitBy::Random)?;
    let mut by_time = InlineTable::from_iter([
        ("by", Value::from("time")),
        ("column", Value::from(time_column(args, guess)?)),
    ]);
    for (key, share) in [("valid", split.valid), ("test", split.test)] {
        by_time.extend(share.map(|share| (key, Value::from(share))));
    }
    Some(by_time)
}

/// The first column of times.
fn time_column(args: &InitArgs, guess: &Guess) -> Option<String> {
    let is_time = |field: &&FieldSpec| matches!(field.encoding, FieldEncoding::Timestamp(_));
    let of_schema = args.schema.map(|schema| schema.fields());
    let fields: Vec<&FieldSpec> = match &of_schema {
        Some(fields) => fields.iter().collect(),
        None => guess
            .columns
            .iter()
            .filter_map(|column| column.field.as_ref())
            .collect(),
    };
    let time = fields.into_iter().find(is_time)?;
    Some(time.column.clone())
}
