//! Training speed in rows per second by bilinear kind, without a bound on the gradient norm, and its share of
//! the matmul floor measured in the same run. The time of a step includes drawing its batch.

use std::hint::black_box;
use std::time::Duration;

use burn::tensor::Device;
use fibinet_testing::criteo::median;

use crate::Shape;
use crate::floor::floor;

pub fn run(shape: &Shape, device: &Device) {
    let floor = floor(shape, device);
    println!("median of {} steps of {} rows", shape.steps, shape.batch);
    println!("{:<20} {:>8} {:>8}", "", "rows/s", "of floor");
    let show = |name: &str, time: Duration| {
        let speed = shape.batch as f64 / time.as_secs_f64();
        let share = 100.0 * floor.as_secs_f64() / time.as_secs_f64();
        println!("{name:<20} {speed:>8.0} {share:>7.0}%");
    };
    show("matmul floor", floor);
    for (name, kind) in shape.kinds() {
        let mut trainer = shape.trainer(kind, 0.0, device);
        let time = median(shape.steps, |step| {
            black_box(trainer.step(&shape.batch(step)));
        });
        show(name, time);
    }
}
