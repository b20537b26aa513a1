use std::env;

use anyhow::Result;
use burn::tensor::Device;
use clap::{Args, ValueEnum};
use fibinet::nn::backend::Backend;

use crate::cli::failure::UsageError;

/// `--device`
#[derive(Debug, Args)]
pub(crate) struct DeviceArgs {
    /// Backend to compute on, one that this program was built with; by default the one in the
    /// environment variable BURN_DEVICE, else the first.
    #[arg(long, value_enum)]
    device: Option<DeviceName>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DeviceName {
    /// CPU, with Burn's fast backend.
    Flex,
    /// CPU, with Burn's older backend.
    #[value(name = "ndarray")]
    NdArray,
    /// GPU through Vulkan, Metal or DirectX.
    Wgpu,
    /// GPU through Vulkan, with shaders compiled to SPIR-V.
    Vulkan,
    /// Apple GPU.
    Metal,
    /// NVIDIA GPU.
    Cuda,
}

impl From<DeviceName> for Backend {
    fn from(name: DeviceName) -> Self {
        match name {
            DeviceName::Flex => Self::Flex,
            DeviceName::NdArray => Self::NdArray,
            DeviceName::Wgpu => Self::Wgpu,
            DeviceName::Vulkan => Self::Vulkan,
            DeviceName::Metal => Self::Metal,
            DeviceName::Cuda => Self::Cuda,
        }
    }
}

impl DeviceArgs {
    /// The device that the flag or the environment names, else the first one compiled in.
    pub(crate) fn select(&self) -> Result<Device> {
        match self.device {
            Some(name) => Ok(Backend::from(name).device()?),
            None => Self::from_environment(),
        }
    }

    /// The device that the environment names, else the first one compiled in.
    pub(crate) fn from_environment() -> Result<Device> {
        let backend = match env::var("BURN_DEVICE") {
            Ok(name) => name.parse::<Backend>()?,
            Err(_) => Backend::compiled().next().ok_or_else(|| {
                UsageError("no backend is compiled in: build with `--features flex`".to_owned())
            })?,
        };
        Ok(backend.device()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_device_has_the_name_of_its_backend() {
        for name in DeviceName::value_variants() {
            let value = name.to_possible_value().expect("no device is hidden");
            assert_eq!(value.get_name(), Backend::from(*name).name());
        }
    }
}
