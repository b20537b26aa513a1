//! The backends that layers run on and the devices of this machine, by name.

mod adapter_info;
mod device_list;
mod device_name;

// Both have the same functions, so that nothing else asks whether a GPU backend is compiled in.
#[cfg(feature = "cube")]
mod adapters;
#[cfg(not(feature = "cube"))]
#[path = "no_adapters.rs"]
mod adapters;

use core::fmt;
use core::str::FromStr;

use burn::tensor::Device;

pub use self::adapter_info::{AdapterInfo, AdapterKind, AdapterLimits, MatrixUnit};
pub use self::adapters::keep_compiled_kernels;
pub use self::device_list::{CpuInfo, DeviceInfo, Hardware, devices};
pub use self::device_name::DeviceName;
pub use crate::kernels::has_kernels;

/// The backends that Cargo features of this crate turn on.
///
/// | backend | feature | runs on |
/// |---|---|---|
/// | [`Flex`](Backend::Flex) | `flex` | CPU; Burn's fast CPU backend |
/// | [`NdArray`](Backend::NdArray) | `ndarray` | CPU; deprecated by Burn |
/// | [`Wgpu`](Backend::Wgpu) | `wgpu` | GPUs through Vulkan, Metal or DirectX, compiled as WGSL; in a build with `vulkan` also as SPIR-V, with `metal` as Metal's language |
/// | [`Vulkan`](Backend::Vulkan) | `vulkan` | GPUs through Vulkan, compiled as SPIR-V, or as WGSL if the driver lacks an extension |
/// | [`Metal`](Backend::Metal) | `metal` | Apple GPUs |
/// | [`Cuda`](Backend::Cuda) | `cuda` | NVIDIA GPUs |
///
/// ```
/// use fibinet_nn::backend::Backend;
///
/// assert_eq!("wgpu".parse(), Ok(Backend::Wgpu));
/// let unknown = "wpgu".parse::<Backend>().unwrap_err();
/// assert!(unknown.to_string().contains("did you mean `wgpu`?"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Burn's fast CPU backend.
    Flex,
    /// Burn's older CPU backend.
    NdArray,
    /// wgpu.
    Wgpu,
    /// wgpu on Vulkan, with the SPIR-V compiler.
    Vulkan,
    /// wgpu on Metal, with the compiler to Metal's language.
    Metal,
    /// CUDA.
    Cuda,
}

/// Why a backend is not available.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// No backend has this name.
    #[error("unknown device `{got}`{suggestion}; known: {known}")]
    Unknown {
        /// The name given.
        got: String,
        /// `, did you mean …?`, or empty.
        suggestion: String,
        /// The names of all backends.
        known: String,
    },
    /// The backend exists, but is not part of this build.
    #[error(
        "device `{0}` is not compiled in: build with `--features {0}` (this build has: {compiled})",
        compiled = Backend::compiled_names()
    )]
    NotCompiledIn(Backend),
    /// A backend of the CPU has one device.
    #[error("`{backend}` runs on the CPU and has no adapters to choose from, got `{got}`")]
    NoAdapters {
        /// The backend.
        backend: Backend,
        /// The name given.
        got: String,
    },
    /// Not a number of an adapter, nor `cpu`.
    #[error("expected the number of an adapter or `cpu` after `{backend}:`, got `{got}`")]
    InvalidAdapter {
        /// The backend.
        backend: Backend,
        /// The name given.
        got: String,
    },
    /// This machine has no such adapter.
    #[error("this machine has no device `{name}`; `{backend}` finds {found}", backend = .name.backend())]
    NoSuchDevice {
        /// The device asked for.
        name: DeviceName,
        /// The names of the backend's devices, or `no adapter`.
        found: String,
    },
    /// The adapter is there, but its driver does not give access to it, or is known to crash.
    #[error("device `{name}` cannot be used: {reason}")]
    Unusable {
        /// The device asked for.
        name: DeviceName,
        /// What the driver said, or that it is known to crash.
        reason: String,
    },
}

