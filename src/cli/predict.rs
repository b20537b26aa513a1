use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use fibinet::data::open_rows;
use fibinet::serve::{Scorer, probability};

use super::device;

/// Score raw rows: one probability a row, in the rows' order
///
/// Example: fibinet predict runs/first --data new.csv -o scores.csv
#[derive(Debug, Args)]
pub(super) struct PredictArgs {
    /// The bundle.
    run: PathBuf,
    /// Rows, written as the training file is; a label is not needed.
    #[arg(long)]
    data: PathBuf,
    /// A CSV file of one column, `probability`.
    #[arg(short, long)]
    output: PathBuf,
    /// flex, ndarray, wgpu, vulkan, metal or cuda, as far as compiled in.
    #[arg(long)]
    device: Option<String>,
}

pub(super) fn run(args: &PredictArgs) -> Result<()> {
    let device = device::select(args.device.as_deref())?;
    let scorer = Scorer::open(&args.run, &device)?;
    let mut reader = open_rows(&args.data, scorer.encoder().format())?;
    let mut output = Output::create(&args.output)?;
    writeln!(output.file, "probability").with_context(|| output.path())?;
    let mut rows = 0;
    scorer.score_rows(reader.as_mut(), false, |logits, _| {
        for &logit in logits {
            writeln!(output.file, "{}", probability(logit)).with_context(|| output.path())?;
        }
        rows += logits.len();
        Ok::<(), anyhow::Error>(())
    })?;
    output.commit()?;
    eprintln!("{rows} rows scored into {}", args.output.display());
    Ok(())
}

/// A file written aside and renamed into place: a failure leaves what was there.
struct Output<'a> {
    target: &'a Path,
    partial: PathBuf,
    file: BufWriter<File>,
    committed: bool,
}

impl<'a> Output<'a> {
    fn create(target: &'a Path) -> Result<Self> {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".partial-{}", std::process::id()));
        let partial = target.with_file_name(name);
        let file = File::create(&partial).with_context(|| partial.display().to_string())?;
        Ok(Self {
            target,
            partial,
            file: BufWriter::new(file),
            committed: false,
        })
    }

    fn path(&self) -> String {
        self.target.display().to_string()
    }

    fn commit(mut self) -> Result<()> {
        self.file.flush().with_context(|| self.path())?;
        self.file
            .get_ref()
            .sync_all()
            .with_context(|| self.path())?;
        fs::rename(&self.partial, self.target).with_context(|| self.path())?;
        self.committed = true;
        Ok(())
    }
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        if !self.committed {
            // Best effort: the error that led here is the one to tell.
            let _ = fs::remove_file(&self.partial);
        }
    }
}
