use std::path::Path;

use crate::cli::failure::UsageError;

/// Whether a path is `-`, which stands for standard input or output.
pub(crate) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Refuses `-` as an argument that must be a file.
pub(crate) fn refuse_standard(argument: &str, path: &Path) -> Result<(), UsageError> {
    if is_standard(path) {
        return Err(UsageError(format!(
            "{argument} must be a file; `-`, standard input, can only be the --data of `predict` and \
             `evaluate`, which read it once (a file of this name is `./-`)"
        )));
    }
    Ok(())
}
