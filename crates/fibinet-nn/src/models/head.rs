use burn::module::Module;
use burn::tensor::Tensor;

use crate::fields::FieldInputs;

/// The dense half of a CTR model: from the fields' vectors to a logit a row.
///
/// The other half, the embedding tables, is sparse: [`CtrModel`](crate::CtrModel) puts it in front
/// as an ordinary Burn module, and `fibinet-train`'s `Trainer` trains it by rows; a model written as
/// a `Head` gets both. (Bundles and the command know [`FiBiNet`](crate::FiBiNet) alone.)
///
/// ```
/// use burn::module::Module;
/// use burn::nn::Linear;
/// use burn::tensor::Tensor;
/// use fibinet_nn::{FieldInputs, Head, PairProduct};
///
/// /// A linear map over all plain products of pairs.
/// #[derive(Module, Debug)]
/// struct ProductNet {
///     pairs: PairProduct,
///     output: Linear,
/// }
///
/// impl Head for ProductNet {
///     fn forward(&self, inputs: FieldInputs) -> Tensor<1> {
///         let pairs = self.pairs.forward(inputs.embeddings).flatten::<2>(1, 2); // [B, P K]
///         self.output.forward(pairs).squeeze_dim(1)
///     }
/// }
/// ```
pub trait Head: Module {
    /// The logits of a batch, before any sigmoid.
    ///
    /// # Shapes
    ///
    /// - inputs: embeddings `[B, F, K]`, linear terms `[B, F]`, raw values `[B, N]`
    /// - output: `[B]`
    fn forward(&self, inputs: FieldInputs) -> Tensor<1>;
}
