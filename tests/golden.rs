//! Layers and FiBiNET against reference vectors of FuxiCTR and DeepCTR-Torch (`tests/golden/README.md`).
//!
//! Every case in the files is run. `FIBINET_GOLDEN` names another directory of vectors.

use std::path::PathBuf;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use fibinet::model::inputs::RowInputs;
use fibinet::model::tables::score;
use fibinet::nn::inputs::{FieldIds, FieldInputs, FieldSizes};
use fibinet::nn::layers::{
    Activation, BilinearInteraction, BilinearInteractionConfig, BilinearKind, CombinationConfig,
    Interaction, SenetConfig,
};
use fibinet::nn::loss::{BceLoss, Reduction};
use fibinet::nn::models::fibinet::{FiBiNet, FiBiNetConfig, Preset};
use fibinet::nn::models::{CtrModel, CtrModelConfig, Head};
use fibinet::train::Trainer;
use fibinet::train::config::{RowUpdate, TrainConfig};
use fibinet::train::optim::{Tables, clip_by_global_norm};
use fibinet_testing::{GoldenVectors, Tolerance, assert_close, test_devices, tests_a_card, to_vec};

/// The tolerance that the vectors' README gives for computing them again: they are f32 themselves, with sums
/// in another order.
const TOLERANCE: Tolerance = (1e-5, 1e-4);

/// The tolerance for gradients of deep models, by the same README.
const DEEP_TOLERANCE: Tolerance = (1e-4, 1e-3);

fn path(file: &str) -> PathBuf {
    let directory = std::env::var_os("FIBINET_GOLDEN").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden"),
        PathBuf::from,
    );
    directory.join(file)
}

/// The shape of the cases that are run on a GPU too, which compiles each kernel for each shape.
const GPU_SHAPE: &str = "b3f4k5";

