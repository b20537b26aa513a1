use burn::tensor::DType;
use serde::Serialize;

use super::{AdapterInfo, AdapterKind, Backend, DeviceName, adapters, has_kernels};

/// A device of this machine that this build can use, or why it cannot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceInfo {
    /// The name of the device, as [`DeviceName`] reads it.
    pub name: String,
    /// The name of its backend.
    pub backend: &'static str,
    /// What it is; the field `kind` tells one from another.
    #[serde(flatten)]
    pub hardware: Hardware,
}

/// What is behind a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Hardware {
    /// The CPU.
    Cpu(CpuInfo),
    /// An adapter of a GPU backend.
    Adapter {
        /// What the adapter is.
        kind: AdapterKind,
        /// Whether layers run fibinet's kernels on it, in f32.
        kernels: bool,
        /// What the adapter says of itself.
        #[serde(flatten)]
        info: AdapterInfo,
    },
    /// A device that cannot be used.
    Unusable {
        /// What its driver says, or that it is known to crash.
        error: String,
    },
}

/// The CPU, as a backend sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CpuInfo {
    /// `cpu`
    pub kind: &'static str,
    /// Whether layers run fibinet's kernels on it, in f32.
    pub kernels: bool,
    /// Threads of the pool that the kernels run in.
    pub threads: usize,
    /// The vector instructions that kernels are compiled for and this CPU has: `avx512`, `avx2`, `neon` or `none`.
    pub simd: &'static str,
}

/// The devices of this machine that this build can use, backend by backend.
///
/// Every adapter is opened. One whose driver does not work, and a backend that finds no adapter, have an entry that
/// says so.
pub fn devices() -> Vec<DeviceInfo> {
    Backend::compiled().flat_map(devices_of).collect()
}

fn devices_of(backend: Backend) -> Vec<DeviceInfo> {
    let entry = |name: DeviceName, hardware| DeviceInfo {
        name: name.to_string(),
        backend: backend.name(),
        hardware,
    };
    if backend.is_cpu() {
        return vec![entry(backend.into(), Hardware::Cpu(cpu_info(backend)))];
    }
    let adapters = adapters::adapters(backend);
    if adapters.is_empty() {
        let error = "no adapter found".to_owned();
        return vec![entry(backend.into(), Hardware::Unusable { error })];
    }
    let numbered = adapters.iter().enumerate().map(|(number, device)| {
        let hardware = match adapters::open(device) {
            Ok(info) => Hardware::Adapter {
                kind: adapters::kind(device),
                kernels: has_kernels(device, DType::F32),
                info,
            },
            Err(error) => Hardware::Unusable { error },
        };
        entry(DeviceName::numbered(backend, number), hardware)
    });
    numbered.collect()
}

fn cpu_info(backend: Backend) -> CpuInfo {
    let device = backend.device();
    CpuInfo {
        kind: "cpu",
        kernels: device.is_ok_and(|device| has_kernels(&device, DType::F32)),
        threads: threads(),
        simd: simd(),
    }
}

#[cfg(feature = "flex")]
fn threads() -> usize {
    rayon::current_num_threads()
}

#[cfg(not(feature = "flex"))]
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The level that `pulp` chooses.
fn simd() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512cd")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        if avx512 {
            return "avx512";
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return "avx2";
        }
    }
    if cfg!(target_arch = "aarch64") {
        "neon"
    } else {
        "none"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_backend_has_an_entry() {
        let devices = devices();
        for backend in Backend::compiled() {
            let entries = devices.iter().filter(|info| info.backend == backend.name());
            assert!(entries.count() > 0, "{backend}: {devices:?}");
        }
    }

    #[test]
    fn names_of_entries_are_names_of_devices() {
        for info in devices() {
            let name: DeviceName = info.name.parse().expect("a name");
            assert_eq!(name.backend().name(), info.backend);
            let opened = name.open();
            let usable = !matches!(info.hardware, Hardware::Unusable { .. });
            assert_eq!(opened.is_ok(), usable, "{info:?}: {opened:?}");
        }
    }

    #[test]
    fn kernels_run_on_flex_alone_of_the_cpu_backends() {
        for info in devices() {
            if let Hardware::Cpu(cpu) = &info.hardware {
                assert_eq!(cpu.kernels, info.backend == "flex", "{info:?}");
                assert!(cpu.threads > 0, "{info:?}");
            }
        }
    }
}
