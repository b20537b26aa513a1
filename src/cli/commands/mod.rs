//! The subcommands, one per file.
//!
//! To add one, write its file, declare it, and add a variant of [`Command`] with its line in [`Cli::run`].

mod devices;
mod evaluate;
mod generate;
mod init;
mod inspect;
mod predict;
mod prepare;
mod synth;
mod train;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};

use self::devices::DevicesArgs;
use self::evaluate::EvaluateArgs;
use self::generate::GenerateArgs;
use self::init::InitArgs;
use self::inspect::InspectArgs;
use self::predict::PredictArgs;
use self::prepare::PrepareArgs;
use self::synth::SynthArgs;
use self::train::TrainArgs;

/// Click-through-rate models: from a raw click log to a trained and scored model.
///
/// Exit code: 0 on success, 1 on a failure of a file, the data or the machine, 2 on wrong arguments or
/// a wrong run file.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(Box<InitArgs>),
    Prepare(PrepareArgs),
    Train(TrainArgs),
    Evaluate(EvaluateArgs),
    Predict(PredictArgs),
    Inspect(InspectArgs),
    Synth(SynthArgs),
    Devices(DevicesArgs),
    #[command(hide = true)]
    Generate(GenerateArgs),
}

/// What makes a subcommand read past a malformed row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BadRowFlags {
    /// The flag that skips such rows.
    pub(crate) skip: &'static str,
    /// Whether it has the flag `--missing`.
    pub(crate) has_missing: bool,
    /// What makes quotes ordinary characters.
    pub(crate) unquoted: &'static str,
}

impl Cli {
    /// What makes the subcommand read past a malformed row; `None` if it reads no rows or cannot.
    pub(crate) fn bad_row_flags(&self) -> Option<BadRowFlags> {
        let (skip, has_missing) = match self.command {
            Command::Init(_) | Command::Evaluate(_) | Command::Predict(_) => {
                ("--on-bad-row skip", true)
            }
            Command::Train(_) => ("--on-bad-row skip", false),
            Command::Prepare(_) => ("--set data.on_bad_row=skip", false),
            _ => return None,
        };
        let unquoted = match self.command {
            Command::Init(_) => "`--quote none`",
            Command::Train(_) | Command::Prepare(_) => {
                "`quote = \"\"` under [data] in the run file"
            }
            _ => "training with `quote = \"\"` under [data]",
        };
        Some(BadRowFlags {
            skip,
            has_missing,
            unquoted,
        })
    }

    /// Checks the arguments of the subcommand and does its work.
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            Command::Init(args) => args.check()?.run(),
            Command::Prepare(args) => args.check()?.run(),
            Command::Train(args) => args.check()?.run(),
            Command::Evaluate(args) => args.check()?.run(),
            Command::Predict(args) => args.check()?.run(),
            Command::Inspect(args) => args.check()?.run(),
            Command::Synth(args) => args.check()?.run(),
            Command::Devices(args) => args.check().run(),
            Command::Generate(args) => args.run(Self::command()),
        }
    }
}
