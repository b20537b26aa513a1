use std::env;
use std::ffi::OsStr;

use anyhow::Result;
use burn::tensor::Device;
use clap::builder::{EnumValueParser, PossibleValue, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Args, Command, ValueEnum};
use fibinet::nn::backend::{Backend, DeviceName, keep_compiled_kernels};

use crate::cli::failure::UsageError;

/// `--device`
#[derive(Debug, Args)]
pub(crate) struct DeviceArgs {
    /// Device to compute on: a backend that this program was built with, and on GPUs the number of
    /// an adapter, as in `vulkan:1`, or `cpu`, for a driver that runs on the CPU. `fibinet devices`
    /// lists them. By default the one in the environment variable BURN_DEVICE, else the first.
    #[arg(long, value_name = "BACKEND[:ADAPTER]", value_parser = DeviceParser)]
    device: Option<DeviceName>,
}

impl DeviceArgs {
    /// The device that the flag or the environment names, else the first one compiled in.
    pub(crate) fn select(&self) -> Result<Device> {
        match self.device {
            Some(name) => open(name),
            None => Self::from_environment(),
        }
    }

    /// The device that the environment names, else the first one compiled in.
    pub(crate) fn from_environment() -> Result<Device> {
        open(Self::default_name()?)
    }

    /// The name of that device.
    pub(crate) fn default_name() -> Result<DeviceName> {
        if let Ok(name) = env::var("BURN_DEVICE") {
            return Ok(name.parse()?);
        }
        let first = Backend::compiled().next().ok_or_else(|| {
            UsageError("no backend is compiled in: build with `--features flex`".to_owned())
        })?;
        Ok(first.into())
    }
}

fn open(name: DeviceName) -> Result<Device> {
    keep_compiled_kernels();
    Ok(name.open()?)
}

/// The backends of `--device`, which help and completions list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BackendName {
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

/// Parses `--device`.
#[derive(Debug, Clone)]
struct DeviceParser;

impl TypedValueParser for DeviceParser {
    type Value = DeviceName;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<DeviceName, clap::Error> {
        let name = value.to_string_lossy();
        // An unknown backend is clap's error, with the nearest one.
        let backend = name.split(':').next().unwrap_or_default();
        backends().parse_ref(command, arg, OsStr::new(backend))?;
        name.parse::<DeviceName>().map_err(|error| {
            let message = format!("{error}\n");
            clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let values = BackendName::value_variants().iter();
        Some(Box::new(values.filter_map(ValueEnum::to_possible_value)))
    }
}

fn backends() -> EnumValueParser<BackendName> {
    EnumValueParser::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_backend_is_listed_by_its_name() {
        let names = BackendName::value_variants().iter();
        let listed = names.map(|name| name.to_possible_value().expect("no backend is hidden"));
        let listed: Vec<String> = listed.map(|value| value.get_name().to_owned()).collect();
        let known = Backend::compiled().chain(Backend::not_compiled());
        let mut known: Vec<&str> = known.map(Backend::name).collect();
        known.sort_by_key(|name| listed.iter().position(|listed| listed == name));
        assert_eq!(listed, known);
    }
}
