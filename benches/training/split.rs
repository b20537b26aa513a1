//! Where the time of a step goes according to [`StepTimes`], without a bound on the gradient norm and with the
//! default bound of a run:
//!
//! | line | meaning |
//! |---|---|
//! | gather | reading the batch's rows from the tables |
//! | pairs, forward and backward | SENET, the pairs, the linear terms and the loss: the passes of the step except for the DNN |
//! | first layer, forward and backward | the matrix products of the DNN's first layer, which a kernel computes together with the pairs; measured alone beside each step, in the kernel's blocks ([`FirstLayer`]) |
//! | DNN, forward and backward | the layers after the first, measured alone beside each step |
//! | row optimizer, dense optimizer | as in [`StepTimes`], where the norm belongs to the dense optimizer |
//! | matmul floor | the matrix products of the whole DNN |
//! | data | drawing a batch from shuffled shards and laying out its ids; not part of the step, because in a run another thread does it during the step before |
//!
//! What is measured alone is subtracted from the passes of the step, so the lines of the pairs are differences.
//! The products of the first layer are written to an array each, where the kernel adds them up. Each line is
//! the median of its own times, so the lines only nearly add up to the step. GPU backends are refused, because
//! their times would be those at which work was queued, not those at which it was done.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use burn::tensor::{Device, Distribution, Tensor};
use fibinet::data::shards::{
    Batch, BatchStream, FieldLayout, FieldShape, ShardLayout, ShardWriter, Shards, Shuffle,
};
use fibinet::model::inputs::FieldPlan;
use fibinet::nn::backend::Backend;
use fibinet::nn::layers::{BilinearKind, Dnn, DnnConfig};
use fibinet::nn::models::Numerics;
use fibinet::train::StepTimes;
use fibinet::train::config::TrainConfig;
use fibinet_testing::criteo::{FIELDS, HIDDEN, median, middle};

use crate::floor::{FirstLayer, floor};
use crate::{Shape, milliseconds};

const LINES: [&str; 9] = [
    "gather",
    "pairs, forward",
    "first layer, forward",
    "DNN, forward",
    "pairs, backward",
    "first layer, backward",
    "DNN, backward",
    "row optimizer",
    "dense optimizer",
];
/// The number of batches in the shards.
const BATCHES: usize = 64;

pub fn run(shape: &Shape, backend: Backend, device: &Device) {
    let on_cpu = matches!(backend, Backend::Flex | Backend::NdArray);
    assert!(on_cpu, "`split` only measures CPU backends, not {backend}");
    let Shape { steps, batch, .. } = shape;
    println!("median of {steps} steps of {batch} rows, in ms");
    let (floor, data) = (floor(shape, device), data(shape));
    let bounds = [0.0, TrainConfig::default().max_gradient_norm];
    for (name, kind) in shape.kinds() {
        let [free, bound] = steps_by_bound(shape, kind, bounds, device).map(Medians::new);
        println!("{name:<23} {:>8} {:>7} {:>11}", "ms", "share", "norm bound");
        let line = |name: &str, time: Duration, bound: Option<Duration>| {
            let share = 100.0 * time.as_secs_f64() / free.step.as_secs_f64();
            let bound = bound.map(|time| format!(" {:>11.2}", milliseconds(time)));
            let (ms, bound) = (milliseconds(time), bound.unwrap_or_default());
            println!("  {name:<21} {ms:>8.2} {share:>6.1}%{bound}");
        };
        for (i, name) in LINES.into_iter().enumerate() {
            line(name, free.lines[i], Some(bound.lines[i]));
        }
        line("step", free.step, Some(bound.step));
        line("matmul floor", floor, None);
        line("data", data, None);
    }
}

/// The time of each line in one step.
type Lines = [Duration; LINES.len()];