/// Runs a check for every case of a file that has the tensor `marker` and starts with `prefix`, on every CPU
/// device, and for those of [`GPU_SHAPE`] on the software adapter of wgpu.
fn on_each_case(
    file: &str,
    marker: &str,
    prefix: &str,
    check: impl Fn(&GoldenVectors<'_>, &str, &Device),
) {
    let bytes = GoldenVectors::read(&path(file));
    let vectors = GoldenVectors::new(&bytes);
    let mut cases = vectors.cases(marker);
    cases.retain(|case| case.starts_with(prefix));
    assert!(
        !cases.is_empty(),
        "no case of {file} starts with `{prefix}`"
    );
    for (backend, device) in test_devices() {
        let cases = cases.iter();
        let takes_few = backend == "wgpu" && !tests_a_card();
        let cases = cases.filter(|case| !takes_few || case.contains(GPU_SHAPE));
        let mut num_cases = 0;
        for case in cases {
            check(&vectors, case, &device);
            num_cases += 1;
        }
        assert!(num_cases > 0, "no case of {file} for {backend}");
        println!("golden: {num_cases} cases of {file} on {backend}");
    }
}

#[track_caller]
fn assert_golden<const D: usize>(actual: Tensor<D>, vectors: &GoldenVectors<'_>, name: &str) {
    vectors.assert_close(actual, name, TOLERANCE);
}

/// A weight in PyTorch's layout `[out, in]` as Burn's `[in, out]`.
fn transposed(vectors: &GoldenVectors<'_>, name: &str, device: &Device) -> Param<Tensor<2>> {
    let weight = Tensor::<2>::from_data(vectors.load(name), device);
    Param::from_tensor(weight.transpose())
}

#[test]
fn golden_senet() {
    on_each_case("senet.safetensors", "x", "", |vectors, case, device| {
        let name = |tensor: &str| format!("{case}.{tensor}");
        let activation = match case.split('.').nth(1) {
            Some("relu") => Activation::Relu,
            Some("sigmoid") => Activation::Sigmoid,
            other => panic!("{case}: activation {other:?}"),
        };
        let w1 = vectors.load(&name("w1"));
        let (reduced, num_fields) = (w1.shape()[0], w1.shape()[1]);
        let ratio = num_fields as f64 / reduced as f64;
        let config = SenetConfig::new(num_fields)
            .with_reduction_ratio(ratio)
            .with_activation(activation);
        assert_eq!(config.reduced_size(), reduced, "{case}");
        let mut senet = config.init(device);
        senet.reduce.weight = transposed(vectors, &name("w1"), device);
        senet.expand.weight = transposed(vectors, &name("w2"), device);
        let x = Tensor::<3>::from_data(vectors.load(&name("x")), device).require_grad();
        let gy = Tensor::<3>::from_data(vectors.load(&name("gy")), device);

        assert_golden(senet.excitation(x.clone()), vectors, &name("a"));
        let y = senet.forward(x.clone());
        assert_golden(y.clone(), vectors, &name("y"));
        let mut gradients = (y * gy).sum().backward();
        let mut gradient =
            |weight: Tensor<2>| weight.grad_remove(&mut gradients).expect("a gradient");
        let gw1 = gradient(senet.reduce.weight.val()).transpose();
        let gw2 = gradient(senet.expand.weight.val()).transpose();
        assert_golden(gw1, vectors, &name("gw1"));
        assert_golden(gw2, vectors, &name("gw2"));
        let gx = x.grad_remove(&mut gradients).expect("a gradient");
        assert_golden(gx, vectors, &name("gx"));
    });
}

/// The layer of a bilinear case, with its matrices.
fn bilinear(vectors: &GoldenVectors<'_>, case: &str, device: &Device) -> BilinearInteraction {
    let kind = match case.split('.').nth(1) {
        Some("all") => BilinearKind::FieldAll,
        Some("each") => BilinearKind::FieldEach,
        Some("interaction") => BilinearKind::FieldInteraction,
        other => panic!("{case}: type {other:?}"),
    };
    let shape = vectors.load(&format!("{case}.x")).shape().to_vec();
    let config = BilinearInteractionConfig::new(shape[1], shape[2]).with_kind(kind);
    let weight = vectors.load(&format!("{case}.w")).flattened();
    let weight = Tensor::<1>::from_data(weight, device);
    let weight = weight.reshape([config.num_matrices(), shape[2], shape[2]]);
    let mut bilinear = config.init(device);
    bilinear.weight = Param::from_tensor(ours(case, weight));
    bilinear
}

/// Converts the matrices of a bilinear case to our layout, or back: DeepCTR-Torch has `nn.Linear` weights,
/// `[out, in]`.
fn ours(case: &str, weight: Tensor<3>) -> Tensor<3> {
    if case.starts_with("deepctr.") {
        weight.swap_dims(1, 2)
    } else {
        weight
    }
}

/// Asserts that the gradients of matrices and input are those of a bilinear case.
#[track_caller]
fn assert_golden_gradients(
    vectors: &GoldenVectors<'_>,
    case: &str,
    gradients: &Gradients,
    (bilinear, x): (&BilinearInteraction, &Tensor<3>),
) {
    let gw = bilinear.weight.val().grad(gradients).expect("a gradient");
    let gw = ours(case, gw);
    let name = format!("{case}.gw");
    match vectors.load(&name).shape().len() {
        2 => assert_golden(gw.squeeze_dim::<2>(0), vectors, &name),
        _ => assert_golden(gw, vectors, &name),
    }
    let gx = x.grad(gradients).expect("a gradient");
    assert_golden(gx, vectors, &format!("{case}.gx"));
}

#[test]
fn golden_bilinear() {
    on_each_case("bilinear.safetensors", "x", "", |vectors, case, device| {
        let name = |tensor: &str| format!("{case}.{tensor}");
        let x = Tensor::<3>::from_data(vectors.load(&name("x")), device).require_grad();
        let gy = Tensor::<3>::from_data(vectors.load(&name("gy")), device);
        let bilinear = bilinear(vectors, case, device);
        let y = bilinear.forward(x.clone());
        assert_golden(y.clone(), vectors, &name("y"));
        let gradients = (y * gy).sum().backward();
        assert_golden_gradients(vectors, case, &gradients, (&bilinear, &x));
    });
}

/// The combination layer with one side from each peer, whose array of pairs flex writes by a kernel.
#[test]
fn golden_bilinear_by_the_array_of_pairs_with_autodiff_and_without() {
    on_each_case(
        "bilinear.safetensors",
        "x",
        "fuxictr.",
        |vectors, case, device| {
            let case = case.trim_start_matches("fuxictr.");
            let sides = ["fuxictr", "deepctr"].map(|peer| format!("{peer}.{case}"));
            let both = |tensor: &str, device: &Device| {
                sides.each_ref().map(|case| {
                    let data = vectors.load(&format!("{case}.{tensor}"));
                    Tensor::<3>::from_data(data, device)
                })
            };
            let assert_pairs = |pairs: Tensor<2>, shape: [usize; 3]| {
                for (pairs, case) in pairs.chunk(2, 1).into_iter().zip(&sides) {
                    assert_golden(pairs.reshape(shape), vectors, &format!("{case}.y"));
                }
            };
            let layers = sides.each_ref().map(|case| bilinear(vectors, case, device));
            let [raw, senet] = layers.clone().map(Interaction::Bilinear);
            let x = both("x", device).map(Tensor::require_grad);
            let [_, num_fields, embedding_dim] = x[0].dims();
            let config = CombinationConfig::new(num_fields, embedding_dim);
            let mut combination = config.init(device);
            (combination.raw, combination.senet) = (raw, Some(senet));

            let pairs = combination.forward(x[0].clone(), x[1].clone());
            let gy = both("gy", device);
            assert_pairs(pairs.clone(), gy[0].dims());
            let gy = Tensor::cat(gy.map(|gy| gy.flatten::<2>(1, 2)).to_vec(), 1);
            let gradients = (pairs * gy).sum().backward();
            for ((case, layer), x) in sides.iter().zip(&layers).zip(&x) {
                assert_golden_gradients(vectors, case, &gradients, (layer, x));
            }
            let [raw, senet] = both("x", &device.clone().inner());
            let pairs = combination.valid().forward(raw, senet);
            assert_pairs(pairs, both("gy", device)[0].dims());
        },
    );
}

trait Flattened {
    fn flattened(self) -> Self;
}

impl Flattened for TensorData {
    /// The same values with one dimension.
    fn flattened(self) -> Self {
        let values: Vec<f32> = self.try_to_vec().expect("f32");
        let len = values.len();
        Self::new(values, [len])
    }
}

/// A full-model case, and the mapping from our parameters to its peer's.
struct FullCase<'a> {
    case: &'a str,
    fuxictr: bool,
    vectors: &'a GoldenVectors<'a>,
    /// The names of the fields, in order.
    fields: Vec<String>,
    /// The number of hidden layers of the DNN.
    depth: usize,
}

