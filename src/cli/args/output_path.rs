use std::path::Path;

use fibinet::data::formats::address;

use crate::cli::failure::UsageError;

/// Refuses an address, such as `s3://bucket/scores.csv`, as a file or directory to write, unless its directory is one of
/// this machine.
pub(crate) fn refuse_remote(output: &Path) -> Result<(), UsageError> {
    match address(output) {
        Some(address) if !output.parent().is_some_and(Path::is_dir) => Err(UsageError(format!(
            "{address}: only files of this machine are written; write to one and copy it there, or mount that \
             place as a directory"
        ))),
        _ => Ok(()),
    }
}
