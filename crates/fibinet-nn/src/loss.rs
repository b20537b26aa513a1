//! The loss of a model of clicks.

use burn::tensor::{Tensor, activation::log_sigmoid, assert_shape};
use serde::{Deserialize, Serialize};

/// How the losses of a batch become one number.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// The mean over batch rows (FuxiCTR and most others).
    Mean,
    /// The sum over batch rows (DeepCTR-Torch). Its gradients grow with the batch.
    Sum,
}

/// Binary cross-entropy of logits, `-[y log σ(z) + (1 - y) log(1 - σ(z))]`.
///
/// It is computed as `(1 - y) z - log σ(z)`, which neither overflows nor rounds the loss of a confident
/// logit to zero.
#[derive(Debug, Clone, Copy)]
pub struct BceLoss {
    reduction: Reduction,
}

impl BceLoss {
    /// Creates the loss with the given reduction.
    pub const fn new(reduction: Reduction) -> Self {
        Self { reduction }
    }

    /// The loss of a batch.
    ///
    /// # Shapes
    ///
    /// - logits: `[B]`
    /// - labels: `[B]`, in `[0, 1]`
    /// - output: `[1]`
    ///
    /// # Panics
    ///
    /// If the two lengths differ.
    pub fn forward(&self, logits: Tensor<1>, labels: Tensor<1>) -> Tensor<1> {
        let [batch] = logits.dims();
        assert_shape!(labels, [batch]);
        let negative = labels.neg().add_scalar(1.0);
        let losses = negative * logits.clone() - log_sigmoid(logits);
        match self.reduction {
            Reduction::Mean => losses.mean(),
            Reduction::Sum => losses.sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, tensor, test_devices};

    #[test]
    fn loss_matches_values_worked_by_hand() {
        for device in test_devices() {
            // y = 1, z = 0: ln 2. y = 0, z = ln 3: ln 4. y = 0, z = 100: 100. y = 1, z = -100: 100.
            let logits = tensor([0.0, 3.0_f32.ln(), 100.0, -100.0], &device);
            let labels = tensor([1.0, 0.0, 0.0, 1.0], &device);
            let sum = 2.0_f32.ln() + 4.0_f32.ln() + 200.0;
            let loss = |reduction| BceLoss::new(reduction).forward(logits.clone(), labels.clone());
            assert_close(loss(Reduction::Sum), &[sum], 1e-6);
            assert_close(loss(Reduction::Mean), &[sum / 4.0], 1e-6);
        }
    }
}
