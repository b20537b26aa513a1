use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use fibinet::data::config::{BuiltinSchema, Delimiter, Quote};
use fibinet::nn::models::AnySpec;

use crate::cli::args::{MalformedRows, parse_delimiter, parse_quote, schema_parser};

/// Look at a log and write a run file for it, ready to edit and to train
///
/// The kind of every column is guessed, and the run file gives the reason beside it. Columns are read as
/// numbers, times, lists or texts, in this order. If at most 1% of the cells of a column are odd, they are
/// named and taken as missing. A column that fits two readings, such as 1,234 or 03/04/2024, is named with
/// both and left out. Columns that give the label away, such as the time spent after the click, and row
/// numbers are left out. Members, batch size, dropout and the encoding of numbers are chosen by the number of
/// rows. Arguments that are lists are separated by commas.
///
/// Example: fibinet init train.csv --label click -o fibinet.toml
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Training file: delimited text with a header, plain, .gz or .zst, or Parquet; or a directory of
    /// such files.
    pub(super) train: PathBuf,
    /// Validation file, which decides when to stop training; by default a tenth of the training file.
    #[arg(long, value_name = "PATH")]
    pub(super) valid: Option<PathBuf>,
    /// Test file, on which the finished model is evaluated; by default a tenth of the training file,
    /// unless there is a --valid. The run file's `split` takes these rows at random, by their order, by
    /// time or by a column.
    #[arg(long, value_name = "PATH")]
    pub(super) test: Option<PathBuf>,
    /// Column of the label, which is 0 or 1 unless --positive is given.
    #[arg(long, value_name = "COLUMN", required_unless_present = "schema")]
    pub(super) label: Option<String>,
    /// Value of the label that means a click, if it is not 1; any other value means no click.
    #[arg(long, value_name = "VALUE")]
    pub(super) positive: Option<String>,
    /// Column that groups the rows, such as the user: reports then include the AUC within groups. Rows
    /// with a blank cell are one group. It is a field of the model too unless it is excluded.
    #[arg(long, value_name = "COLUMN")]
    pub(super) group: Option<String>,
    /// Names of the columns, for files without a header.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(super) columns: Vec<String>,
    /// What stands between cells: a character, several such as `::`, or `tab`, `space`, `'\x01'`; by
    /// default one of `, ; | tab space \x01 \x02 ::`, whichever gives most rows the same number of cells.
    #[arg(long, value_name = "CHARACTERS", value_parser = parse_delimiter)]
    pub(super) delimiter: Option<Delimiter>,
    /// Character around cells that hold a delimiter or a line end, or `none` if quotes are ordinary
    /// characters; by default whichever the file shows, and `"` if it shows none.
    #[arg(long, value_name = "CHARACTER", value_parser = parse_quote)]
    pub(super) quote: Option<Quote>,
    /// What to do with malformed rows; with `skip` the run file says so too, and training skips them.
    #[arg(long, value_enum, value_name = "CHOICE", default_value_t = MalformedRows::Fail)]
    pub(super) on_bad_row: MalformedRows,
    /// Columns that the model does not use.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(super) exclude: Vec<String>,
    /// Columns that the model uses even if they give the label away or number the rows.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(super) keep: Vec<String>,
    /// Columns to treat as categories, whatever they look like.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(super) categorical: Vec<String>,
    /// Columns to treat as quantities, whatever they look like. As all quantities they are cut into buckets, more for
    /// more rows, which the run file shows as `encoding` and `buckets`.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(super) numeric: Vec<String>,
    /// Cells that mean "no value" in every column, besides empty ones. So do usual words such as ?, NA, null,
    /// None and -, but not in a category where they are frequent.
    #[arg(
        long,
        value_name = "VALUES",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    pub(super) missing: Vec<String>,
    /// Column that says which split a row belongs to.
    #[arg(long, value_name = "COLUMN", requires = "train_value", conflicts_with_all = ["valid", "test"])]
    pub(super) split_column: Option<String>,
    /// Value of the split column for training rows.
    #[arg(long, value_name = "VALUE", requires = "split_column")]
    pub(super) train_value: Option<String>,
    /// Value of the split column for validation rows; by default a tenth of the training rows.
    #[arg(long, value_name = "VALUE", requires = "split_column")]
    pub(super) valid_value: Option<String>,
    /// Value of the split column for test rows.
    #[arg(long, value_name = "VALUE", requires = "split_column")]
    pub(super) test_value: Option<String>,
    /// Built-in description of a well-known log.
    #[arg(
        long,
        value_parser = schema_parser(),
        conflicts_with_all = ["label", "positive", "columns", "delimiter", "quote", "exclude", "keep", "categorical", "numeric"],
    )]
    pub(super) schema: Option<BuiltinSchema>,
    /// Model to train.
    #[arg(long, value_name = "NAME", default_value = AnySpec::DEFAULT, value_parser = PossibleValuesParser::new(AnySpec::NAMES))]
    pub(super) model: String,
    /// Separate models to train, whose probabilities are averaged; by default 8 for small logs and 1 for
    /// large ones: 8, 4 or 2 as long as members x rows x fields² are at most 50 million, and the rows fewer
    /// than 200,000. The run file says so under `train.members`.
    #[arg(long, value_name = "NUMBER")]
    pub(super) members: Option<usize>,
    /// Run file to write.
    #[arg(short, long, value_name = "FILE", default_value = "fibinet.toml")]
    pub(super) output: PathBuf,
    /// Replace the run file if it exists.
    #[arg(long)]
    pub(super) force: bool,
}
