//! Layers of this crate in a model of one's own, trained for ten steps in a loop of one's own. Its hidden layer reads
//! the pairs of one side and two raw numbers.
//!
//! `cargo run --release --example compose [flex | ndarray | wgpu | vulkan:1 | …]` runs it on a device of a backend that
//! is compiled in; nothing in the model names one.

use std::error::Error;
use std::process::ExitCode;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor};
use fibinet::nn::backend::{Backend, DeviceName};
use fibinet::nn::inputs::FieldIds;
use fibinet::nn::layers::{
    BilinearInteraction, BilinearInteractionConfig, FeatureEmbedding, FeatureEmbeddingConfig,
    Senet, SenetConfig,
};
use fibinet::nn::loss::{BceLoss, Reduction};

const FIELD_SIZES: [usize; 4] = [30, 20, 10, 5];
const EMBEDDING_DIM: usize = 4;
const NUM_DENSE: usize = 2;
const HIDDEN: usize = 8;

/// SENET, then bilinear pairs, then two linear maps.
#[derive(Module, Debug)]
struct MyModel {
    embedding: FeatureEmbedding,
    senet: Senet,
    bilinear: BilinearInteraction,
    hidden: Linear,
    output: Linear,
}

impl MyModel {
    fn new(device: &Device) -> Self {
        let fields = FIELD_SIZES.len();
        let pairs = fibinet::nn::layers::num_pairs(fields);
        Self {
            embedding: FeatureEmbeddingConfig::new(FIELD_SIZES.to_vec(), EMBEDDING_DIM)
                .init(device),
            senet: SenetConfig::new(fields).init(device),
            bilinear: BilinearInteractionConfig::new(fields, EMBEDDING_DIM).init(device),
            hidden: LinearConfig::new(pairs * EMBEDDING_DIM + NUM_DENSE, HIDDEN).init(device),
            output: LinearConfig::new(HIDDEN, 1).init(device),
        }
    }

    fn forward(&self, ids: Tensor<2, Int>, dense: Tensor<2>) -> Tensor<1> {
        let embeddings = self.embedding.forward(FieldIds::new(ids)); // [B, F, K]
        let reweighted = self.senet.forward(embeddings); // [B, F, K]
        // `hidden.forward([pairs; dense])`, without an array of pairs where there is a kernel.
        let hidden = self
            .bilinear
            .forward_linear(reweighted, Some(dense), &self.hidden); // [B, H]
        self.output.forward(relu(hidden)).squeeze_dim(1) // [B]
    }
}

/// 64 rows in which the first two fields decide the click together: ids, raw numbers and labels.
fn rows(device: &Device) -> (Tensor<2, Int>, Tensor<2>, Tensor<1>) {
    let (mut ids, mut dense, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..64_usize {
        let fields = [7, 11, 3, 5].map(|step| row * step);
        ids.extend(
            fields
                .iter()
                .zip(FIELD_SIZES)
                .map(|(draw, size)| (draw % size) as i64),
        );
        dense.extend([row % 4, row % 5].map(|number| number as f32 / 4.0));
        labels.push(f32::from(u8::from(
            (fields[0] % 30 + fields[1] % 20) % 2 == 1,
        )));
    }
    let ids = Tensor::<1, Int>::from_data(ids.as_slice(), device).reshape([64, 4]);
    let dense = Tensor::<1>::from_data(dense.as_slice(), device).reshape([64, NUM_DENSE]);
    (ids, dense, Tensor::from_data(labels.as_slice(), device))
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let name: DeviceName = match std::env::args().nth(1) {
        Some(name) => name.parse()?,
        None => {
            let first = Backend::compiled().next();
            first.ok_or("no backend is compiled in")?.into()
        }
    };
    let device = name.open()?.autodiff();
    device.seed(2019);
    let mut model = MyModel::new(&device);
    println!("{model}");
    let mut optimizer = AdamConfig::new().with_epsilon(1e-8).init();
    let (ids, dense, labels) = rows(&device);
    let mut losses = Vec::new();
    for step in 1..=10 {
        let logits = model.forward(ids.clone(), dense.clone());
        let loss = BceLoss::new(Reduction::Mean).forward(logits, labels.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(0.05, model, gradients);
        losses.push(loss.into_scalar::<f32>());
        println!("{name}: step {step:>2}  loss {:.4}", losses[step - 1]);
    }
    // An example that stopped learning is a broken one.
    if losses[9] < losses[0] {
        return Ok(());
    }
    Err(format!("the loss went from {} to {}", losses[0], losses[9]).into())
}