impl<'a> FullCase<'a> {
    fn new(case: &'a str, vectors: &'a GoldenVectors<'a>) -> Self {
        let mut case = Self {
            case,
            fuxictr: case.starts_with("fuxictr."),
            vectors,
            fields: Vec::new(),
            depth: 0,
        };
        let num_fields = case.shape("ids")[1];
        case.fields = (0..num_fields).map(|field| format!("f{field}")).collect();
        while case.has("param", &case.hidden(case.depth, "weight")) {
            case.depth += 1;
        }
        // FuxiCTR's output layer is the last of its list.
        case.depth -= usize::from(case.fuxictr);
        case
    }

    fn name(&self, tensor: &str) -> String {
        format!("{}.{tensor}", self.case)
    }

    fn load(&self, tensor: &str) -> TensorData {
        self.vectors.load(&self.name(tensor))
    }

    fn numbers(&self, tensor: &str) -> Vec<f32> {
        self.vectors.numbers(&self.name(tensor))
    }

    fn shape(&self, tensor: &str) -> Vec<usize> {
        self.vectors.shape(&self.name(tensor))
    }

    fn has(&self, group: &str, name: &str) -> bool {
        self.vectors.has(&self.name(&format!("{group}.{name}")))
    }

    fn hidden(&self, layer: usize, part: &str) -> String {
        if self.fuxictr {
            format!("dnn.mlp.{}.{part}", 2 * layer)
        } else {
            format!("dnn.linears.{layer}.{part}")
        }
    }

