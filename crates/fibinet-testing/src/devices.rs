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

/// The CPU devices of this build, with autodiff. With the `wgpu` feature also the software adapter of wgpu
/// (Mesa's lavapipe), except in builds with `vulkan`; a line says if there is none.
///
/// Each shape of each kernel is compiled on its first use there, which takes from a tenth of a second
/// to several: use this in one test per layer, with small shapes, and [`cpu_devices`] in the others.
pub fn test_devices() -> Vec<NamedDevice> {
    let mut devices = cpu_devices();
    devices.extend(software_wgpu());
    devices
}

#[cfg(not(feature = "wgpu"))]
fn software_wgpu() -> Option<NamedDevice> {
    None
}

/// Mesa's lavapipe crashes on the SPIR-V of builds with `vulkan`.
#[cfg(feature = "vulkan")]
fn software_wgpu() -> Option<NamedDevice> {
    skipped(
        "wgpu",
        "Mesa's lavapipe crashes on the SPIR-V of builds with the feature `vulkan`",
    );
    None
}

/// The software adapter, if wgpu finds one.
#[cfg(all(feature = "wgpu", not(feature = "vulkan")))]
fn software_wgpu() -> Option<NamedDevice> {
    use std::panic::catch_unwind;
    use std::sync::OnceLock;

    use burn::tensor::{DeviceKind, Tensor};

    static WORKS: OnceLock<bool> = OnceLock::new();
    let device = || Device::wgpu(DeviceKind::Cpu);
    // Burn offers no check: it panics on first use of a missing device.
    let works = *WORKS.get_or_init(|| {
        let works = catch_unwind(|| Tensor::<1>::ones([1], &device()).into_scalar::<f32>());
        works.is_ok_and(|one| one == 1.0)
    });
    if !works {
        skipped(
            "wgpu",
            "there is no software adapter (Mesa's lavapipe) here",
        );
    }
    works.then(|| ("wgpu", device().autodiff()))
}
