use burn::module::{Devices, Module, ModuleMapper, ModuleVisitor};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::ConfigError;
use crate::inputs::{FieldInputs, InputShape};
use crate::models::ctr_model::CtrModelConfig;
use crate::models::head::{Head, HeadConfig, PairBytes};
use crate::models::spec::{FieldCounts, ModelSpec, SpecVisitor};

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
