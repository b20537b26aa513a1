use core::fmt;

use burn::module::{
    Content, Devices, DisplaySettings, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper,
    ModuleVisitor,
};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::ConfigError;
use crate::inputs::{FieldInputs, InputShape};
use crate::models::ctr_model::CtrModelConfig;
use crate::models::head::{Head, HeadConfig, HeadPart, PairBytes};
use crate::models::spec::{FieldCounts, ModelSpec};

// "name in run files": Variant in module(Spec, Config, Head)
registry! {
    "fibinet": FiBiNet in fibinet(FiBiNetSpec, FiBiNetConfig, FiBiNet),
    "lr": Lr in lr(LrSpec, LrConfig, Lr),
    "dnn": Dnn in dnn(DnnModelSpec, DnnModelConfig, DnnModel),
}

impl AnySpec {
    /// The model of run files and bundles without a model name.
    pub const DEFAULT: &'static str = "fibinet";
}

impl Default for AnySpec {
    fn default() -> Self {
        FiBiNetSpec::default().into()
    }
}

impl<C: Into<AnyHeadConfig>> CtrModelConfig<C> {
    /// The same settings as those of any model in the registry, as bundles store them.
    pub fn into_any(self) -> CtrModelConfig<AnyHeadConfig> {
        CtrModelConfig {
            tables: self.tables,
            head: self.head.into(),
        }
    }
}

/// Code to run with the spec type of a model that is chosen by name; see [`AnySpec::visit`].
pub trait SpecVisitor {
    /// The result.
    type Output;

    /// Visits the spec type `M`.
    fn visit<M: ModelSpec + Into<AnySpec>>(self) -> Self::Output;
}
