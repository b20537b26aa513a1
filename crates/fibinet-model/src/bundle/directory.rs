use std::fs;
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param};
use burn::store::{ModuleSnapshot, SafetensorsStore};
use burn::tensor::{DType, Device, Tensor};
use fibinet_data::encode::Encoder;
use fibinet_nn::models::{AnyHead, AnyHeadConfig, CtrModelConfig, HeadConfig};
use fibinet_storage::checksums;

use crate::bundle::logit_map::LogitMap;
use crate::bundle::manifest::{FORMAT, Manifest};
use crate::error::BundleError;
use crate::inputs::plan::FieldPlan;
use crate::tables::mapped::MappedTables;
use crate::tables::table_file::{FinishedRows, write_tables};
use crate::tables::view::TableView;

const MANIFEST: &str = "bundle.toml";
const ENCODER: &str = "encoder";
const HEAD: &str = "head.safetensors";
const TABLES: &str = "tables.safetensors";

/// A trained model on disk.
///
/// | file | what |
/// |---|---|
/// | `bundle.toml` | the format's version, the model's name and settings |
/// | `encoder/` | the fitted encoder: fields and vocabularies |
/// | `head.safetensors` | the head's weights, as Burn's `SafetensorsStore` reads them |
/// | `tables.safetensors` | `embedding.weight` `[V, K]`, F32, BF16 or F16, and `linear.weight` `[V, 1]`, F32, mapped |
/// | `SHA256SUMS` | one checksum per file, which `sha256sum -c` can check too |
///
/// A training run adds its `history.jsonl` and `report.json`.
#[derive(Debug)]
pub struct Bundle {
    /// The fitted encoder.
    pub encoder: Encoder,
    /// The model's settings.
    pub model: CtrModelConfig<AnyHeadConfig>,
    /// How data batches become the model's inputs.
    pub plan: FieldPlan,
    /// The map that the head's logits go through.
    pub output: LogitMap,
    /// The share of the negatives that the training log kept. Evaluation weights the rows of logs that
    /// were sampled in the same way by it.
    pub negative_rate: f64,
    path: PathBuf,
    tables: MappedTables,
}

/// The parts that a bundle is written from.
#[derive(Debug)]
pub struct BundleParts<'a> {
    /// The fitted encoder.
    pub encoder: &'a Encoder,
    /// The model's settings.
    pub model: &'a CtrModelConfig<AnyHeadConfig>,
    /// The head, as `Module::valid` gives it.
    pub head: &'a AnyHead,
    /// The tables.
    pub tables: TableView<'a>,
    /// The replayed rows, if the stored ones may be stale.
    pub finished: Option<&'a dyn FinishedRows>,
    /// The map that the head's logits go through.
    pub output: LogitMap,
    /// The share of the negatives that the training log kept.
    pub negative_rate: f64,
}

impl BundleParts<'_> {
    /// Writes the encoder into a directory.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn write_encoder(&self, directory: &Path) -> Result<(), BundleError> {
        Ok(self.encoder.save(&directory.join(ENCODER))?)
    }

    /// Writes the model's settings and its logit map into a directory, replacing those that are there.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn write_settings(&self, directory: &Path) -> Result<(), BundleError> {
        let manifest = Manifest {
            format: FORMAT,
            program: concat!("fibinet ", env!("CARGO_PKG_VERSION")).to_owned(),
            output: self.output,
            negative_rate: self.negative_rate,
            model: self.model.clone(),
        };
        let path = directory.join(MANIFEST);
        let text = toml::to_string(&manifest).map_err(|error| BundleError::write(&path)(&error))?;
        fs::write(&path, text).map_err(BundleError::io(&path))
    }

    /// Writes the weights into a directory, replacing those that are there: a checkpoint. Files are renamed
    /// into place, so that a process which mapped the old ones keeps them.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn write_weights(&self, directory: &Path) -> Result<(), BundleError> {
        let path = directory.join(HEAD);
        // Without metadata: Burn writes it in no fixed order, and equal weights must give equal files.
        let mut store = SafetensorsStore::from_file(&path)
            .clear_metadata()
            .overwrite(true);
        self.head
            .save_into(&mut store)
            .map_err(|error| BundleError::write(&path)(&error))?;
        write_tables(&directory.join(TABLES), &self.tables, self.finished)
    }
}

impl Bundle {
    /// Opens a bundle: checks every file except the tables, and maps those. Of the tables only the shape and
    /// length are checked, so that opening takes no longer for larger ones.
    /// [`open_verified`](Self::open_verified) checks their numbers too.
    ///
    /// # Errors
    ///
    /// If the directory is not a bundle or has a newer format, if a file other than the tables differs from
    /// its checksum, or if the tables have another length or shape.
    pub fn open(path: &Path) -> Result<Self, BundleError> {
        Self::open_checked(path, Some(TABLES))
    }

