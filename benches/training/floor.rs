//! The matmul floor: the matrix products of the DNN, and nothing else.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use burn::tensor::{Device, Distribution, Tensor};
use fibinet_testing::criteo::{HIDDEN, median};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::Shape;

/// The block sizes of the kernel that forms the pairs and multiplies them: `PANEL_ROWS` and `TASK_COLUMNS` in
/// fibinet-nn's `kernels`, which are private.
const BLOCK: [usize; 2] = [256, 384];

/// The median time of the forward product and both backward products of every layer.
pub fn floor(shape: &Shape, device: &Device) -> Duration {
    let random = |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Default, device);
    let layers: Vec<_> = shape
        .dnn_widths()
        .windows(2)
        .map(|width| {
            let (x, w) = (
                random([shape.batch, width[0]]),
                random([width[0], width[1]]),
            );
            (x, w, random([shape.batch, width[1]]))
        })
        .collect();
    median(shape.steps, |_| {
        for (x, w, gradient) in &layers {
            let products = [
                x.clone().matmul(w.clone()),
                x.clone().transpose().matmul(gradient.clone()),
                gradient.clone().matmul(w.clone().transpose()),
            ];
            black_box(&products);
        }
        device.sync().expect("the device answers");
    })
}

/// The matrix products of the first layer's kernel, on pairs that are already there. As in the kernel they are
/// computed block by block, each block by one thread. But each product is written to its own array instead of
/// being added up.
pub struct FirstLayer {
    /// One weight block per task, each `[width, H]`.
    weights: Vec<Tensor<2>>,
    panels: Vec<Panel>,
    /// Pools of one thread each, so that no product is shared between threads.
    pools: Vec<ThreadPool>,
}

/// The inputs of the products over some batch rows.
struct Panel {
    /// `[rows, width]`
    pairs: Tensor<2>,
    /// `[rows, H]`
    gradient: Tensor<2>,
    /// `[width, rows]`
    transposed_pairs: Tensor<2>,
    /// `[H, rows]`
    transposed_gradient: Tensor<2>,
}

impl FirstLayer {
    pub fn new(shape: &Shape, device: &Device) -> Self {
        let random = |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Default, device);
        let (columns, hidden) = (shape.dnn_widths()[0], HIDDEN[0]);
        let num_tasks = columns.div_ceil(BLOCK[1]);
        let width = columns.div_ceil(num_tasks);
        let first_rows = (0..shape.batch).step_by(BLOCK[0]);
        let panels = first_rows
            .map(|first_row| BLOCK[0].min(shape.batch - first_row))
            .map(|rows| Panel {
                pairs: random([rows, width]),
                gradient: random([rows, hidden]),
                transposed_pairs: random([width, rows]),
                transposed_gradient: random([hidden, rows]),
            });
        let pool = || ThreadPoolBuilder::new().num_threads(1).build();
        Self {
            weights: (0..num_tasks).map(|_| random([width, hidden])).collect(),
            panels: panels.collect(),
            pools: (0..rayon::current_num_threads())
                .map(|_| pool().expect("a thread"))
                .collect(),
        }
    }

    /// The times of the forward and of the backward products.
    pub fn run(&self) -> [Duration; 2] {
        let product = |a: &Tensor<2>, b: &Tensor<2>| drop(black_box(a.clone().matmul(b.clone())));
        let start = Instant::now();
        let blocks = self.panels.iter().flat_map(|panel| {
            let weights = self.weights.iter();
            weights.map(move |weight| (&panel.pairs, weight))
        });
        let blocks: Vec<_> = blocks.collect();
        self.share(&blocks, |(pairs, weight)| product(pairs, weight));
        let forward = start.elapsed();
        self.share(&self.weights, |weight| {
            for panel in &self.panels {
                product(&panel.transposed_pairs, &panel.gradient);
                product(weight, &panel.transposed_gradient);
            }
        });
        [forward, start.elapsed() - forward]
    }

    /// Runs every part once, each on the next free thread.
    fn share<T: Sync>(&self, parts: &[T], run: impl Fn(&T) + Sync) {
        let next = AtomicUsize::new(0);
        self.pools.par_iter().for_each(|pool| {
            pool.install(|| {
                while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    run(part);
                }
            });
        });
    }
}
