use core::fmt::Debug;

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ConfigError;
use crate::inputs::{FieldInputs, InputShape};
use crate::kernels;

/// The dense half of a CTR model: from the fields' vectors to one logit per batch row.
///
/// The other half, the embedding tables, is sparse: [`CtrModel`](crate::models::CtrModel) puts it in front
/// as an ordinary Burn module, and `fibinet-train`'s `Trainer` trains it row by row. A model written
/// as a `Head` gets both. The [registry](crate::models) lists the heads that bundles and the command
/// know.
///
/// ```
/// use burn::module::Module;
/// use burn::nn::Linear;
/// use burn::tensor::Tensor;
/// use fibinet_nn::inputs::FieldInputs;
/// use fibinet_nn::layers::PairProduct;
/// use fibinet_nn::models::Head;
///
/// /// A linear map over the plain products of all pairs.
/// #[derive(Module, Debug)]
/// struct ProductNet {
///     pairs: PairProduct,
///     output: Linear,
/// }
///
/// impl Head for ProductNet {
///     fn forward(&self, mut inputs: FieldInputs) -> Tensor<1> {
///         let pairs = self.pairs.forward(inputs.take_embeddings()).flatten::<2>(1, 2); // [B, P K]
///         self.output.forward(pairs).squeeze_dim(1)
///     }
/// }
/// ```
pub trait Head: Module + ModuleDisplay {
    /// The logits of a batch, before any sigmoid.
    ///
    /// # Shapes
    ///
    /// - inputs: embeddings `[B, F, K]`, linear terms `[B, F]`, raw numeric inputs `[B, N]`
    /// - output: `[B]`
    fn forward(&self, inputs: FieldInputs) -> Tensor<1>;
}

/// The settings of a [`Head`] for known fields.
pub trait HeadConfig: Clone + Debug + PartialEq + Serialize + DeserializeOwned {
    /// The head that these settings build.
    type Head: Head;

    /// What the head reads of a batch.
    fn inputs(&self) -> InputShape;

    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// The first setting that no head can be built with.
    fn validate(&self) -> Result<(), ConfigError>;

    /// The head on a device, or what is wrong with its settings.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate).
    fn try_init(&self, device: &Device) -> Result<Self::Head, ConfigError>;

    /// The head on a device.
    ///
    /// # Panics
    ///
    /// With the message of [`try_init`](Self::try_init).
    fn init(&self, device: &Device) -> Self::Head {
        self.try_init(device)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same settings with batch norm in the hidden layers, if there are any.
    #[must_use]
    fn batch_normalized(&self) -> Self {
        self.clone()
    }

    /// The settings to show to a person, as label and value.
    fn describe(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// The parts of the head with their numbers of parameters, known before anything is allocated.
    fn parts(&self) -> Vec<HeadPart>;

    /// The memory of the pairs of `num_rows` batch rows on `num_threads` threads; `None` if the head
    /// does not cross pairs.
    fn pair_bytes(&self, _num_rows: usize, _num_threads: usize) -> Option<PairBytes> {
        None
    }
}

/// A part of a head, to say how large it will be and what makes it smaller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadPart {
    /// What it is, as in "the weights of …".
    pub name: &'static str,
    /// The number of its parameters; `usize::MAX` for more than that.
    pub num_params: usize,
    /// The settings that it grows with, as words of a sentence.
    pub settings: &'static str,
}

/// The memory of the pairs of some batch rows, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairBytes {
    /// As one array; in training its gradient takes as much.
    pub array: usize,
    /// The peak in scoring and in training on flex, whose kernel fuses the pairs with the linear map behind them. `None`
    /// if no kernel takes this head's pairs.
    pub fused: Option<[usize; 2]>,
}

impl PairBytes {
    /// The most bytes that exist at once on a device, in scoring and in training.
    ///
    /// On a GPU a kernel makes the pairs in arrays of at most 256 MiB, or less if its buffers are smaller.
    pub fn at_once(&self, device: &Device) -> [usize; 2] {
        match self.fused {
            Some(fused) => kernels::bytes_on(device, self.array, fused),
            None => [self.array, self.array.saturating_mul(2)],
        }
    }
}
