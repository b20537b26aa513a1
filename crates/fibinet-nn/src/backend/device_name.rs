use core::fmt;
use core::str::FromStr;

use burn::tensor::Device;

use super::{AdapterKind, Backend, BackendError, adapters};

/// A device by name: `BACKEND`, `BACKEND:NUMBER` or `BACKEND:cpu`.
///
/// | name | device |
/// |---|---|
/// | `flex`, `ndarray` | the CPU |
/// | `vulkan` | the adapter that the system ranks first, or the one in `CUBECL_WGPU_DEFAULT_DEVICE` |
/// | `vulkan:1` | adapter 1 of those that [`devices`](super::devices) lists |
/// | `wgpu:cpu` | the adapter that runs on the CPU, such as Mesa's lavapipe |
///
/// The other GPU backends take them in the same way. Each backend numbers its adapters from 0: discrete
/// GPUs first, then integrated and virtual ones, then adapters on the CPU.
///
/// ```
/// use fibinet_nn::backend::{Backend, DeviceName};
///
/// let name: DeviceName = "vulkan:1".parse()?;
/// assert_eq!(name.backend(), Backend::Vulkan);
/// assert_eq!(name.to_string(), "vulkan:1");
/// # Ok::<(), fibinet_nn::backend::BackendError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceName {
    backend: Backend,
    adapter: Adapter,
}

/// Which of a backend's adapters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Adapter {
    Default,
    Number(usize),
    Software,
}

impl DeviceName {
    /// The device of an adapter by its number.
    pub(super) fn numbered(backend: Backend, number: usize) -> Self {
        let adapter = Adapter::Number(number);
        Self { backend, adapter }
    }

    /// The backend.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The device, without autodiff, ready to be used.
    ///
    /// # Errors
    ///
    /// [`BackendError::NotCompiledIn`] if the backend's feature is off, [`BackendError::NoSuchDevice`] if this
    /// machine has no such adapter, and [`BackendError::Unusable`] if its driver does not work or is known to crash.
    pub fn open(self) -> Result<Device, BackendError> {
        let default = self.backend.device()?;
        if self.backend.is_cpu() {
            return Ok(default);
        }
        let found = adapters::adapters(self.backend);
        let device = match self.adapter {
            Adapter::Default => found.first().map(|_| default),
            Adapter::Number(number) => found.get(number).cloned(),
            Adapter::Software => software(&found).map(|number| found[number].clone()),
        };
        let device = device.ok_or_else(|| BackendError::NoSuchDevice {
            name: self,
            found: self.names(found.len()),
        })?;
        match adapters::open(&device) {
            Ok(_) => Ok(device),
            Err(reason) => Err(BackendError::Unusable { name: self, reason }),
        }
    }

    /// The name under which [`devices`](super::devices) lists this device: `vulkan:0` rather than `vulkan` or
    /// `vulkan:cpu`. The name itself if there is no such device.
    #[must_use]
    pub fn listed(self) -> Self {
        let found = adapters::adapters(self.backend);
        let number = match self.adapter {
            Adapter::Default => {
                let device = self.backend.device().ok();
                device.and_then(|device| adapters::position(&device, &found))
            }
            Adapter::Number(number) => Some(number),
            Adapter::Software => software(&found),
        };
        number.map_or(self, |number| Self::numbered(self.backend, number))
    }

    /// The names of the first devices of this backend, in words.
    fn names(&self, number: usize) -> String {
        if number == 0 {
            return "no adapter".to_owned();
        }
        let names = (0..number).map(|number| format!("`{}`", Self::numbered(self.backend, number)));
        names.collect::<Vec<_>>().join(", ")
    }
}

/// The number of the adapter that runs on the CPU.
fn software(adapters: &[Device]) -> Option<usize> {
    let mut kinds = adapters.iter().map(adapters::kind);
    kinds.position(|kind| kind == AdapterKind::Software)
}

