use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use fibinet::model::{Bundle, Scorer};
use fibinet::nn::{AnyHeadConfig, CtrModelConfig, HeadConfig};
use serde_json::{Value, json};

use crate::cli::args::DeviceArgs;
use crate::cli::output::print_bytes;

/// Rows whose pairs are told in bytes: a batch.
const ROWS: usize = 2048;

/// Check every byte of a bundle and show what it holds: fields, vocabularies, parameters, sizes
///
/// Example: fibinet inspect runs/first
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Bundle that `fibinet train` wrote.
    #[arg(value_name = "BUNDLE")]
    run: PathBuf,
    /// Print the result as one JSON object on stdout.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &InspectArgs) -> Result<()> {
    let scorer = Scorer::new(
        Bundle::open_verified(&args.run)?,
        &DeviceArgs::from_environment()?,
    )?;
    let bundle = scorer.bundle();
    let CtrModelConfig {
        tables: asked,
        head,
    } = &bundle.model;
    let tables = bundle.tables();
    let (table_numbers, table_bytes) = (tables.num_params(), tables.num_bytes());
    let table_dtype = tables.embedding.dtype();
    let layout = bundle.encoder.layout();
    let bytes = bytes_below(&args.run)?;
    let pairs = head.pair_bytes(ROWS, rayon::current_num_threads());
    if args.json {
        let fields: Vec<_> = layout
            .iter()
            .map(|field| json!({ "name": field.name, "ids": field.shape.num_ids() }))
            .collect();
        return print(
            &json!({
                "fields": fields,
                "num_parameters": scorer.num_params(),
                "table_parameters": table_numbers,
                "head_parameters": scorer.num_params() - table_numbers,
                "table_bytes": table_bytes,
                "table_dtype": table_dtype,
                "pair_bytes": pairs.map(|pairs| json!({
                    "rows": ROWS,
                    "array": pairs.array,
                    "scoring_at_once": pairs.fused.map(|[scoring, _]| scoring),
                    "training_at_once": pairs.fused.map(|[_, training]| training),
                })),
                "bytes": bytes,
                "output": bundle.output,
                "negative_rate": bundle.negative_rate,
                "model": settings(&bundle.model)?,
            })
            .to_string(),
        );
    }
    let mut lines = vec![format!("{:<32} {:>12}", "field", "ids")];
    for field in &layout {
        let ids = field
            .shape
            .num_ids()
            .map_or("a number".to_owned(), |ids| ids.to_string());
        lines.push(format!("{:<32} {ids:>12}", field.name));
    }
    lines.push(String::new());
    let mebibytes = |bytes: f64| format!("{:.1} MiB", bytes / f64::from(1 << 20));
    let pairs = pairs.map(|pairs| match pairs.fused {
        Some([scoring, training]) => format!(
            "{} as an array; at most {} at once on flex, {} in training",
            mebibytes(pairs.array as f64),
            mebibytes(scoring as f64),
            mebibytes(training as f64)
        ),
        None => format!(
            "{}, in training as much for their gradient",
            mebibytes(pairs.array as f64)
        ),
    });
    let mut facts = vec![("model", head.name().to_owned())];
    if asked.embedding_dim > 0 {
        facts.push(("embedding dimension", asked.embedding_dim.to_string()));
    }
    facts.extend(head.describe());
    facts.extend([
        ("parameters", scorer.num_params().to_string()),
        (
            "of them in tables",
            format!(
                "{table_numbers} ({table_dtype}, {}, mapped)",
                mebibytes(table_bytes as f64)
            ),
        ),
    ]);
    facts.extend(pairs.map(|pairs| ("pairs of 2,048 rows", pairs)));
    facts.extend([
        (
            "logits",
            format!("{:.4} z {:+.4}", bundle.output.scale, bundle.output.shift),
        ),
        ("on disk", mebibytes(bytes as f64)),
    ]);
    for (name, value) in facts {
        lines.push(format!("{name:<24} {value}"));
    }
    print(&lines.join("\n"))
}

fn print(text: &str) -> Result<()> {
    print_bytes(format!("{text}\n").as_bytes())
}

/// The settings of the tables and of the head side by side, as the run file has them.
fn settings(model: &CtrModelConfig<AnyHeadConfig>) -> Result<serde_json::Map<String, Value>> {
    let mut settings = serde_json::Map::new();
    for half in [
        serde_json::to_value(&model.tables)?,
        serde_json::to_value(&model.head)?,
    ] {
        if let Value::Object(half) = half {
            settings.extend(half);
        }
    }
    Ok(settings)
}

fn bytes_below(directory: &Path) -> Result<u64> {
    let context = || directory.display().to_string();
    let mut bytes = 0;
    for entry in directory.read_dir().with_context(context)? {
        let entry = entry.with_context(context)?;
        bytes += match entry.file_type().with_context(context)?.is_dir() {
            true => bytes_below(&entry.path())?,
            false => entry.metadata().with_context(context)?.len(),
        };
    }
    Ok(bytes)
}