    /// The peer's names of the parameter at a path in our model: one name, or one per field or matrix.
    fn names(&self, path: &str) -> Vec<String> {
        let table = |prefix: &str| {
            let name = |field| format!("{prefix}.{field}.weight");
            self.fields.iter().map(name).collect()
        };
        let one = |name: &str| vec![name.to_owned()];
        let parts: Vec<&str> = path.split('.').collect();
        match (self.fuxictr, &parts[..]) {
            (true, ["embedding", "weight"]) => {
                table("embedding_layer.embedding_layer.embedding_layers")
            }
            (false, ["embedding", "weight"]) => table("embedding_dict"),
            (true, ["linear", "weight"]) => {
                table("lr_layer.embedding_layer.embedding_layer.embedding_layers")
            }
            (false, ["linear", "weight"]) => table("linear_model.embedding_dict"),
            (true, ["head", "senet", "reduce", _]) => one("senet_layer.excitation.0.weight"),
            (true, ["head", "senet", "expand", _]) => one("senet_layer.excitation.2.weight"),
            (false, ["head", "senet", "reduce", _]) => one("SE.excitation.0.weight"),
            (false, ["head", "senet", "expand", _]) => one("SE.excitation.2.weight"),
            (true, ["head", "combination", "raw", ..]) => one("bilinear_interaction1.bilinear_W"),
            (true, ["head", "combination", "senet", ..]) => one("bilinear_interaction2.bilinear_W"),
            (false, ["head", "combination", "raw", ..]) => {
                if self.has("param", "Bilinear.bilinear.weight") {
                    return one("Bilinear.bilinear.weight");
                }
                (0..)
                    .map(|matrix| format!("Bilinear.bilinear.{matrix}.weight"))
                    .take_while(|name| self.has("param", name))
                    .collect()
            }
            (_, ["head", "dnn", "hidden", layer, part]) => {
                let layer = layer.parse().expect("a layer's number");
                one(&self.hidden(layer, part))
            }
            (true, ["head", "dnn", "output", part]) => one(&self.hidden(self.depth, part)),
            (false, ["head", "dnn", "output", "weight"]) => one("dnn_linear.weight"),
            (false, ["head", "bias"]) => one("out.bias"),
            _ => panic!("{}: no peer's name for {path}", self.case),
        }
    }

    /// The values in one of the case's groups of the parameter at a path, in our layout. A gradient that PyTorch
    /// does not give is zero.
    fn values(&self, group: &str, path: &str, len: usize) -> Vec<f32> {
        // Tables and FuxiCTR's matrices have our layout, `nn.Linear` weights are [out, in].
        let is_linear = path.ends_with("weight")
            && path.starts_with("head.")
            && !(self.fuxictr && path.contains("combination"));
        let names = self.names(path);
        let parts = names.len();
        let mut values = Vec::with_capacity(len);
        for name in names {
            if !self.has(group, &name) {
                assert_eq!(group, "grad", "{}: no {group}.{name}", self.case);
                values.extend(vec![0.0; len / parts]);
                continue;
            }
            let data = self.load(&format!("{group}.{name}"));
            let numbers: Vec<f32> = data.clone().try_to_vec().expect("f32");
            match (is_linear, data.shape().as_slice()) {
                (true, &[rows, columns]) => values.extend(
                    (0..columns)
                        .flat_map(|c| (0..rows).map(move |r| r * columns + c))
                        .map(|i| numbers[i]),
                ),
                _ => values.extend(numbers),
            }
        }
        assert_eq!(values.len(), len, "{}: {path}", self.case);
        values
    }

