use burn::module::{Devices, Module, ModuleMapper, ModuleVisitor};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::ConfigError;
use crate::inputs::{FieldInputs, InputShape};
use crate::models::ctr_model::CtrModelConfig;
use crate::models::head::{Head, HeadConfig, PairBytes};
use crate::models::spec::{FieldCounts, ModelSpec};

registry! {
    "fibinet": FiBiNet in fibinet(FiBiNetSpec, FiBiNetConfig, FiBiNet),
    "lr": Lr in lr(LrSpec, LrConfig, Lr),
    "dnn": Dnn in dnn(DnnModelSpec, DnnModelConfig, DnnModel),
}

impl AnySpec {
    /// The model of run files and bundles that name none.
    pub const DEFAULT: &'static str = "fibinet";
}

impl Default for AnySpec {
    fn default() -> Self {
        FiBiNetSpec::default().into()
    }
}

impl<C: Into<AnyHeadConfig>> CtrModelConfig<C> {
    /// The same settings, of a model of the registry: what a bundle has.
    pub fn into_any(self) -> CtrModelConfig<AnyHeadConfig> {
        CtrModelConfig {
            tables: self.tables,
            head: self.head.into(),
        }
    }
}

/// What to do with the spec of a model that is known by its name; see [`AnySpec::visit`].
pub trait SpecVisitor {
    /// What it comes to.
    type Output;

    /// Does it.
    fn visit<M: ModelSpec + Into<AnySpec>>(self) -> Self::Output;
}
