//! Models of the registry against reference vectors of FuxiCTR: logits, losses, and all weights after a
//! step of training by table rows.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use fibinet::model::inputs::RowInputs;
use fibinet::model::tables::score;
use fibinet::nn::inputs::FieldSizes;
use fibinet::nn::models::dnn::{DnnModel, DnnModelConfig};
use fibinet::nn::models::lr::{Lr, LrConfig};
use fibinet::nn::models::{Head, HeadConfig, TablesConfig};
use fibinet::train::Trainer;
use fibinet::train::config::{RowUpdate, TrainConfig};
use fibinet::train::optim::Tables;
use fibinet_testing::{Tolerance, assert_close, test_devices, to_vec};
use safetensors::SafeTensors;

/// The tolerance for float32 implementations, from `tests/golden/README.md`.
const TOLERANCE: Tolerance = (1e-5, 1e-4);

/// One model, batch and set of weights.
struct Case<'a> {
    vectors: &'a SafeTensors<'a>,
    name: &'a str,
}

impl Case<'_> {
    fn shape(&self, tensor: &str) -> Vec<usize> {
        let tensor = self.vectors.tensor(&format!("{}.{tensor}", self.name));
        tensor.expect("a tensor of the case").shape().to_vec()
    }

    fn numbers(&self, tensor: &str) -> Vec<f32> {
        let tensor = self.vectors.tensor(&format!("{}.{tensor}", self.name));
        let (bytes, _) = tensor.expect("a tensor of the case").data().as_chunks();
        bytes
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    }

    fn rows(&self) -> RowInputs {
        let ids = self.vectors.tensor(&format!("{}.ids", self.name));
        let (bytes, _) = ids.expect("ids").data().as_chunks();
        let ids = bytes.iter().map(|bytes| i64::from_le_bytes(*bytes) as u32);
        RowInputs {
            ids: ids.collect(),
            labels: self.numbers("label"),
            num_rows: self.shape("ids")[0],
            ..RowInputs::default()
        }
    }

    fn num_fields(&self) -> usize {
        self.shape("ids")[1]
    }

    /// The rows of every field's table, one field after the other.
    fn table(&self, group: &str, prefix: &str) -> Vec<f32> {
        let field = |field| self.numbers(&format!("{group}.{prefix}.f{field}.weight"));
        (0..self.num_fields()).flat_map(field).collect()
    }

    fn sizes(&self, prefix: &str) -> FieldSizes {
        let size = |field| self.shape(&format!("param.{prefix}.f{field}.weight"))[0];
        FieldSizes::new((0..self.num_fields()).map(size).collect()).expect("sizes")
    }

    /// A linear map's weight, transposed from torch's layout.
    fn weight(&self, name: &str, device: &Device) -> Param<Tensor<2>> {
        let weight = TensorData::new(self.numbers(name), self.shape(name));
        let weight = Tensor::<2>::from_data(weight, device).transpose();
        // Copied through the host, because a transposed view is not contiguous.
        let (shape, numbers) = (weight.dims(), to_vec(weight));
        let weight = Tensor::from_data(TensorData::new(numbers, shape), device);
        Param::from_tensor(weight.require_grad())
    }

    fn vector(&self, name: &str, device: &Device) -> Param<Tensor<1>> {
        let vector = Tensor::<1>::from_data(self.numbers(name).as_slice(), device);
        Param::from_tensor(vector.require_grad())
    }

    /// Weights after a first step of Adam, which is the learning rate times the gradient's sign: where a
    /// gradient is rounding noise, so is the step.
    fn assert_after_adam(&self, actual: &[f32], tensor: &str, expected: &[f32], gradient: &[f32]) {
        assert_eq!(actual.len(), expected.len(), "{}.{tensor}", self.name);
        for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
            let tolerance = if gradient[i].abs() >= 1e-6 {
                2e-6
            } else {
                1e-3
            };
            let close = (a - e).abs() <= tolerance;
            assert!(
                close,
                "{}.{tensor}, element {i}: {a}, expected {e}",
                self.name
            );
        }
    }
}

/// Scores the case, trains one step, and compares the results with its vectors.
fn check<H: Head>(case: &Case<'_>, tables: Tables, head: H, device: &Device) -> Trainer<H> {
    let train = TrainConfig {
        learning_rate: 1e-3,
        max_gradient_norm: 10.0,
        row_update: RowUpdate::All,
        ..TrainConfig::default()
    };
    let train = train.validate().expect("proper settings");
    let rows = case.rows();
    let inner = device.clone().inner();
    let logits = score(&head.valid(), &tables, &rows, &inner);
    assert_close(&logits, &case.numbers("logit"), TOLERANCE, case.name);
    let mut trainer = Trainer::from_parts(tables, head, &train, device);
    let loss = trainer.step(&rows);
    assert_close(&[loss], &case.numbers("loss"), (0.0, 1e-5), case.name);
    trainer
}

