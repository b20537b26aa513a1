use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor};
use fibinet_nn::inputs::FieldIds;
use fibinet_nn::layers::{
    BilinearInteraction, BilinearInteractionConfig, FeatureEmbedding, FeatureEmbeddingConfig,
    Senet, SenetConfig, num_pairs,
};

#[derive(Module, Debug)]
pub struct MyModel {
    embedding: FeatureEmbedding,
    senet: Senet,
    bilinear: BilinearInteraction,
    hidden: Linear,
    output: Linear,
}

impl MyModel {
    pub fn new(field_sizes: Vec<usize>, device: &Device) -> Self {
        let fields = field_sizes.len();
        Self {
            embedding: FeatureEmbeddingConfig::new(field_sizes, 4).init(device),
            senet: SenetConfig::new(fields).init(device),
            bilinear: BilinearInteractionConfig::new(fields, 4).init(device),
            hidden: LinearConfig::new(num_pairs(fields) * 4, 16).init(device),
            output: LinearConfig::new(16, 1).init(device),
        }
    }

    pub fn forward(&self, ids: Tensor<2, Int>) -> Tensor<1> {
        let embeddings = self.embedding.forward(FieldIds::new(ids)); // [B, F, K]
        let reweighted = self.senet.forward(embeddings); // [B, F, K]
        // The pairs [B, P, K] and the map behind them in one: on flex the array of pairs is never made.
        let hidden = self.bilinear.forward_linear(reweighted, None, &self.hidden); // [B, 16]
        self.output.forward(relu(hidden)).squeeze_dim(1) // [B]
    }
}
