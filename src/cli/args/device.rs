use std::env;

use anyhow::Result;
use burn::tensor::Device;
use fibinet::nn::Backend;

use crate::cli::UsageError;

/// The device named by `--device`, else by `BURN_DEVICE`, else the first backend compiled in.
pub(crate) fn select(name: Option<&str>) -> Result<Device> {
    let from_environment = env::var("BURN_DEVICE").ok();
    let backend = match name.or(from_environment.as_deref()) {
        Some(name) => name.parse()?,
        None => Backend::compiled().next().ok_or_else(|| {
            UsageError("no backend is compiled in: build with --features flex".to_owned())
        })?,
    };
    Ok(backend.device()?)
}
