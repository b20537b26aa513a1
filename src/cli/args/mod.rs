//! Arguments that several subcommands share, each written once.

mod cache;
mod delimiter;
mod device;
mod log;
mod output_path;
mod run_file;
mod same_file;
mod schema;
mod standard_stream;
mod threads;

pub(crate) use cache::CacheArgs;
pub(crate) use delimiter::{parse_delimiter, parse_quote};
pub(crate) use device::DeviceArgs;
pub(crate) use log::{LogArgs, MalformedRows};
pub(crate) use output_path::refuse_remote;
pub(crate) use run_file::RunFileArgs;
pub(crate) use same_file::is_same_file;
pub(crate) use schema::schema_parser;
pub(crate) use standard_stream::{is_standard, refuse_standard};
pub(crate) use threads::ThreadArgs;
