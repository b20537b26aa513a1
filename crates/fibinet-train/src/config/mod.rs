//! The run file: its sections as written, and the settings that a run takes.

mod model;
mod overrides;
mod train;

use std::path::Path;

use fibinet_data::config::{DataConfig, DataSpec};
use fibinet_nn::models::{
    AnyHeadConfig, AnySpec, CtrModelConfig, FieldCounts, ModelSpec, SpecVisitor,
};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::config::model::NamedSpec;
use crate::config::overrides::{set, with_nearest};
use crate::error::TrainError;

pub use train::{Calibration, Monitor, RowUpdate, TrainConfig, TrainSettings};

/// A run file: `[data]`, `[model]` and `[train]`.
///
/// `[model]` has the `name` of a model in [the registry](AnySpec), FiBiNET if there is none, and that
/// model's own keys.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunConfig {
    /// The rows' sources and fields.
    pub data: DataConfig,
    /// The model.
    pub model: AnySpec,
    /// How it is trained.
    pub train: TrainConfig,
}

/// A run file whose model is known.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound = "M: ModelSpec")]
struct RunFile<M> {
    data: DataConfig,
    #[serde(default)]
    model: NamedSpec<M>,
    #[serde(default)]
    train: TrainConfig,
}

impl<M: ModelSpec + Into<AnySpec>> From<RunFile<M>> for RunConfig {
    fn from(file: RunFile<M>) -> Self {
        Self {
            data: file.data,
            model: file.model.0.into(),
            train: file.train,
        }
    }
}

impl RunConfig {
    /// Reads a run file. `overrides` are `section.key=value`, the value as TOML writes it (a bare
    /// word is a string). Paths of the file are relative to its directory.
    ///
    /// # Errors
    ///
    /// [`TrainError::RunFile`] for a file that cannot be read, with line and column if it is not TOML
    /// or has an unknown key.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self, TrainError> {
        let error = |message: String| TrainError::RunFile(format!("{}: {message}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|io| error(io.to_string()))?;
        let mut config = Self::parse(&text, overrides).map_err(error)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        let data = &mut config.data;
        for file in [
            Some(&mut data.train),
            data.valid.as_mut(),
            data.test.as_mut(),
        ] {
            let Some(file) = file else { continue };
            if file.as_os_str() == "-" {
                let reason = "data: standard input, `-`, cannot be trained on: save it to a file";
                return Err(error(reason.to_owned()));
            }
            *file = directory.join(&*file);
        }
        Ok(config)
    }

    /// Parses the text of a run file. `overrides` are as [`read`](Self::read) takes them; paths stay as
    /// they are.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, or an override.
    pub fn parse(text: &str, overrides: &[String]) -> Result<Self, String> {
        // Read as it stands first: only then do messages have the file's lines.
        let config = visit(text.parse().ok().as_ref(), Text(text))?;
        if overrides.is_empty() {
            return Ok(config);
        }
        let mut table: Table = text
            .parse()
            .map_err(|error: toml::de::Error| error.to_string())?;
        for text in overrides {
            set(&mut table, text)?;
        }
        visit(Some(&table.clone()), Overridden(table))
    }

    /// Checks every section.
    ///
    /// # Errors
    ///
    /// The first setting that is wrong.
    pub fn validate(&self) -> Result<RunSettings, TrainError> {
        let data = self.data.clone().validate()?;
        let train = self.train.validate().map_err(TrainError::Train)?;
        let model = self.model.resolve(counts(&data))?;
        model.validate()?;
        Ok(RunSettings { data, model, train })
    }
}

/// A [`RunConfig`] whose settings are all valid, and its model's settings for its fields.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSettings {
    /// The rows' sources and fields.
    pub data: DataSpec,
    /// The model.
    pub model: CtrModelConfig<AnyHeadConfig>,
    /// How it is trained.
    pub train: TrainSettings,
}

fn counts(spec: &DataSpec) -> FieldCounts {
    let numeric = spec
        .fields
        .iter()
        .filter(|field| field.encoding.is_number());
    let numeric = numeric.count();
    FieldCounts {
        with_ids: spec.fields.len() - numeric,
        numeric,
    }
}