    /// [`open`](Self::open) with every byte checked, at about 2 GB/s if the processor has instructions for
    /// SHA-256.
    ///
    /// # Errors
    ///
    /// If the directory is not a bundle or has a newer format, or a file differs from its checksum.
    pub fn open_verified(path: &Path) -> Result<Self, BundleError> {
        Self::open_checked(path, None)
    }

    /// Opens a bundle after comparing its files, except `unread`, with their checksums.
    fn open_checked(path: &Path, unread: Option<&str>) -> Result<Self, BundleError> {
        check_format(path)?;
        checksums::verify(path, unread)?;
        Self::open_unchecked(path)
    }

    /// Opens what [`BundleParts`] wrote before it is committed and has checksums.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or does not fit the others.
    pub fn open_unchecked(path: &Path) -> Result<Self, BundleError> {
        let manifest_path = path.join(MANIFEST);
        let text = fs::read_to_string(&manifest_path).map_err(BundleError::io(&manifest_path))?;
        let manifest =
            Manifest::parse(&text).map_err(|error| BundleError::damaged(&manifest_path, error))?;
        let LogitMap { scale, shift } = manifest.output;
        let rate = manifest.negative_rate;
        if !(scale > 0.0 && scale.is_finite() && shift.is_finite() && rate > 0.0 && rate <= 1.0) {
            let reason = "`output` or `negative_rate` is out of range";
            return Err(BundleError::damaged(&manifest_path, reason));
        }
        let model = manifest.model;
        model.validate()?;
        let encoder = Encoder::open(&path.join(ENCODER))?;
        let plan = FieldPlan::new(&encoder.layout(), model.tables.numerics)?;
        let inputs = model.head.inputs();
        let fits =
            plan.sizes().num_fields() == inputs.num_fields && plan.num_dense() == inputs.num_dense;
        if !fits {
            return Err(BundleError::damaged(
                &manifest_path,
                "the model and the encoder have different fields",
            ));
        }
        let tables = MappedTables::open(&path.join(TABLES), plan.sizes(), &model.tables)?;
        Ok(Self {
            encoder,
            model,
            plan,
            output: manifest.output,
            negative_rate: rate,
            path: path.to_owned(),
            tables,
        })
    }

    /// The tables, mapped.
    pub fn tables(&self) -> TableView<'_> {
        self.tables.view()
    }

    /// Reads the head onto a device.
    ///
    /// # Errors
    ///
    /// If the weights cannot be read or belong to another model.
    pub fn head(&self, device: &Device) -> Result<AnyHead, BundleError> {
        let path = self.path.join(HEAD);
        let mut head = self.model.head.try_init(device)?;
        // The store matches every weight by path and shape, fails where one is missing, and keeps the type
        // of its numbers.
        let mut store = SafetensorsStore::from_file(&path);
        head.load_from(&mut store)
            .map_err(|error| BundleError::damaged(&path, error))?;
        let mut other = OtherType(None);
        head.visit(&mut other);
        other.0.map_or(Ok(head), |dtype| {
            let reason = format!("expected weights of type F32, got {dtype:?}");
            Err(BundleError::damaged(&path, reason))
        })
    }

    /// The number of trained parameters in head and tables.
    pub fn num_params(head: &AnyHead, tables: &TableView<'_>) -> usize {
        head.num_params() + tables.num_params()
    }
}

/// A type of a module's weights that is not f32, if there is one.
struct OtherType(Option<DType>);

impl ModuleVisitor for OtherType {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let dtype = param.val().dtype();
        if dtype != DType::F32 {
            self.0 = Some(dtype);
        }
    }
}

/// Distinguishes a directory that is not a bundle, and a bundle of a newer format, from a damaged one.
fn check_format(path: &Path) -> Result<(), BundleError> {
    let not_a_bundle = |reason: String| BundleError::NotABundle {
        path: path.to_owned(),
        reason,
    };
    for file in [MANIFEST, checksums::FILE_NAME] {
        if !path.join(file).is_file() {
            return Err(not_a_bundle(format!("it has no {file}")));
        }
    }
    let manifest = path.join(MANIFEST);
    let text = fs::read_to_string(&manifest).map_err(BundleError::io(&manifest))?;
    match Manifest::format_of(&text) {
        Some(got) if got > FORMAT => Err(BundleError::Newer {
            path: path.to_owned(),
            got,
            known: FORMAT,
        }),
        // Any other fault is found by the checksums.
        _ => Ok(()),
    }
}
