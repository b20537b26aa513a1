//! Bundles small enough to score by hand.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use fibinet_data::config::DataConfig;
use fibinet_data::encode::Encoder;
use fibinet_data::prepare::prepare;
use fibinet_model::bundle::{BundleParts, LogitMap, MemberParts, Staging};
use fibinet_model::tables::{TableSlice, TableView};
use fibinet_nn::inputs::FieldSizes;
use fibinet_nn::models::{
    AnyHead, AnyHeadConfig, AnySpec, CtrModelConfig, FieldCounts, HeadConfig,
};
use fibinet_testing::NamedDevice;

/// The devices of a list, as a scorer uses them.
fn without_autodiff(devices: Vec<NamedDevice>) -> Vec<NamedDevice> {
    devices
        .into_iter()
        .map(|(name, device)| (name, device.inner()))
        .collect()
}

/// The CPU devices of this build.
pub fn cpu_devices() -> Vec<Device> {
    let devices = without_autodiff(fibinet_testing::cpu_devices());
    devices.into_iter().map(|(_, device)| device).collect()
}

/// The CPU devices and wgpu's software adapter, as far as they are there, with their names. A kernel of
/// wgpu is compiled for each shape: this is for a few tests.
pub fn all_devices() -> Vec<NamedDevice> {
    without_autodiff(fibinet_testing::test_devices())
}

/// A CPU device, for what depends on no device.
pub fn device() -> Device {
    cpu_devices().swap_remove(0)
}

/// The linear weights of the fields `a` and `b`, whose cells are 0, 1 or missing. The first three rows
/// of a field are those of the padding, of what is out of the vocabulary and of a missing cell.
pub const LINEAR: [f32; 10] = [
    0.0, 0.0, 0.25, 0.5, -0.5, // a
    0.0, 0.0, 4.0, 1.0, 2.0, // b
];

/// A directory with an encoder of the fields `a` and `b`.
pub struct Written {
    directory: tempfile::TempDir,
    encoder: Encoder,
}

/// What a bundle is made of, besides its encoder.
pub struct Model {
    pub config: CtrModelConfig<AnyHeadConfig>,
    pub head: AnyHead,
    pub embedding: Vec<f32>,
    pub linear: Vec<f32>,
    pub output: LogitMap,
    pub negative_rate: f64,
}

impl Model {
    /// A model of the registry for two fields, with [`LINEAR`] and an embedding of small numbers.
    pub fn of_name(name: &str, device: &Device) -> Self {
        let spec: AnySpec = toml::from_str(&format!("name = \"{name}\"")).expect("a model's name");
        let fields = FieldCounts {
            with_ids: 2,
            numeric: 0,
        };
        let config = spec.resolve(fields).expect("the defaults");
        let num_embedded = LINEAR.len() * config.tables.embedding_dim;
        Self {
            head: config.head.try_init(device).expect("the defaults"),
            embedding: (0..num_embedded)
                .map(|i| (i % 17) as f32 / 64.0 - 0.125)
                .collect(),
            linear: LINEAR.to_vec(),
            output: LogitMap::IDENTITY,
            negative_rate: 1.0,
            config,
        }
    }

    /// Logistic regression: a row's logit is the sum of its linear weights.
    pub fn linear(device: &Device) -> Self {
        Self::of_name("lr", device)
    }

    /// Its tables.
    pub fn tables<'a>(&'a self, sizes: &'a FieldSizes) -> TableView<'a> {
        TableView {
            embedding: TableSlice::F32(&self.embedding),
            linear: self.config.tables.linear.then_some(&self.linear[..]),
            sizes,
            embedding_dim: self.config.tables.embedding_dim,
            padding: self.config.tables.padding,
        }
    }
}

impl Written {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let log = directory.path().join("train.csv");
        fs::write(&log, "y,a,b\n1,0,1\n0,1,0\n").expect("written");
        let field = |name| format!("[[fields]]\nname = '{name}'\nkind = 'id'\nnum_ids = 2\n");
        let config: DataConfig = toml::from_str(&format!(
            "train = {log:?}\nvalid = {log:?}\nlabel = 'y'\n{}{}",
            field("a"),
            field("b")
        ))
        .expect("a config");
        let spec = config.validate().expect("a valid config");
        let shards = directory.path().join("shards");
        let encoder = prepare(&spec, None, &shards, |_| ())
            .expect("prepared")
            .encoder;
        Self { directory, encoder }
    }

    /// A path in the directory.
    pub fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file into the directory.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.at(name);
        fs::write(&path, text).expect("written");
        path
    }

    /// Writes a bundle, in the place of another if there is one.
    pub fn bundle(&self, model: &Model) -> PathBuf {
        self.bundle_of(&[model])
    }

    /// Writes a bundle of several members, which has the settings of the first.
    pub fn bundle_of(&self, members: &[&Model]) -> PathBuf {
        let path = self.at("bundle");
        let staging = Staging::create(&path, true).expect("a directory");
        self.write_parts(members, staging.path());
        staging.commit().expect("committed");
        path
    }

    /// Writes the files of a bundle, without checksums.
    pub fn write_parts(&self, members: &[&Model], directory: &Path) {
        let model = members.first().expect("a member");
        let sizes = FieldSizes::new(vec![5, 5]).expect("sizes");
        let parts = BundleParts {
            encoder: &self.encoder,
            model: &model.config,
            members: members
                .iter()
                .map(|member| MemberParts {
                    head: &member.head,
                    tables: member.tables(&sizes),
                    finished: None,
                })
                .collect(),
            output: model.output,
            negative_rate: model.negative_rate,
            alternate_batch_norm: false,
        };
        parts.write_encoder(directory).expect("written");
        parts.write_settings(directory).expect("written");
        parts.write_weights(directory).expect("written");
    }
}
