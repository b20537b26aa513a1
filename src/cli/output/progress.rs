use std::time::Duration;

use fibinet::data::prepare::Progress;
use fibinet::train::run::{EvaluationReport, Event};
use indicatif::{ProgressBar, ProgressStyle};

use super::lines::{in_members, metrics_line};
use super::printer::note;

/// Shows a run on stderr: progress bars if it is a terminal, and one line per evaluation.
pub(crate) struct ProgressDisplay {
    bar: ProgressBar,
    train_rows: u64,
}

impl ProgressDisplay {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, train_rows: 0 }
    }

    pub(crate) fn show(&mut self, event: Event) {
        match event {
            Event::Preparing(Progress::Reused) => {
                self.line("reusing the encoded rows of an earlier run");
            }
            Event::Preparing(Progress::Waiting) => {
                self.line("waiting for another process that is preparing the same rows");
            }
            Event::Preparing(Progress::Counting(rows)) => {
                self.bar.set_message(format!("counting rows: {rows}"));
            }
            Event::Preparing(Progress::Fitting(rows)) => {
                self.bar
                    .set_message(format!("fitting the encoder: {rows} rows"));
            }
            Event::Preparing(Progress::Encoding(rows)) => {
                self.bar.set_message(format!("encoding rows: {rows}"));
            }
            Event::Training { train_rows, .. } => {
                self.train_rows = train_rows as u64;
                for line in training_lines(event) {
                    self.line(&line);
                }
                self.bar.finish_and_clear();
            }
            Event::Step { epoch, rows, loss } => {
                if self.bar.is_finished() {
                    self.bar = epoch_bar(epoch, self.train_rows);
                }
                self.bar.set_position(rows as u64);
                self.bar.set_message(format!("loss {loss:.4}"));
            }
            Event::Evaluation(report) => {
                self.line(&evaluation_line(&report));
                self.bar.finish_and_clear();
            }
        }
    }

    /// A line above the bar, or a plain one if there is no terminal.
    fn line(&self, text: &str) {
        if self.bar.is_hidden() {
            note(text);
        } else {
            self.bar.println(text);
        }
    }
}

fn epoch_bar(epoch: usize, rows: u64) -> ProgressBar {
    let template = "epoch {prefix} {wide_bar} {pos}/{len} rows  {per_sec}  {msg}  {eta} left";
    let bar = ProgressBar::new(rows).with_prefix(epoch.to_string());
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// What is trained on, and a remark on test rows of one class.
fn training_lines(event: Event) -> Vec<String> {
    let Event::Training {
        train_rows,
        train_clicks,
        valid_rows,
        valid_clicks,
        test_rows,
        test_clicks,
        members,
        num_parameters,
        memory_bytes,
    } = event
    else {
        return Vec::new();
    };
    let mebibytes = memory_bytes.div_ceil(1 << 20);
    let members = in_members(members);
    let mut lines = vec![format!(
        "{train_rows} training rows ({train_clicks} clicks), {valid_rows} validation rows ({valid_clicks} \
         clicks), {test_rows} test rows ({test_clicks} clicks); {num_parameters} parameters{members}, which take at \
         least {mebibytes} MiB to train"
    )];
    if test_rows > 0 && (test_clicks == 0 || test_clicks == test_rows) {
        lines.push(format!(
            "note: the test rows are of one class ({test_clicks} clicks in {test_rows} rows), so they have no \
             AUC"
        ));
    }
    lines
}

fn evaluation_line(report: &EvaluationReport) -> String {
    format!(
        "epoch {:>3}  step {:>6}  train loss {:.5}  {}{}",
        report.epoch,
        report.step,
        report.train_loss,
        metrics_line("valid", &report.valid),
        if report.best { "  *" } else { "" },
    )
}
