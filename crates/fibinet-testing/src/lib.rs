//! What the tests and benches of the workspace share: devices to test on, tensors from literals and
//! their comparison, a backward pass from a given gradient, golden vectors, a counting allocator,
//! an encoder, why tests are skipped, and the shape of the benches.
//!
//! Only `[dev-dependencies]` name it. Without the features `encoders` and `criteo` it depends on no crate of the
//! workspace, so the unit tests of `fibinet-nn` use it without compiling that crate twice. With them
//! it depends on the crates below those that use it.

mod backward;
mod counting;
#[cfg(feature = "criteo")]
pub mod criteo;
mod devices;
#[cfg(feature = "encoders")]
mod encoders;
#[cfg(feature = "golden")]
mod golden;
mod skipped;
mod tensors;

pub use backward::backward_from;
pub use counting::{CountingAllocator, allocated};
pub use devices::{NamedDevice, TEST_GPU, cpu_devices, test_devices, tests_a_card};
#[cfg(feature = "encoders")]
pub use encoders::id_encoder;
#[cfg(feature = "golden")]
pub use golden::GoldenVectors;
pub use skipped::skipped;
pub use tensors::{Tolerance, assert_close, assert_tensor_close, tensor, through_a_record, to_vec};
