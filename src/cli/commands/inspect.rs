use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::tensor::Device;
use clap::Args;
use fibinet::model::bundle::Bundle;
use fibinet::model::scorer::Scorer;
use fibinet::nn::models::{HeadConfig, PairBytes};
use serde_json::{Map, Value, json};

use crate::cli::args::DeviceArgs;
use crate::cli::output::{JsonArgs, Printer, Report};

/// Size of the batch whose pairs are shown in bytes.
const BATCH_ROWS: usize = 2048;

/// Check every byte of a bundle and show what it holds: fields, vocabularies, parameters, sizes
///
/// Example: fibinet inspect runs/first
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Bundle that `fibinet train` wrote.
    #[arg(value_name = "BUNDLE")]
    run: PathBuf,
    #[command(flatten)]
    json: JsonArgs,
}

/// What `inspect` does, checked.
pub(crate) struct InspectJob {
    bundle: PathBuf,
    device: Device,
    printer: Printer,
}

impl InspectArgs {
    pub(crate) fn check(self) -> Result<InspectJob> {
        Ok(InspectJob {
            bundle: self.run,
            device: DeviceArgs::from_environment()?,
            printer: self.json.printer(),
        })
    }
}

impl InspectJob {
    pub(crate) fn run(self) -> Result<()> {
        let scorer = Scorer::new(Bundle::open_verified(&self.bundle)?, &self.device)?;
        let bytes = bytes_below(&self.bundle)?;
        self.printer.print(&Inspection { scorer, bytes })
    }
}

struct Inspection {
    scorer: Scorer,
    /// Bytes of the bundle on disk.
    bytes: u64,
}

impl Inspection {
    fn pair_bytes(&self) -> Option<PairBytes> {
        let head = &self.scorer.bundle().model.head;
        head.pair_bytes(BATCH_ROWS, rayon::current_num_threads())
    }

    /// The settings of the tables and of the head side by side, as the run file has them.
    fn settings(&self) -> serde_json::Result<Map<String, Value>> {
        let model = &self.scorer.bundle().model;
        let mut settings = Map::new();
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

    /// The parameters and bytes of all members' tables.
    fn of_tables(&self) -> (usize, usize) {
        let bundle = self.scorer.bundle();
        let tables = (0..bundle.num_members()).map(|member| bundle.tables(member));
        tables.fold((0, 0), |(parameters, bytes), tables| {
            (parameters + tables.num_params(), bytes + tables.num_bytes())
        })
    }

    /// The lines below the fields: what is shown, and its value.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let bundle = self.scorer.bundle();
        let (model, members) = (&bundle.model, bundle.num_members());
        let mut facts = vec![("model", model.head.name().to_owned())];
        if members > 1 {
            let kinds = if bundle.alternate_batch_norm {
                ", every second one with batch norm"
            } else {
                ""
            };
            facts.push(("members", format!("{members}{kinds}")));
        }
        if model.tables.embedding_dim > 0 {
            let dimension = model.tables.embedding_dim.to_string();
            facts.push(("embedding dimension", dimension));
        }
        facts.extend(model.head.describe());
        facts.push(("parameters", self.scorer.num_params().to_string()));
        let (table_parameters, table_bytes) = self.of_tables();
        let table_bytes = mebibytes(table_bytes as f64);
        let dtype = bundle.tables(0).embedding.dtype();
        facts.push((
            "parameters in tables",
            format!("{table_parameters} ({dtype}, {table_bytes}, mapped)"),
        ));
        let pairs = self.pair_bytes().as_ref().map(pairs_text);
        facts.extend(pairs.map(|pairs| ("pairs of 2,048 rows", pairs)));
        let output = &bundle.output;
        let sign = if output.shift < 0.0 { '-' } else { '+' };
        let logits = format!("{:.4} z {sign} {:.4}", output.scale, output.shift.abs());
        facts.push(("calibrated logits", logits));
        facts.push(("on disk", mebibytes(self.bytes as f64)));
        facts
    }
}

impl Report for Inspection {
    fn text(&self) -> String {
        let mut lines = vec![format!("{:<32} {:>12}", "field", "ids")];
        for field in self.scorer.encoder().layout() {
            let ids = field.shape.num_ids();
            let ids = ids.map_or("a number".to_owned(), |ids| ids.to_string());
            lines.push(format!("{:<32} {ids:>12}", field.name));
        }
        lines.push(String::new());
        let facts = self.facts().into_iter();
        lines.extend(facts.map(|(name, value)| format!("{name:<24} {value}")));
        lines.join("\n")
    }

    fn json(&self) -> serde_json::Result<String> {
        let bundle = self.scorer.bundle();
        let parameters = self.scorer.num_params();
        let (table_parameters, table_bytes) = self.of_tables();
        let layout = self.scorer.encoder().layout();
        let fields = layout
            .iter()
            .map(|field| json!({ "name": field.name, "ids": field.shape.num_ids() }));
        let report = json!({
            "fields": fields.collect::<Vec<_>>(),
            "members": bundle.num_members(),
            "alternate_batch_norm": bundle.alternate_batch_norm,
            "num_parameters": parameters,
            "table_parameters": table_parameters,
            "head_parameters": parameters - table_parameters,
            "table_bytes": table_bytes,
            "table_dtype": bundle.tables(0).embedding.dtype(),
            "pair_bytes": self.pair_bytes().map(|pairs| json!({
                "rows": BATCH_ROWS,
                "array": pairs.array,
                "scoring_at_once": pairs.fused.map(|[scoring, _]| scoring),
                "training_at_once": pairs.fused.map(|[_, training]| training),
            })),
            "bytes": self.bytes,
            "output": bundle.output,
            "negative_rate": bundle.negative_rate,
            "model": self.settings()?,
        });
        Ok(report.to_string())
    }
}

fn pairs_text(pairs: &PairBytes) -> String {
    let array = mebibytes(pairs.array as f64);
    match pairs.fused {
        Some([scoring, training]) => format!(
            "{array} unfused; fused on flex {} in scoring, {} in training",
            mebibytes(scoring as f64),
            mebibytes(training as f64)
        ),
        None => format!("{array}, and in training as much for their gradient"),
    }
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / f64::from(1 << 20))
}

fn bytes_below(directory: &Path) -> Result<u64> {
    let context = || directory.display().to_string();
    let mut bytes = 0;
    for entry in directory.read_dir().with_context(context)? {
        let entry = entry.with_context(context)?;
        bytes += if entry.file_type().with_context(context)?.is_dir() {
            bytes_below(&entry.path())?
        } else {
            entry.metadata().with_context(context)?.len()
        };
    }
    Ok(bytes)
}