impl Backend {
    const ALL: [Self; 6] = [
        Self::Flex,
        Self::NdArray,
        Self::Wgpu,
        Self::Vulkan,
        Self::Metal,
        Self::Cuda,
    ];

    /// The backend's name, which is also that of its Cargo feature.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::NdArray => "ndarray",
            Self::Wgpu => "wgpu",
            Self::Vulkan => "vulkan",
            Self::Metal => "metal",
            Self::Cuda => "cuda",
        }
    }

    /// Whether the backend's feature was on when this crate was built.
    pub const fn is_compiled_in(self) -> bool {
        match self {
            Self::Flex => cfg!(feature = "flex"),
            Self::NdArray => cfg!(feature = "ndarray"),
            Self::Wgpu => cfg!(feature = "wgpu"),
            Self::Vulkan => cfg!(feature = "vulkan"),
            Self::Metal => cfg!(feature = "metal"),
            Self::Cuda => cfg!(feature = "cuda"),
        }
    }

    /// Whether the backend runs on the CPU, as one device.
    pub const fn is_cpu(self) -> bool {
        matches!(self, Self::Flex | Self::NdArray)
    }

    /// The backends of this build, CPU first.
    pub fn compiled() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|b| b.is_compiled_in())
    }

    /// The backends whose features were off when this crate was built.
    pub fn not_compiled() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|b| !b.is_compiled_in())
    }

    /// The first device of this backend, without autodiff (add it with `Device::autodiff`). A GPU is only opened
    /// when it is first used, which panics if there is none; [`DeviceName::open`] returns an error instead.
    ///
    /// # Errors
    ///
    /// [`BackendError::NotCompiledIn`] if the backend's feature is off.
    pub fn device(self) -> Result<Device, BackendError> {
        match self {
            #[cfg(feature = "flex")]
            Self::Flex => Ok(Device::flex()),
            #[cfg(feature = "ndarray")]
            Self::NdArray => {
                #[expect(deprecated, reason = "kept on request until Burn removes it")]
                let device = Device::ndarray();
                Ok(device)
            }
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
            #[cfg(feature = "vulkan")]
            Self::Vulkan => Ok(Device::vulkan(burn::tensor::DeviceKind::DefaultDevice)),
            #[cfg(feature = "metal")]
            Self::Metal => Ok(Device::metal(burn::tensor::DeviceKind::DefaultDevice)),
            #[cfg(feature = "cuda")]
            Self::Cuda => Ok(Device::cuda(0)),
            #[cfg_attr(
                all(
                    feature = "flex",
                    feature = "ndarray",
                    feature = "vulkan",
                    feature = "metal",
                    feature = "cuda"
                ),
                expect(unreachable_patterns, reason = "every backend is compiled in")
            )]
            absent => Err(BackendError::NotCompiledIn(absent)),
        }
    }

    fn compiled_names() -> String {
        let names: Vec<_> = Self::compiled().map(Self::name).collect();
        if names.is_empty() {
            return "none".to_owned();
        }
        names.join(", ")
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Backend {
    type Err = BackendError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let names = Self::ALL.map(Self::name);
        Self::ALL
            .into_iter()
            .find(|backend| backend.name() == name)
            .ok_or_else(|| BackendError::Unknown {
                got: name.to_owned(),
                suggestion: crate::nearest(name, names),
                known: names.join(", "),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_that_is_not_compiled_in_is_an_error_that_names_its_feature() {
        for backend in Backend::not_compiled() {
            let message = backend.device().unwrap_err().to_string();
            assert!(
                message.contains(&format!("--features {backend}")),
                "{message}"
            );
        }
    }

    #[test]
    fn every_name_parses_to_its_backend() {
        for backend in Backend::ALL {
            assert_eq!(backend.name().parse(), Ok(backend));
        }
    }
}
