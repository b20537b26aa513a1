//! From a CSV to a trained, evaluated and scored model, as `fibinet train`, `evaluate` and `predict`
//! do it, on a sample of the UCI Adult data: who earns more than 50K?
//!
//! `cargo run --release --example adult`

use std::error::Error;
use std::path::Path;

use fibinet::data::formats::{Label, open_rows};
use fibinet::model::bundle::BundleError;
use fibinet::model::scorer::{ScoreOptions, Scorer, probability};
use fibinet::nn::backend::Backend;
use fibinet::train::config::RunConfig;
use fibinet::train::metrics::Predictions;
use fibinet::train::run::{Event, RunOptions, train};

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = root.join("runs/adult");
    let device = Backend::compiled()
        .next()
        .ok_or("no backend is compiled in")?
        .device()?;

    let config = RunConfig::read(&root.join("examples/adult.toml"), &[])?;
    println!("Training on 80% of examples/data/adult_2600.csv ...");
    let options = RunOptions {
        out: &out,
        force: true,
        device: &device,
        warm_start: None,
        cache: None,
    };
    let report = train(&config, &options, |event| {
        if let Event::Evaluation(epoch) = event {
            let loss = epoch.valid.logloss;
            println!(
                "  epoch {:>2}: log loss {loss:.4} on validation rows",
                epoch.epoch
            );
        }
    })?;
    let test = report.test.ok_or("the split has test rows")?;
    println!("\nOn {} rows that training never saw:", test.rows);
    let auc = test.auc.ok_or("the test rows are of one class")?;
    println!(
        "  AUC      {auc:.4}  (1: every earner above 50K ranks over every other; 0.5: chance)"
    );
    println!(
        "  log loss {:.4}  (0.5514: everyone gets the sample's 24%)",
        test.logloss
    );

    // `evaluate` would check every byte first, by `Bundle::open_verified`; these were written just now.
    let scorer = Scorer::open(&out, &device)?;
    let data = root.join("examples/data/adult_2600.csv");
    let mut reader = open_rows(&data, scorer.encoder().format(), Label::Required)?;
    let mut predictions = Predictions::default();
    let mut first = Vec::new();
    let options = ScoreOptions {
        labels: true,
        ..ScoreOptions::default()
    };
    scorer.score_rows(reader.as_mut(), &options, |rows| {
        let scored = rows.logits.iter().copied().zip(rows.labels.iter().copied());
        first.extend(scored.take(5 - first.len().min(5)));
        predictions.extend(&rows.logits, &rows.labels, &rows.groups);
        Ok::<(), BundleError>(())
    })?;
    println!("\nThe first rows of the file, scored by the bundle in runs/adult:");
    for (row, (logit, label)) in (1..).zip(first) {
        let income = if label == 1.0 { "above" } else { "up to" };
        println!(
            "  row {row}: {:>5.1}%  (in truth: {income} 50K)",
            100.0 * probability(logit)
        );
    }
    let all = predictions.metrics(1.0);
    println!("  all {} rows: log loss {:.4}", all.rows, all.logloss);
    Ok(())
}
