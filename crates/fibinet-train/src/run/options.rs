use std::path::Path;

use burn::tensor::Device;

/// Where and how a run runs.
#[derive(Debug, Clone)]
pub struct RunOptions<'a> {
    /// The directory that the bundle becomes.
    pub out: &'a Path,
    /// Whether a bundle that is already there is replaced.
    pub force: bool,
    /// The device of the head.
    pub device: &'a Device,
    /// A bundle to start from: its encoder, its head, and the table rows of its tokens.
    pub warm_start: Option<&'a Path>,
    /// The directory that keeps encoded rows for later runs; `None` removes them when the run ends.
    pub cache: Option<&'a Path>,
}
