//! The adapters behind GPU backends: how they are found, numbered, opened and described.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{UnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::{Mutex, PoisonError};

use burn::backend::DispatchDevice;
use burn::tensor::{Device, DeviceType};
use cubecl::client::Client;
use cubecl::config::cache::CacheConfig;
use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
use cubecl::device::WgpuDeviceKind;
use cubecl::ir::DeviceIdentity;
use cubecl::ir::features::MmaConfig;
use cubecl::records::RecordLevel;

use super::{AdapterInfo, AdapterKind, AdapterLimits, Backend, MatrixUnit};

/// Keeps what GPUs need at first use for later processes, in the user's cache directory (`$XDG_CACHE_HOME/cubecl` or
/// `~/.cache/cubecl`): the kernels that tuning chose, and those compiled to SPIR-V or PTX.
///
/// Without this call Burn keeps the former alone, inside a Cargo project in its `target`. A file `cubecl.toml` in the
/// current directory or above it may name another directory; what else it says about the cache does not count. If the
/// directory cannot be written, kernels are tuned and compiled again.
///
/// The configuration is one per process: a program calls this before it uses a device. If the configuration has been
/// read by then, nothing changes.
pub fn keep_compiled_kernels() {
    let mut config = CubeClRuntimeConfig::from_current_dir();
    config.compilation.cache = true;
    if matches!(config.environment.path, CacheConfig::Target) {
        config.environment.path = CacheConfig::Global;
    }
    // A record of how the cache was built, which grows with every process that adds to it.
    if config.environment.records.level == RecordLevel::Basic {
        config.environment.records.level = RecordLevel::Off;
    }
    CubeClRuntimeConfig::try_set(config.override_from_env());
}

/// The devices of a backend, in the order of their numbers. None is opened.
pub(super) fn adapters(backend: Backend) -> Vec<Device> {
    let filter = match backend {
        #[cfg(feature = "wgpu")]
        Backend::Wgpu => DeviceType::Wgpu,
        #[cfg(feature = "vulkan")]
        Backend::Vulkan => DeviceType::Vulkan,
        #[cfg(feature = "metal")]
        Backend::Metal => DeviceType::Metal,
        #[cfg(feature = "cuda")]
        Backend::Cuda => DeviceType::Cuda,
        _ => return Vec::new(),
    };
    let mut devices = Device::enumerate(filter).into_vec();
    devices.sort_by_key(kind);
    devices
}

/// What an adapter is.
pub(super) fn kind(device: &Device) -> AdapterKind {
    let DispatchDevice::Cube(device) = device.as_dispatch() else {
        return AdapterKind::Other;
    };
    match device {
        cubecl::Device::Wgpu(device) => match device.kind {
            WgpuDeviceKind::DiscreteGpu(_) => AdapterKind::Discrete,
            WgpuDeviceKind::IntegratedGpu(_) => AdapterKind::Integrated,
            WgpuDeviceKind::VirtualGpu(_) => AdapterKind::Virtual,
            WgpuDeviceKind::Cpu => AdapterKind::Software,
            _ => AdapterKind::Other,
        },
        cubecl::Device::Cuda(_) => AdapterKind::Discrete,
        _ => AdapterKind::Other,
    }
}

/// The index of the adapter behind a device, which need not be one of `adapters`: a backend's default device is one
/// of them under another name. They are opened if there is a choice.
pub(super) fn position(device: &Device, adapters: &[Device]) -> Option<usize> {
    if adapters.len() < 2 {
        return (!adapters.is_empty()).then_some(0);
    }
    let same = adapters.iter().position(|adapter| adapter == device);
    same.or_else(|| {
        let wanted = identity(device)?;
        let mut identities = adapters.iter().map(identity);
        identities.position(|identity| identity.as_ref() == Some(&wanted))
    })
}

fn identity(device: &Device) -> Option<DeviceIdentity> {
    let (client, _) = client(device).ok()?;
    Some(client.properties().identity.clone())
}

/// Opens a device and describes it, or returns why it cannot be used.
pub(super) fn open(device: &Device) -> Result<AdapterInfo, String> {
    let (client, driver) = client(device)?;
    let info = describe(&client, driver);
    if crashes(&info.adapter, &info.compiler) {
        return Err(format!(
            "{} crashes on the SPIR-V that CubeCL compiles kernels to; a build with the feature `wgpu`, but not \
             `vulkan`, runs on it",
            info.adapter
        ));
    }
    Ok(info)
}

