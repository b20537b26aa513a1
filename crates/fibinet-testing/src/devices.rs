use burn::tensor::Device;

#[cfg(feature = "wgpu")]
use crate::skipped;

/// A device to test on, and the name of its backend for messages.
pub type NamedDevice = (&'static str, Device);

/// The CPU devices of this build, with autodiff.
///
/// # Panics
///
/// If this build has no CPU backend.
pub fn cpu_devices() -> Vec<NamedDevice> {
    let devices: Vec<NamedDevice> = [flex(), ndarray()].into_iter().flatten().collect();
    assert!(
        !devices.is_empty(),
        "tests need a CPU backend: --features flex or ndarray"
    );
    devices
}

fn flex() -> Option<NamedDevice> {
    #[cfg(feature = "flex")]
    return Some(("flex", Device::flex().autodiff()));
    #[cfg(not(feature = "flex"))]
    None
}

fn ndarray() -> Option<NamedDevice> {
    #[cfg(feature = "ndarray")]
    {
        #[expect(deprecated, reason = "kept on request until Burn removes it")]
        let device = Device::ndarray();
        Some(("ndarray", device.autodiff()))
    }
    #[cfg(not(feature = "ndarray"))]
    None
}

/// The CPU devices of this build, with autodiff, and with the `wgpu` feature one adapter of wgpu. That is the
/// software adapter (Mesa's lavapipe), or the one that the system ranks first if the environment variable
/// [`FIBINET_TEST_GPU`](TEST_GPU) is set, in builds with `vulkan` only the latter. A line says if there is none.
///
/// Each shape of each kernel is compiled on its first use there, which takes from a tenth of a second
/// to several: use this in one test per layer, with small shapes, and [`cpu_devices`] in the others.
pub fn test_devices() -> Vec<NamedDevice> {
    let mut devices = cpu_devices();
    devices.extend(wgpu());
    devices
}

/// The environment variable that asks for tests on a graphics card.
pub const TEST_GPU: &str = "FIBINET_TEST_GPU";

/// Whether tests on a graphics card are asked for. They take all shapes there: a card compiles a kernel in
/// milliseconds, a software adapter in up to seconds.
pub fn tests_a_card() -> bool {
    std::env::var_os(TEST_GPU).is_some_and(|value| !value.is_empty())
}

#[cfg(not(feature = "wgpu"))]
fn wgpu() -> Option<NamedDevice> {
    None
}

/// An adapter of wgpu, if there is one.
#[cfg(feature = "wgpu")]
fn wgpu() -> Option<NamedDevice> {
    use std::panic::catch_unwind;
    use std::sync::OnceLock;

    use burn::tensor::{DeviceKind, Tensor};

    static WORKS: OnceLock<bool> = OnceLock::new();
    if cfg!(feature = "vulkan") && !tests_a_card() {
        let why = "Mesa's lavapipe crashes on the SPIR-V of builds with the feature `vulkan`";
        skipped("wgpu", why);
        return None;
    }
    let device = || {
        Device::wgpu(if tests_a_card() {
            DeviceKind::DefaultDevice
        } else {
            DeviceKind::Cpu
        })
    };
    // Burn offers no check: it panics on first use of a missing device.
    let works = *WORKS.get_or_init(|| {
        let works = catch_unwind(|| Tensor::<1>::ones([1], &device()).into_scalar::<f32>());
        works.is_ok_and(|one| one == 1.0)
    });
    assert!(
        works || !tests_a_card(),
        "{TEST_GPU} is set, and wgpu finds no adapter"
    );
    if !works {
        skipped(
            "wgpu",
            "there is no software adapter (Mesa's lavapipe) here",
        );
    }
    works.then(|| ("wgpu", device().autodiff()))
}
