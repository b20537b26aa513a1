//! The adapters of a build without GPU backends: none.

use burn::tensor::Device;

use super::{AdapterInfo, AdapterKind, Backend};

/// Keeps what GPUs need at first use for later processes. In this build there is nothing to keep.
pub fn keep_compiled_kernels() {}

pub(super) fn adapters(_: Backend) -> Vec<Device> {
    Vec::new()
}

pub(super) fn kind(_: &Device) -> AdapterKind {
    AdapterKind::Other
}

pub(super) fn position(_: &Device, _: &[Device]) -> Option<usize> {
    None
}

pub(super) fn open(_: &Device) -> Result<AdapterInfo, String> {
    Err("no GPU backend is compiled in".to_owned())
}