/// Whether an adapter ends the process with a segmentation fault when it is given a kernel: Mesa's lavapipe, where
/// CubeCL compiles to SPIR-V (seen with CubeCL 0.11.3 and Mesa 22.3.6 and 25.0.7, with Burn's own kernels too).
fn crashes(adapter: &str, compiler: &str) -> bool {
    compiler == "spirv" && adapter.starts_with("llvmpipe")
}

/// Opens a device. Its driver's name is `None` if it was open already.
fn client(device: &Device) -> Result<(Client, Option<String>), String> {
    let DispatchDevice::Cube(device) = device.as_dispatch() else {
        return Err("not a device of a GPU backend".to_owned());
    };
    let driver = driver(device)?;
    let client = match device {
        cubecl::Device::Cuda(_) => caught(|| device.client())?,
        _ => device.client(),
    };
    Ok((client, driver))
}

/// Runs what panics if the driver does not work, as CUDA's calls do, and returns the panic's message. Nothing is
/// printed meanwhile, nor are the panics of other threads. One call at a time changes the process's hook.
fn caught<R>(open: impl FnOnce() -> R + UnwindSafe) -> Result<R, String> {
    static HOOK: Mutex<()> = Mutex::new(());
    let _one_at_a_time = HOOK.lock().unwrap_or_else(PoisonError::into_inner);
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let opened = catch_unwind(open);
    set_hook(hook);
    opened.map_err(|panic| panic_message(&*panic))
}

/// Opens a device of wgpu. Its driver, unless it was open already.
#[cfg(feature = "wgpu")]
fn driver(device: &cubecl::Device) -> Result<Option<String>, String> {
    use burn::backend::wgpu::graphics::AutoGraphicsApi;
    use burn::backend::wgpu::{RuntimeOptions, WgpuInitError, try_init_setup};

    let cubecl::Device::Wgpu(device) = device else {
        return Ok(None);
    };
    match try_init_setup::<AutoGraphicsApi>(device, RuntimeOptions::default()) {
        Ok(setup) => {
            let info = setup.adapter.get_info();
            let driver = format!("{} {}", info.driver, info.driver_info);
            let driver = driver.trim();
            Ok((!driver.is_empty()).then(|| driver.to_owned()))
        }
        Err(WgpuInitError::Registration { .. }) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(not(feature = "wgpu"))]
fn driver(_: &cubecl::Device) -> Result<Option<String>, String> {
    Ok(None)
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("the driver failed").to_owned()
}

fn describe(client: &Client, driver: Option<String>) -> AdapterInfo {
    let properties = client.properties();
    let (hardware, memory) = (&properties.hardware, &properties.memory);
    let matmul = &properties.features.matmul;
    // `wgpu<spirv>`, `cuda`
    let name = client.name();
    let compiler = name.split_once('<').map_or(name, |(_, compiler)| compiler);
    let units = |interface, configs: &BTreeSet<MmaConfig>| -> Vec<MatrixUnit> {
        let unit = |config| matrix_unit(interface, config);
        configs.iter().map(unit).collect()
    };
    AdapterInfo {
        adapter: properties.identity.name.clone(),
        driver,
        compiler: compiler.trim_end_matches('>').to_owned(),
        memory_bytes: memory.max_memory(),
        limits: AdapterLimits {
            binding_bytes: memory.max_page_size,
            bindings: hardware.max_bindings,
            workgroups: hardware.max_cube_count.into(),
            workgroup_threads: hardware.max_units_per_cube,
            workgroup_memory_bytes: hardware.max_shared_memory_size,
            plane_sizes: [hardware.plane_size_min, hardware.plane_size_max],
        },
        matrix_units: [units("cmma", &matmul.cmma), units("mma", &matmul.mma)].concat(),
    }
}

fn matrix_unit(interface: &'static str, config: &MmaConfig) -> MatrixUnit {
    MatrixUnit {
        interface,
        left: config.a_type.to_string(),
        right: config.b_type.to_string(),
        sum: config.cd_type.to_string(),
        shape: [config.m, config.n, config.k],
    }
}

#[cfg(test)]
mod tests {
    use super::{caught, crashes};

    #[test]
    fn lavapipe_is_refused_where_cubecl_compiles_to_spirv() {
        let lavapipe = "llvmpipe (LLVM 15.0.6, 256 bits)";
        assert!(crashes(lavapipe, "spirv"));
        assert!(!crashes(lavapipe, "wgsl"));
        assert!(!crashes("NVIDIA H100", "spirv"));
    }

    #[test]
    fn a_panic_of_a_driver_is_its_message() {
        assert_eq!(caught(|| 7), Ok(7));
        assert_eq!(
            caught(|| panic!("no driver")),
            Err::<(), _>("no driver".to_owned())
        );
    }
}