const LR: &str = "lr_layer.embedding_layer.embedding_layer.embedding_layers";
const EMBEDDINGS: &str = "embedding_layer.embedding_layer.embedding_layers";

fn check_lr(case: &Case<'_>, device: &Device) {
    let mut head: Lr = LrConfig::new(case.num_fields()).init(device);
    head.bias = Some(case.vector("param.lr_layer.bias", device));
    let tables = Tables {
        embedding: Vec::new().into(),
        linear: Some(case.table("param", LR)),
        sizes: case.sizes(LR),
        embedding_dim: 0,
        padding: true,
    };
    let trainer = check(case, tables, head, device);
    let linear = trainer.current_tables().linear.expect("linear weights");
    let expected = case.table("after_adam", LR);
    case.assert_after_adam(&linear, LR, &expected, &case.table("grad", LR));
    let bias = to_vec(trainer.head().bias.as_ref().expect("a bias").val());
    let name = "lr_layer.bias";
    let expected = case.numbers(&format!("after_adam.{name}"));
    case.assert_after_adam(
        &bias,
        name,
        &expected,
        &case.numbers(&format!("grad.{name}")),
    );
}

fn check_dnn(case: &Case<'_>, device: &Device) {
    let embedding_dim = case.shape("emb")[2];
    let layers = (0..)
        .map(|layer| format!("mlp.mlp.{}", 2 * layer))
        .take_while(|layer| {
            let name = format!("{}.param.{layer}.weight", case.name);
            case.vectors.tensor(&name).is_ok()
        });
    let layers: Vec<String> = layers.collect();
    let (output, hidden) = layers.split_last().expect("an output");
    let units = |layer: &String| case.shape(&format!("param.{layer}.weight"))[0];
    let mut head: DnnModel = DnnModelConfig::new(case.num_fields(), embedding_dim)
        .with_hidden_units(hidden.iter().map(units).collect())
        .init(device);
    let maps = head.dnn.hidden.iter_mut().chain(&mut head.dnn.output);
    for (map, layer) in maps.zip(hidden.iter().chain([output])) {
        map.weight = case.weight(&format!("param.{layer}.weight"), device);
        map.bias = Some(case.vector(&format!("param.{layer}.bias"), device));
    }
    let tables = Tables {
        embedding: case.table("param", EMBEDDINGS).into(),
        linear: None,
        sizes: case.sizes(EMBEDDINGS),
        embedding_dim,
        padding: true,
    };
    let trainer = check(case, tables, head, device);
    let embedding = trainer.current_tables().embedding.to_f32();
    let expected = case.table("after_adam", EMBEDDINGS);
    let gradient = case.table("grad", EMBEDDINGS);
    case.assert_after_adam(&embedding, EMBEDDINGS, &expected, &gradient);
    let dnn = &trainer.head().dnn;
    for (map, layer) in dnn.hidden.iter().chain(&dnn.output).zip(&layers) {
        let name = format!("{layer}.weight");
        let weight = to_vec(map.weight.val().transpose());
        let expected = case.numbers(&format!("after_adam.{name}"));
        let gradient = case.numbers(&format!("grad.{name}"));
        case.assert_after_adam(&weight, &name, &expected, &gradient);
        let name = format!("{layer}.bias");
        let bias = to_vec(map.bias.as_ref().expect("a bias").val());
        let expected = case.numbers(&format!("after_adam.{name}"));
        let gradient = case.numbers(&format!("grad.{name}"));
        case.assert_after_adam(&bias, &name, &expected, &gradient);
    }
}

/// Checks every case of a model, except those with L2, which the trainer's loss does not include.
fn for_every_case(file: &str, model: &str, check: impl Fn(&Case<'_>, &Device)) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/family");
    let bytes = fs::read(path.join(file)).expect("reference vectors");
    let vectors = SafeTensors::deserialize(&bytes).expect("safetensors");
    let names: BTreeSet<String> = vectors
        .names()
        .into_iter()
        .filter_map(|name| Some(name.strip_suffix(".ids")?.to_owned()))
        .filter(|name| name.starts_with(model) && !name.ends_with("reg"))
        .collect();
    assert!(names.len() >= 2, "{names:?}");
    for (backend, device) in test_devices() {
        for name in &names {
            let vectors = &vectors;
            check(&Case { vectors, name }, &device);
        }
        println!("golden: {} cases of {model} on {backend}", names.len());
    }
}

#[test]
fn lr_is_fuxictrs() {
    for_every_case("lr.safetensors", "fuxictr.lr.", check_lr);
}

#[test]
fn dnn_is_fuxictrs() {
    for_every_case("dnn.safetensors", "fuxictr.dnn.", check_dnn);
}

#[test]
fn a_table_without_embeddings_takes_one_number_per_row() {
    let sizes = FieldSizes::new(vec![5, 7]).expect("sizes");
    let config = TablesConfig::new(0);
    let tables = Tables::new(&config, sizes, 1, Default::default()).expect("proper settings");
    assert_eq!(tables.view().num_params(), 12);
}