    fn config(&self) -> CtrModelConfig<FiBiNetConfig> {
        let shape = |name: &str| self.shape(&format!("param.{name}"));
        let embedding_dim = self.load("emb").shape()[2];
        let num_fields = self.fields.len();
        let kind = match self.case.split('.').nth(1) {
            Some("all") => BilinearKind::FieldAll,
            Some("each") => BilinearKind::FieldEach,
            Some("interaction") => BilinearKind::FieldInteraction,
            other => panic!("{}: type {other:?}", self.case),
        };
        let preset = if self.fuxictr {
            Preset::FuxiCtr
        } else {
            Preset::DeepCtrTorch
        };
        let hidden_units = (0..self.depth).map(|layer| shape(&self.hidden(layer, "weight"))[0]);
        let reduced = shape(&self.names("head.senet.reduce.weight")[0])[0];
        let mut model = preset.config(num_fields, embedding_dim);
        model.head = model
            .head
            .with_bilinear(kind)
            .with_hidden_units(hidden_units.collect())
            .with_reduction_ratio(num_fields as f64 / reduced as f64);
        model
    }

    /// The rows of each field.
    fn field_sizes(&self) -> Vec<usize> {
        let tables = self.names("embedding.weight");
        let rows = |name: &String| self.shape(&format!("param.{name}"))[0];
        tables.iter().map(rows).collect()
    }

    fn model(&self, device: &Device) -> CtrModel<FiBiNet> {
        struct Load<'a> {
            case: &'a FullCase<'a>,
            device: &'a Device,
            path: Vec<String>,
        }
        impl ModuleMapper for Load<'_> {
            fn enter_module(&mut self, name: &str, _: &str) {
                self.path.push(name.to_owned());
            }
            fn exit_module(&mut self, _: &str, _: &str) {
                self.path.pop();
            }
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                let shape = param.lazy_shape();
                let values = self
                    .case
                    .values("param", &self.path.join("."), shape.num_elements());
                let data = TensorData::new(values, shape);
                param.map(|_| Tensor::from_data(data, self.device).require_grad())
            }
        }
        let mut load = Load {
            case: self,
            device,
            path: Vec::new(),
        };
        self.config()
            .init(self.field_sizes(), device)
            .map(&mut load)
    }

    /// The tables of a model of this case.
    fn tables(&self, model: &CtrModel<FiBiNet>) -> Tables {
        let config = self.config().tables;
        let embedding = model.embedding.as_ref().expect("embeddings");
        let linear = model.linear.as_ref().expect("a linear part");
        Tables {
            embedding: to_vec(embedding.weight.val().inner()).into(),
            linear: Some(to_vec(linear.weight.val().inner())),
            sizes: FieldSizes::new(self.field_sizes()).expect("sizes"),
            embedding_dim: config.embedding_dim,
            padding: config.padding,
        }
    }

    /// Asserts that every parameter, or its gradient, is that of a group of the case.
    fn assert_parameters(
        &self,
        model: &CtrModel<FiBiNet>,
        group: &'static str,
        gradients: Option<&GradientsParams>,
        tolerance: Tolerance,
    ) {
        struct Check<'a> {
            case: &'a FullCase<'a>,
            group: &'static str,
            gradients: Option<&'a GradientsParams>,
            tolerance: Tolerance,
            path: Vec<String>,
            checked: usize,
        }
        impl ModuleVisitor for Check<'_> {
            fn enter_module(&mut self, name: &str, _: &str) {
                self.path.push(name.to_owned());
            }
            fn exit_module(&mut self, _: &str, _: &str) {
                self.path.pop();
            }
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let path = self.path.join(".");
                let actual = match self.gradients {
                    Some(gradients) => gradients.get::<D>(param.id).expect("a gradient"),
                    None => param.val().inner(),
                };
                let len = actual.shape().num_elements();
                let expected = self.case.values(self.group, &path, len);
                let name = format!("{}.{}: {path}", self.case.case, self.group);
                assert_close(&to_vec(actual), &expected, self.tolerance, &name);
                self.checked += 1;
            }
        }
        let mut check = Check {
            case: self,
            group,
            gradients,
            tolerance,
            path: Vec::new(),
            checked: 0,
        };
        model.visit(&mut check);
        assert!(
            check.checked >= 8,
            "{}: {} parameters",
            self.case,
            check.checked
        );
    }

    /// The factor of the tables' sum of squares in the case's loss.
    fn l2(&self) -> f64 {
        let index: serde_json::Value =
            serde_json::from_slice(&GoldenVectors::read(&path("index.json"))).expect("an index");
        let lambda = &index[format!("fibinet {}", self.case)]["emb_reg"];
        if self.fuxictr {
            lambda.as_f64().unwrap_or(0.0) / 2.0
        } else {
            lambda.as_f64().unwrap_or(0.0)
        }
    }

    fn ids(&self) -> Vec<u32> {
        let ids = self.vectors.integers(&self.name("ids")).into_iter();
        ids.map(|id| u32::try_from(id).expect("an id")).collect()
    }
}

