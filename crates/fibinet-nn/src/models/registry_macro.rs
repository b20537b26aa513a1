//! Generates, from one line per model, an enum of the specs, one of the head configs and one of the
//! heads. Each enum forwards every call to the model it holds.

macro_rules! registry {
    ($($name:literal: $Model:ident in $module:ident($Spec:ident, $Config:ident, $Head:ident)),+ $(,)?) => {
        $(use crate::models::$module::{$Config, $Head, $Spec};)+

        /// The `[model]` section of a run file, of any model in the registry.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "name")]
        #[expect(missing_docs, reason = "each variant is the model of its name")]
        #[non_exhaustive]
        pub enum AnySpec {
            $(#[serde(rename = $name)] $Model($Spec),)+
        }

        /// The settings of a head, of any model in the registry.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "name")]
        #[expect(missing_docs, reason = "each variant is the model of its name")]
        #[non_exhaustive]
        pub enum AnyHeadConfig {
            $(#[serde(rename = $name)] $Model($Config),)+
        }

        /// A head of any model in the registry.
        #[derive(Debug, Clone)]
        #[expect(missing_docs, reason = "each variant is the model of its name")]
        #[expect(clippy::large_enum_variant, reason = "a process holds one or two heads, not a list of them")]
        #[non_exhaustive]
        pub enum AnyHead {
            $($Model($Head),)+
        }

        $(
            impl From<$Spec> for AnySpec {
                fn from(spec: $Spec) -> Self {
                    Self::$Model(spec)
                }
            }

            impl From<$Config> for AnyHeadConfig {
                fn from(config: $Config) -> Self {
                    Self::$Model(config)
                }
            }

            impl From<$Head> for AnyHead {
                fn from(head: $Head) -> Self {
                    Self::$Model(head)
                }
            }
        )+

        impl AnySpec {
            /// The names of all models.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// The model's name.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$Model(_) => $name,)+
                }
            }

            /// What `fibinet init` writes of a model below its name; `None` if no model has the name.
            pub fn template(name: &str) -> Option<&'static str> {
                match name {
                    $($name => Some(<$Spec>::TEMPLATE),)+
                    _ => None,
                }
            }

            /// The settings of the model for a log's fields.
            ///
            /// # Errors
            ///
            /// As [`ModelSpec::resolve`].
            pub fn resolve(
                &self,
                fields: FieldCounts,
            ) -> Result<CtrModelConfig<AnyHeadConfig>, ConfigError> {
                match self {
                    $(Self::$Model(spec) => Ok(spec.resolve(fields)?.into_any()),)+
                }
            }

            /// Visits the spec of the model of a name.
            ///
            /// # Errors
            ///
            /// [`ConfigError::UnknownName`] if no model has the name.
            pub fn visit<V: SpecVisitor>(name: &str, visitor: V) -> Result<V::Output, ConfigError> {
                match name {
                    $($name => Ok(visitor.visit::<$Spec>()),)+
                    other => Err(ConfigError::UnknownName {
                        setting: "model",
                        got: other.to_owned(),
                        suggestion: crate::nearest(other, Self::NAMES.iter().copied()),
                        known: Self::NAMES.join(", "),
                    }),
                }
            }
        }

        impl AnyHeadConfig {
            /// The model's name.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$Model(_) => $name,)+
                }
            }
        }

        impl HeadConfig for AnyHeadConfig {
            type Head = AnyHead;

            fn inputs(&self) -> InputShape {
                match self {
                    $(Self::$Model(config) => config.inputs(),)+
                }
            }

            fn validate(&self) -> Result<(), ConfigError> {
                match self {
                    $(Self::$Model(config) => HeadConfig::validate(config),)+
                }
            }

            fn try_init(&self, device: &Device) -> Result<AnyHead, ConfigError> {
                match self {
                    $(Self::$Model(config) => HeadConfig::try_init(config, device).map(AnyHead::$Model),)+
                }
            }

            fn batch_normalized(&self) -> Self {
                match self {
                    $(Self::$Model(config) => config.batch_normalized().into(),)+
                }
            }

            fn describe(&self) -> Vec<(&'static str, String)> {
                match self {
                    $(Self::$Model(config) => config.describe(),)+
                }
            }

            fn parts(&self) -> Vec<HeadPart> {
                match self {
                    $(Self::$Model(config) => config.parts(),)+
                }
            }

            fn pair_bytes(&self, num_rows: usize, num_threads: usize) -> Option<PairBytes> {
                match self {
                    $(Self::$Model(config) => HeadConfig::pair_bytes(config, num_rows, num_threads),)+
                }
            }
        }

        impl Head for AnyHead {
            fn forward(&self, inputs: FieldInputs) -> Tensor<1> {
                match self {
                    $(Self::$Model(head) => head.forward(inputs),)+
                }
            }
        }

        /// Written by hand: Burn's derive would put the variant's name into the paths of the weights, and
        /// bundles have none there.
        impl Module for AnyHead {
            fn collect_devices(&self, devices: Devices) -> Devices {
                match self {
                    $(Self::$Model(head) => head.collect_devices(devices),)+
                }
            }

            fn fork(self, device: &Device) -> Self {
                match self {
                    $(Self::$Model(head) => Self::$Model(head.fork(device)),)+
                }
            }

            fn to_device(self, device: &Device) -> Self {
                match self {
                    $(Self::$Model(head) => Self::$Model(head.to_device(device)),)+
                }
            }

            fn train(self) -> Self {
                match self {
                    $(Self::$Model(head) => Self::$Model(head.train()),)+
                }
            }

            fn valid(&self) -> Self {
                match self {
                    $(Self::$Model(head) => Self::$Model(head.valid()),)+
                }
            }

            fn materialize(self) -> Self {
                match self {
                    $(Self::$Model(head) => Self::$Model(head.materialize()),)+
                }
            }

            fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
                match self {
                    $(Self::$Model(head) => head.visit(visitor),)+
                }
            }

            fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
                match self {
                    $(Self::$Model(head) => Self::$Model(head.map(mapper)),)+
                }
            }
        }

        impl ModuleDisplay for AnyHead {
            fn format(&self, settings: DisplaySettings) -> String {
                match self {
                    $(Self::$Model(head) => head.format(settings),)+
                }
            }
        }

        impl ModuleDisplayDefault for AnyHead {
            fn content(&self, content: Content) -> Option<Content> {
                match self {
                    $(Self::$Model(head) => head.content(content),)+
                }
            }

            fn num_params(&self) -> usize {
                Module::num_params(self)
            }
        }

        impl fmt::Display for AnyHead {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.format(DisplaySettings::default()))
            }
        }
    };
}