/// The steps of one model per bound on the norm. The models take turns.
fn steps_by_bound(
    shape: &Shape,
    kind: BilinearKind,
    bounds: [f64; 2],
    device: &Device,
) -> [Vec<Lines>; 2] {
    let mut trainers = bounds.map(|bound| shape.trainer(kind, bound, device));
    let first = FirstLayer::new(shape, device);
    let later = LaterLayers::new(shape, device);
    let mut steps = [const { Vec::new() }; 2];
    for step in 0..=shape.steps {
        let batch = shape.batch(step);
        for (trainer, steps) in trainers.iter_mut().zip(&mut steps) {
            black_box(trainer.step(&batch));
            let lines = lines(trainer.times(), first.run(), later.run());
            if step > 0 {
                steps.push(lines);
            }
        }
    }
    steps
}

/// The lines of a step, given the forward and backward times of the first layer's products and of the later
/// layers.
fn lines(step: StepTimes, first: [Duration; 2], later: [Duration; 2]) -> Lines {
    let [forward, backward] = [0, 1].map(|pass| first[pass] + later[pass]);
    [
        step.gather,
        step.forward.saturating_sub(forward),
        first[0],
        later[0],
        step.backward.saturating_sub(backward),
        first[1],
        later[1],
        step.row_optimizer,
        step.dense_optimizer,
    ]
}

/// The medians over several steps.
struct Medians {
    lines: Lines,
    step: Duration,
}

impl Medians {
    fn new(steps: Vec<Lines>) -> Self {
        let of = |time: &dyn Fn(&Lines) -> Duration| {
            let mut times: Vec<Duration> = steps.iter().map(time).collect();
            middle(&mut times)
        };
        Self {
            lines: std::array::from_fn(|i| of(&|lines| lines[i])),
            step: of(&|lines| lines.iter().sum()),
        }
    }
}

/// The DNN after its first layer.
struct LaterLayers {
    dnn: Dnn,
    hidden: Tensor<2>,
}

impl LaterLayers {
    fn new(shape: &Shape, device: &Device) -> Self {
        let device = device.clone().autodiff();
        let config = DnnConfig::new(HIDDEN[0], HIDDEN[1..].to_vec()).with_d_output(Some(1));
        let hidden = Tensor::random([shape.batch, HIDDEN[0]], Distribution::Default, &device);
        Self {
            dnn: config.init(&device),
            hidden: hidden.require_grad(),
        }
    }

    /// The times of the forward and of the backward pass.
    fn run(&self) -> [Duration; 2] {
        let start = Instant::now();
        let output = self.dnn.forward(self.hidden.clone());
        let forward = start.elapsed();
        black_box(output.backward());
        [forward, start.elapsed() - forward]
    }
}

/// The time that one thread takes to prepare a batch.
fn data(shape: &Shape) -> Duration {
    let directory = tempfile::tempdir().expect("a directory");
    let layout = ShardLayout {
        label: "label".to_owned(),
        grouped: false,
        fields: (0..FIELDS)
            .map(|field| FieldLayout {
                name: format!("C{field}"),
                shape: FieldShape::Id {
                    num_ids: shape.field_rows(),
                },
            })
            .collect(),
    };
    let plan = FieldPlan::new(&layout.fields, Numerics::Embedded).expect("proper fields");
    let shards = Arc::new(shards(shape, directory.path(), layout));
    let shuffle = Shuffle {
        seed: 7,
        buffer_rows: shards.num_rows(),
    };
    let epoch = median(shape.steps, |_| {
        for batch in BatchStream::new(Arc::clone(&shards), shape.batch, Some(shuffle)) {
            black_box(plan.inputs(&batch.expect("shards are read")));
        }
    });
    epoch / BATCHES as u32
}

fn shards(shape: &Shape, directory: &std::path::Path, layout: ShardLayout) -> Shards {
    let mut writer = ShardWriter::create(directory, "train", layout, 1).expect("a directory");
    for step in 0..BATCHES {
        let inputs = shape.batch(step);
        let rows = Batch {
            ids: inputs.ids,
            labels: inputs.labels,
            num_rows: inputs.num_rows,
            ..Batch::default()
        };
        (0..rows.num_rows).for_each(|row| writer.add(&rows, row));
        writer.write_full_row_groups().expect("shards are written");
    }
    writer.finish().expect("shards are read")
}
