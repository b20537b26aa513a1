//! The command line.

mod args;
mod aside;
mod commands;
mod output;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use fibinet::data::DataError;
use fibinet::model::BundleError;
use fibinet::nn::BackendError;
use fibinet::train::TrainError;

use self::commands::{evaluate, init, inspect, predict, prepare, synth, train};

/// Click-through-rate models: from a raw log to a trained, scored FiBiNET.
///
/// Exit code 0: done; 1: a failure (a file, the data, the machine); 2: wrong arguments or a wrong
/// run file.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(Box<init::InitArgs>),
    Prepare(prepare::PrepareArgs),
    Train(train::TrainArgs),
    Evaluate(evaluate::EvaluateArgs),
    Predict(predict::PredictArgs),
    Inspect(inspect::InspectArgs),
    Synth(synth::SynthArgs),
}

/// A fault in what was asked for, beside those that the libraries tell.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(String);

pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; whether they can be printed is not ours to mend.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let result = match cli.command {
        Command::Init(args) => init::run(&args),
        Command::Prepare(args) => prepare::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Synth(args) => synth::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {}", message(&error)));
            ExitCode::from(if is_usage(&error) { 2 } else { 1 })
        }
    }
}

fn is_usage(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<UsageError>()
            || cause.is::<BackendError>()
            || cause.downcast_ref().is_some_and(BundleError::is_config)
            || cause.downcast_ref().is_some_and(TrainError::is_config)
            || cause.downcast_ref().is_some_and(DataError::is_config)
    })
}

/// The error and its causes, each said once: the libraries' messages hold their causes' already.
fn message(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if message.is_empty() {
            message = cause;
        } else if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    message
}

/// Where encoded rows are kept: as asked, or beside the run file.
fn cache(asked: Option<&Path>, run_file: &Path) -> PathBuf {
    match asked {
        Some(cache) => cache.to_owned(),
        None => run_file.with_file_name(".fibinet-cache"),
    }
}

/// Whether both are there and the same.
fn is_same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// A line on stderr; one that nobody can read is no failure.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// A line of the result on stdout.
fn print(line: &str) -> Result<()> {
    writeln!(io::stdout(), "{line}").context("stdout")
}
