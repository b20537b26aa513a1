//! The floor: the DNN's matrix products, and nothing else.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use burn::tensor::{Device, Distribution, Tensor};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::Shape;
use crate::criteo::{HIDDEN, median};

/// The blocks of the kernel that forms the pairs and multiplies them, `PANEL_ROWS` and `TASK_COLUMNS` of
/// fibinet-nn's `kernels`, which are private.
const BLOCK: [usize; 2] = [256, 384];

/// Forward and both backward products of every layer.
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

/// The products of the first layer's kernel, of numbers that lie ready: block by block as the kernel's, a
/// block by one thread, but each block's written to an array of its own, not added up.
pub struct FirstLayer {
    /// `[width, H]` each
    weights: Vec<Tensor<2>>,
    panels: Vec<Panel>,
    /// Of one thread each, or a product would be shared.
    pools: Vec<ThreadPool>,
}

/// What the products of some rows read.
struct Panel {
    /// `[rows, width]`
    pairs: Tensor<2>,
    /// `[rows, H]`
    gradient: Tensor<2>,
    /// `[width, rows]`
    turned_pairs: Tensor<2>,
    /// `[H, rows]`
    turned_gradient: Tensor<2>,
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
                turned_pairs: random([width, rows]),
                turned_gradient: random([hidden, rows]),
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

    /// The time forward and backward.
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
                product(&panel.turned_pairs, &panel.gradient);
                product(weight, &panel.turned_gradient);
            }
        });
        [forward, start.elapsed() - forward]
    }

    /// Runs each part on the next free thread.
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