#[test]
fn golden_fibinet() {
    on_each_case("fibinet.safetensors", "ids", "", |vectors, case, device| {
        let case = FullCase::new(case, vectors);
        let model = case.model(device);
        let (rows, fields) = (case.shape("ids")[0], case.fields.len());
        let ids: Vec<i64> = case.ids().into_iter().map(i64::from).collect();
        let ids = TensorData::new(ids, [rows, fields]);
        let ids = FieldIds::new(Tensor::from_data(ids, device));
        let labels = Tensor::<1>::from_data(case.load("label").flattened(), device);

        let table = model.embedding.as_ref().expect("embeddings");
        let embeddings = table.forward(ids.clone());
        assert_golden(embeddings.clone(), vectors, &format!("{}.emb", case.case));
        let linear = model.linear.as_ref().expect("a linear part");
        let linear_logit = linear.forward(ids.clone()).unsqueeze_dim::<2>(1);
        assert_golden(
            linear_logit,
            vectors,
            &format!("{}.linear_logit", case.case),
        );
        let logits = model.forward(ids.clone());
        let column = logits.clone().unsqueeze_dim::<2>(1);
        assert_golden(column.clone(), vectors, &format!("{}.logit", case.case));
        let probabilities = burn::tensor::activation::sigmoid(column);
        assert_golden(probabilities, vectors, &format!("{}.prob", case.case));

        let reduction = if case.fuxictr {
            Reduction::Mean
        } else {
            Reduction::Sum
        };
        let squares = table.weight.val().square().sum() + linear.weight.val().square().sum();
        let loss =
            BceLoss::new(reduction).forward(logits, labels.clone()) + squares.mul_scalar(case.l2());
        assert_golden(loss.clone(), vectors, &format!("{}.loss", case.case));

        let mut gradients = GradientsParams::from_grads(loss.backward(), &model);
        case.assert_parameters(&model, "grad", Some(&gradients), DEEP_TOLERANCE);
        // The gradient of the embeddings alone, as the row path takes it.
        let leaf = Tensor::from_inner(embeddings.inner()).require_grad();
        let inputs = FieldInputs::new(leaf.clone()).with_linear(Some(linear.terms(ids)));
        let loss = BceLoss::new(reduction).forward(model.head.forward(inputs), labels);
        let gradient = leaf.grad(&loss.backward()).expect("a gradient");
        let expected = case.numbers("grad_emb");
        assert_close(&to_vec(gradient), &expected, DEEP_TOLERANCE, case.case);

        if case.fuxictr {
            let norm = clip_by_global_norm(&model, &mut gradients, 10.0) as f32;
            let expected = case.numbers("grad_norm");
            assert_close(&[norm], &expected, TOLERANCE, case.case);
        }
        let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
        let model = adam.step(1e-3, model, gradients);
        case.assert_parameters(&model, "after_adam", None, TOLERANCE);
    });
}