impl From<Backend> for DeviceName {
    /// The default device of a backend.
    fn from(backend: Backend) -> Self {
        let adapter = Adapter::Default;
        Self { backend, adapter }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backend = self.backend;
        match self.adapter {
            Adapter::Default => write!(f, "{backend}"),
            Adapter::Number(number) => write!(f, "{backend}:{number}"),
            Adapter::Software => write!(f, "{backend}:cpu"),
        }
    }
}

impl FromStr for DeviceName {
    type Err = BackendError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let Some((backend, adapter)) = name.split_once(':') else {
            return Ok(name.parse::<Backend>()?.into());
        };
        let backend: Backend = backend.parse()?;
        let got = || name.to_owned();
        if backend.is_cpu() {
            return Err(BackendError::NoAdapters {
                backend,
                got: got(),
            });
        }
        let adapter = match adapter {
            "cpu" => Adapter::Software,
            number if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                let number = number.parse();
                Adapter::Number(number.map_err(|_| BackendError::InvalidAdapter {
                    backend,
                    got: got(),
                })?)
            }
            _ => {
                return Err(BackendError::InvalidAdapter {
                    backend,
                    got: got(),
                });
            }
        };
        Ok(Self { backend, adapter })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn message(name: &str) -> String {
        name.parse::<DeviceName>().unwrap_err().to_string()
    }

    #[test]
    fn names_are_read_and_written() {
        for name in [
            "flex",
            "ndarray",
            "wgpu",
            "wgpu:0",
            "vulkan:cpu",
            "metal:1",
            "cuda:12",
        ] {
            let device: DeviceName = name.parse().expect(name);
            assert_eq!(device.to_string(), name);
        }
    }

    #[test]
    fn a_backend_alone_is_its_default_device() {
        assert_eq!("vulkan".parse(), Ok(DeviceName::from(Backend::Vulkan)));
    }

    #[test]
    fn an_unknown_backend_gets_the_nearest_name_with_and_without_a_number() {
        for name in ["vulcan", "vulcan:1"] {
            assert!(message(name).contains("did you mean `vulkan`?"), "{name}");
        }
    }

    #[test]
    fn the_cpu_has_no_adapters() {
        let says = "`flex` runs on the CPU and has no adapters to choose from, got `flex:0`";
        assert_eq!(message("flex:0"), says);
        assert!(message("ndarray:cpu").contains("`ndarray` runs on the CPU"));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for name in [
            "wgpu:",
            "wgpu:-1",
            "wgpu:+1",
            "wgpu:1:2",
            "wgpu:99999999999999999999",
        ] {
            let says = format!("the number of an adapter or `cpu` after `wgpu:`, got `{name}`");
            assert!(message(name).contains(&says), "{}", message(name));
        }
    }

    #[test]
    fn a_device_of_the_cpu_opens() {
        for backend in Backend::compiled().filter(|backend| backend.is_cpu()) {
            let device = DeviceName::from(backend).open();
            assert_eq!(device, backend.device());
        }
    }

    #[test]
    fn a_number_that_no_adapter_has_is_an_error() {
        for backend in Backend::compiled().filter(|backend| !backend.is_cpu()) {
            let name = DeviceName::numbered(backend, 99);
            let message = name.open().unwrap_err().to_string();
            let says = format!("this machine has no device `{backend}:99`; `{backend}` finds ");
            assert!(message.starts_with(&says), "{message}");
        }
    }

    #[test]
    fn a_default_device_is_listed_by_its_number_unless_it_is_the_cpu() {
        for backend in Backend::compiled() {
            let name = DeviceName::from(backend);
            let listed = name.listed();
            assert_eq!(listed, listed.listed());
            let numbered = !adapters::adapters(backend).is_empty();
            assert_eq!(listed != name, numbered, "{name} is {listed}");
        }
    }

    #[test]
    fn a_backend_that_is_not_compiled_in_names_its_feature() {
        for backend in Backend::not_compiled() {
            let error = DeviceName::from(backend).open().unwrap_err();
            assert_eq!(error, BackendError::NotCompiledIn(backend));
        }
    }
}
