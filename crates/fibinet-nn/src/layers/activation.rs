use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

/// An elementwise activation.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(0, x)`
    Relu,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// `tanh(x)`
    Tanh,
    /// `x`
    None,
}

impl Activation {
    /// Applies the activation to every element. The shape stays the same.
    pub fn forward<const D: usize>(self, input: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Relu => activation::relu(input),
            Self::Sigmoid => activation::sigmoid(input),
            Self::Tanh => activation::tanh(input),
            Self::None => input,
        }
    }
}
