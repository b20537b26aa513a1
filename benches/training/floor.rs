//! The floor: the DNN's matrix products, and nothing else.

use std::time::Duration;

use burn::tensor::{Device, Distribution, Tensor};

use crate::Shape;
use crate::criteo::median;

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
            std::hint::black_box(&products);
        }
        device.sync().expect("the device answers");
    })
}
