use std::fs;
use std::path::Path;

use burn::tensor::Device;
use fibinet_data::encode::Encoder;
use fibinet_nn::models::{AnyHead, AnyHeadConfig, CtrModelConfig, HeadConfig};
use fibinet_storage::checksums;

use crate::bundle::logit_map::LogitMap;
use crate::bundle::manifest::{FORMAT, Manifest};
use crate::bundle::member::{Member, MemberParts, TABLES, member_config};
use crate::error::BundleError;
use crate::inputs::plan::FieldPlan;
use crate::tables::view::TableView;

const MANIFEST: &str = "bundle.toml";
const ENCODER: &str = "encoder";

/// A trained model on disk.
///
/// | file | what |
/// |---|---|
/// | `bundle.toml` | the format's version, the number of members, the model's name and settings |
/// | `encoder/` | the fitted encoder: fields and vocabularies |
/// | `head.safetensors` | the head's weights, as Burn's `SafetensorsStore` reads them |
/// | `tables.safetensors` | `embedding.weight` `[V, K]`, F32, BF16 or F16, and `linear.weight` `[V, 1]`, F32, mapped |
/// | `members/2/`, `members/3/`, … | head and tables of each further member |
/// | `SHA256SUMS` | one checksum per file, which `sha256sum -c` can check too |
///
/// A bundle has one or more members: separate models of the same settings ([`member_config`] has the one exception),
/// whose probabilities are averaged. Without `members` in `bundle.toml` there is one.
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
    /// The map that the logits of the mean probabilities go through.
    pub output: LogitMap,
    /// The share of the negatives that the training log kept. Evaluation weights the rows of logs that
    /// were sampled in the same way by it.
    pub negative_rate: f64,
    /// Whether every second member has batch norm, as [`member_config`] says.
    pub alternate_batch_norm: bool,
    members: Vec<Member>,
}

/// The parts that a bundle is written from.
#[derive(Debug)]
pub struct BundleParts<'a> {
    /// The fitted encoder.
    pub encoder: &'a Encoder,
    /// The model's settings.
    pub model: &'a CtrModelConfig<AnyHeadConfig>,
    /// The weights of each member, at least one.
    pub members: Vec<MemberParts<'a>>,
    /// The map that the logits of the mean probabilities go through.
    pub output: LogitMap,
    /// The share of the negatives that the training log kept.
    pub negative_rate: f64,
    /// Whether every second member has batch norm, as [`member_config`] says.
    pub alternate_batch_norm: bool,
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
            members: self.members.len(),
            alternate_batch_norm: self.alternate_batch_norm,
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
        (0..self.members.len()).try_for_each(|member| self.write_member(directory, member))
    }

    /// [`write_weights`](Self::write_weights) of one member.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    ///
    /// # Panics
    ///
    /// If there is no such member; they count from 0.
    pub fn write_member(&self, directory: &Path, member: usize) -> Result<(), BundleError> {
        self.members[member].write(directory, member)
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
        manifest
            .validate()
            .map_err(|reason| BundleError::damaged(&manifest_path, reason))?;
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
        let members = (0..manifest.members)
            .map(|index| Member::open(path, index, plan.sizes(), &model.tables));
        Ok(Self {
            members: members.collect::<Result<_, _>>()?,
            encoder,
            model,
            plan,
            output: manifest.output,
            negative_rate: manifest.negative_rate,
            alternate_batch_norm: manifest.alternate_batch_norm,
        })
    }

    /// The number of members, at least one.
    pub fn num_members(&self) -> usize {
        self.members.len()
    }

    /// The tables of a member, mapped.
    ///
    /// # Panics
    ///
    /// If there is no such member; they count from 0.
    pub fn tables(&self, member: usize) -> TableView<'_> {
        self.members[member].tables()
    }

    /// Reads the head of a member onto a device.
    ///
    /// # Errors
    ///
    /// If the weights cannot be read or belong to another model.
    ///
    /// # Panics
    ///
    /// If there is no such member; they count from 0.
    pub fn head(&self, member: usize, device: &Device) -> Result<AnyHead, BundleError> {
        let config = member_config(&self.model, member, self.alternate_batch_norm);
        self.members[member].head(&config.head, device)
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
