use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use clap_complete::Shell;

use crate::cli::output::print_bytes;

/// Write shell completions or manual pages
///
/// Example: fibinet generate completions bash > /etc/bash_completion.d/fibinet
#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print the completion script of a shell.
    Completions {
        /// Shell to generate the script for.
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Write a manual page per subcommand.
    Man {
        /// Directory to write to, which is created if needed.
        directory: PathBuf,
    },
}

impl GenerateArgs {
    pub(crate) fn run(&self, mut command: clap::Command) -> Result<()> {
        match &self.what {
            What::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(*shell, &mut command, "fibinet", &mut script);
                print_bytes(&script)
            }
            What::Man { directory } => {
                let context = || directory.display().to_string();
                fs::create_dir_all(directory).with_context(context)?;
                clap_mangen::generate_to(command, directory).with_context(context)
            }
        }
    }
}