/// Reads a run file with the spec of the model that it names.
fn visit<V>(table: Option<&Table>, visitor: V) -> Result<RunConfig, String>
where
    V: SpecVisitor<Output = Result<RunConfig, toml::de::Error>>,
{
    let name = match table.and_then(|table| table.get("model")?.get("name")) {
        None => AnySpec::DEFAULT,
        Some(Value::String(name)) => name,
        Some(other) => return Err(format!("model: `name` must be a string, but is {other}")),
    };
    AnySpec::visit(name, visitor)
        .map_err(|error| error.to_string())?
        .map_err(|error| with_nearest(&error))
}

/// A run file's text.
struct Text<'a>(&'a str);

impl SpecVisitor for Text<'_> {
    type Output = Result<RunConfig, toml::de::Error>;

    fn visit<M: ModelSpec + Into<AnySpec>>(self) -> Self::Output {
        toml::from_str::<RunFile<M>>(self.0).map(RunConfig::from)
    }
}

/// A run file with its overrides applied.
struct Overridden(Table);

impl SpecVisitor for Overridden {
    type Output = Result<RunConfig, toml::de::Error>;

    fn visit<M: ModelSpec + Into<AnySpec>>(self) -> Self::Output {
        Value::Table(self.0)
            .try_into::<RunFile<M>>()
            .map(RunConfig::from)
            .map_err(|error| {
                serde::de::Error::custom(format!("with overrides: {}", error.message()))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fibinet_nn::layers::CombinationKind;
    use fibinet_nn::models::HeadConfig;
    use fibinet_nn::models::fibinet::{FiBiNetConfig, FiBiNetSpec, Preset};

    const TEXT: &str = "[data]\ntrain = 't.csv'\nlabel = 'y'\nsplit = { valid = 0.1 }\n\
        [[data.fields]]\nname = 'a'\nkind = 'categorical'\n\
        [[data.fields]]\nname = 'b'\nkind = 'categorical'\n";

    fn parse(more: &str, overrides: &[&str]) -> Result<RunConfig, String> {
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        let config = RunConfig::parse(&format!("{TEXT}{more}"), &overrides)?;
        config.validate().map_err(|error| error.to_string())?;
        Ok(config)
    }

    fn spec(config: &RunConfig) -> &FiBiNetSpec {
        match &config.model {
            AnySpec::FiBiNet(spec) => spec,
            other => panic!("{other:?}"),
        }
    }

    fn resolve(
        config: &RunConfig,
        with_ids: usize,
        numeric: usize,
    ) -> CtrModelConfig<FiBiNetConfig> {
        let fields = FieldCounts { with_ids, numeric };
        spec(config).resolve(fields).unwrap()
    }

    #[test]
    fn overrides_replace_what_the_file_says() {
        let more = "[model]\nembedding_dim = 4\n[train]\nepochs = 3\n";
        let overrides = [
            "model.embedding_dim=16",
            "model.combination=01",
            "model.hidden_units=[64, 32]",
            "train.learning_rate=1e-2",
            "data.label=z",
        ];
        let config = parse(more, &overrides[..1]).unwrap();
        assert_eq!(
            (spec(&config).embedding_dim, config.train.epochs),
            (Some(16), 3)
        );
        let config = parse(more, &overrides).unwrap();
        let fibinet = resolve(&config, 2, 0).head;
        assert_eq!(fibinet.combination, CombinationKind::SenetBilinear);
        assert_eq!(fibinet.hidden_units, [64, 32]);
        assert_eq!(config.train.learning_rate, 0.01);
        assert_eq!(config.data.label.as_deref(), Some("z"));
    }

    #[test]
    fn combinations_are_read_as_numbers_and_as_words() {
        for (text, expected) in [
            ("11", CombinationKind::BothBilinear),
            ("01", CombinationKind::SenetBilinear),
            ("10", CombinationKind::RawBilinear),
            ("00", CombinationKind::NoneBilinear),
            ("'10'", CombinationKind::RawBilinear),
        ] {
            let config = parse("", &[&format!("model.combination={text}")]).unwrap();
            assert_eq!(spec(&config).combination, Some(expected), "{text}");
        }
        let error = parse("", &["model.combination=12"]).unwrap_err();
        assert!(error.contains("unknown combination `12`"), "{error}");
    }

    #[test]
    fn raw_numbers_are_no_fields_and_too_few_fields_show_before_the_data_is_read() {
        let value = "[[data.fields]]\nname = 'x'\nkind = 'numeric'\nencoding = 'value'\n";
        let config = parse(value, &["model.preset=deepctr"]).unwrap();
        let model = config.validate().unwrap().model;
        let inputs = model.head.inputs();
        assert_eq!((inputs.num_fields, inputs.num_dense), (2, 1));
        let config = parse(value, &["model.preset=fuxictr"]).unwrap();
        let model = config.validate().unwrap().model;
        let inputs = model.head.inputs();
        assert_eq!((inputs.num_fields, inputs.num_dense), (3, 0));
        let one = "data.fields=[{ name = 'a', kind = 'categorical' }, \
            { name = 'x', kind = 'numeric', encoding = 'value' }]";
        let error = parse("", &["model.preset=deepctr", one]).unwrap_err();
        assert!(
            error.contains("num_fields must be at least 2, but is 1"),
            "{error}"
        );
    }

    #[test]
    fn a_preset_is_changed_by_the_keys_beside_it() {
        let config = parse("[model]\npreset = 'deepctr'\nshared = true\n", &[]).unwrap();
        let mut expected = Preset::DeepCtr.config(2, 10);
        expected.head = expected.head.with_shared(true).with_num_dense(3);
        assert_eq!(resolve(&config, 2, 3), expected);
    }

    #[test]
    fn wrong_settings_are_named() {
        for (more, overrides, expected) in [
            ("[train]\nepocs = 3\n", &[][..], "unknown field `epocs`"),
            ("[trian]\nepochs = 3\n", &[], "unknown field `trian`"),
            (
                "[model]\nnam = \"lr\"\n",
                &[],
                "unknown field `nam`, expected `name` or a setting of the model, did you mean `name`?",
            ),
            (
                "[train]\nepochs = 0\n",
                &[],
                "epochs must be at least 1, but is 0",
            ),
            (
                "",
                &["train.learning_rate=0"],
                "learning_rate must be above 0 and finite, but is 0",
            ),
            (
                "",
                &["train.net_l2=-1.0"],
                "net_l2 must be at least 0 and finite, but is -1",
            ),
            (
                "",
                &["train.embedding_dropout=1.0"],
                "embedding_dropout must be in [0, 1), but is 1",
            ),
            (
                "",
                &["train.embedding_dropout=nan"],
                "embedding_dropout must be in [0, 1), but is NaN",
            ),
            (
                "",
                &["model.preset=fuxi"],
                "unknown preset `fuxi`, did you mean `fuxictr`?",
            ),
            (
                "",
                &["model.embedding_dim=0"],
                "embedding_dim must be at least 1, but is 0",
            ),
            (
                "",
                &["train.table_dtype=fp16"],
                "unknown variant `fp16`, expected one of `f32`, `bf16`, `f16`, did you mean `f16`?",
            ),
            (
                "",
                &["model.bilinear=field_al"],
                "unknown variant `field_al`",
            ),
            (
                "",
                &["epochs=3"],
                "expected section.key=value, but got `epochs=3`",
            ),
            ("", &["train.epochs"], "expected section.key=value"),
        ] {
            let message = parse(more, overrides).unwrap_err();
            assert!(message.contains(expected), "{message}, expected {expected}");
        }
        let line = parse("[train]\nepocs = 3\n", &[]).unwrap_err();
        assert!(line.contains("line 12"), "{line}");
    }

    #[test]
    fn a_model_is_named_and_has_keys_of_its_own() {
        for name in AnySpec::NAMES {
            let config = parse(&format!("[model]\nname = '{name}'\n"), &[]).unwrap();
            assert_eq!(config.model.name(), *name);
        }
        assert_eq!(parse("", &[]).unwrap().model.name(), "fibinet");
        let config = parse("[model]\nbias = true\n", &["model.name=lr"]).unwrap();
        assert_eq!(config.model.name(), "lr");
        for (more, expected) in [
            (
                "[model]\nname = 'fibinett'\n",
                "unknown model `fibinett`, did you mean `fibinet`?; known: fibinet, lr, dnn",
            ),
            (
                "[model]\nname = 3\n",
                "model: `name` must be a string, but is 3",
            ),
            (
                "[model]\nname = 'dnn'\nhidden_unit = [4]\n",
                "did you mean `hidden_units`?",
            ),
        ] {
            let message = parse(more, &[]).unwrap_err();
            assert!(message.contains(expected), "{message}, expected {expected}");
        }
        // Keys of another model are unknown, with the line where they are.
        let message = parse("[model]\nname = 'lr'\ndropout = 0.1\n", &[]).unwrap_err();
        assert!(message.contains("line 13, column 1"), "{message}");
        assert!(message.contains("unknown field `dropout`"), "{message}");
    }
}