/// A row trainer's first step gives the parameters of the peer's dense optimizer: with L2 if it updates all
/// table rows, without L2 if it updates touched rows.
#[test]
fn golden_fibinet_by_rows() {
    on_each_case(
        "fibinet.safetensors",
        "ids",
        "fuxictr.",
        |vectors, case, device| {
            // The trainer's loss is the mean, as FuxiCTR's.
            let case = FullCase::new(case, vectors);
            let mut model = case.model(device);
            let tables = case.tables(&model);
            let train = TrainConfig {
                learning_rate: 1e-3,
                embedding_l2: 2.0 * case.l2(),
                max_gradient_norm: 10.0,
                row_update: if case.l2() > 0.0 {
                    RowUpdate::All
                } else {
                    RowUpdate::Touched
                },
                ..TrainConfig::default()
            };
            let train = train.validate().expect("proper settings");
            let mut trainer = Trainer::from_parts(tables, model.head.clone(), &train, device);
            let loss = trainer.step(&RowInputs {
                ids: case.ids(),
                values: None,
                dense: None,
                labels: case.numbers("label"),
                num_rows: case.shape("ids")[0],
                lists: None,
            });
            if case.l2() == 0.0 {
                let expected = case.numbers("loss");
                assert_close(&[loss], &expected, TOLERANCE, case.case);
            }
            let trained = trainer.current_tables();
            let embedding = model.embedding.as_mut().expect("embeddings");
            let table = TensorData::new(trained.embedding.to_f32(), embedding.weight.shape());
            embedding.weight = Param::from_tensor(Tensor::from_data(table, device));
            let weights = trained.linear.expect("a linear part");
            if let Some(linear) = &mut model.linear {
                let table = TensorData::new(weights, linear.weight.shape());
                linear.weight = Param::from_tensor(Tensor::from_data(table, device));
            }
            model.head = trainer.head().clone();
            case.assert_parameters(&model, "after_adam", None, TOLERANCE);
        },
    );
}

/// One row at a time, as a scorer is asked. Flex then maps the DNN's first layer, and later layers of 65,536
/// weights or more, by kernels for small batches. For the latter each hidden unit is repeated.
#[test]
fn golden_fibinet_a_row_at_a_time_without_autodiff() {
    on_each_case("fibinet.safetensors", "ids", "", |vectors, case, device| {
        let case = FullCase::new(case, vectors);
        let model = case.model(device);
        let tables = case.tables(&model);
        let head = widened(&model.head.valid());
        let ids = case.ids();
        let rows = ids.chunks_exact(case.fields.len()).map(|ids| RowInputs {
            ids: ids.to_vec(),
            num_rows: 1,
            ..RowInputs::default()
        });
        let device = device.clone().inner();
        let logits: Vec<f32> = rows
            .flat_map(|row| score(&head, &tables.view(), &row, &device))
            .collect();
        let expected = case.numbers("logit");
        assert_close(&logits, &expected, TOLERANCE, case.case);
    });
}

/// The head with every hidden unit repeated 64 times and each copy's outgoing weights divided by 64, which gives
/// the same logits.
fn widened(head: &FiBiNet) -> FiBiNet {
    const TIMES: usize = 64;
    let reads = |weight: Tensor<2>| weight.repeat_dim(0, TIMES) / TIMES as f32;
    let mut head = head.clone();
    let dnn = head.dnn.as_mut().expect("a DNN");
    for (i, layer) in dnn.hidden.iter_mut().enumerate() {
        layer.weight = layer.weight.clone().map(|weight| match i {
            0 => weight.repeat_dim(1, TIMES),
            _ => reads(weight).repeat_dim(1, TIMES),
        });
        let bias = layer.bias.take();
        layer.bias = bias.map(|bias| bias.map(|bias| bias.repeat_dim(0, TIMES)));
    }
    let output = dnn.output.as_mut().expect("an output");
    output.weight = output.weight.clone().map(reads);
    head
}
