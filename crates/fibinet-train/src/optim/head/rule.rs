use serde::{Deserialize, Serialize};

use crate::optim::rules::UpdateDense;
use crate::optim::rules::adagrad::Adagrad;
use crate::optim::rules::adam::DenseAdam;
use crate::optim::rules::sgd::DenseSgd;

/// The settings of some dense rules besides the learning rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DenseSettings {
    pub(crate) momentum: f64,
    pub(crate) weight_decay: f64,
}

/// Defines [`DenseOptimizer`] from lines `Name(settings) => its implementation`, each after its
/// documentation.
macro_rules! dense_rules {
    ($($(#[$doc:meta])* $name:ident($settings:pat) => $rule:expr,)+) => {
        /// The optimizer of the dense parameters.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum DenseOptimizer {
            $($(#[$doc])* $name,)+
        }

        impl DenseOptimizer {
            /// The implementation of the rule.
            pub(crate) fn rule(self, settings: DenseSettings) -> Box<dyn UpdateDense> {
                match self {
                    $(Self::$name => {
                        let $settings = settings;
                        Box::new($rule)
                    })+
                }
            }
        }
    };
}

dense_rules! {
    /// Adam, with PyTorch's ε of 1e-8.
    Adam(_) => DenseAdam { weight_decay: None },
    /// Adam with decoupled weight decay, `weight_decay`.
    Adamw(DenseSettings { weight_decay, .. }) => DenseAdam { weight_decay: Some(weight_decay) },
    /// Adagrad, with PyTorch's ε of 1e-10.
    Adagrad(_) => Adagrad,
    /// Gradient descent, with `momentum`.
    Sgd(DenseSettings { momentum, .. }) => DenseSgd { momentum },
}
