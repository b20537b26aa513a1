//! How a failure ends the process: one message, one hint and one exit code.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use fibinet::data::{DataError, DataErrorKind, ErrorClass};
use fibinet::model::bundle::BundleError;
use fibinet::nn::ConfigError;
use fibinet::nn::backend::BackendError;
use fibinet::storage::StorageError;
use fibinet::train::TrainError;

use super::commands::BadRowFlags;
use super::output::{note, shell_word};

/// A wrong argument, besides the faults that the libraries find.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// Prints what went wrong and returns the exit code of the process.
pub(crate) fn report(error: &anyhow::Error, bad_row_flags: Option<BadRowFlags>) -> ExitCode {
    if is_closed_pipe(error) {
        return ExitCode::SUCCESS;
    }
    // Each error has its cause either in its message or as its source, so nothing is said twice.
    note(&format!("error: {error:#}"));
    if let Some(hint) = hint(error, bad_row_flags) {
        note(&format!("hint: {hint}"));
    }
    ExitCode::from(match class(error) {
        ErrorClass::Usage => 2,
        ErrorClass::Failure => 1,
    })
}

/// Whether the reader of the output has gone away. It needs no more, so that is not a failure. Only writes
/// fail with a broken pipe.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let system = error.chain().find_map(system_error);
    system.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// What the system said, if that is the cause.
fn system_error<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    if let Some(error) = cause.downcast_ref::<csv::Error>()
        && let csv::ErrorKind::Io(error) = error.kind()
    {
        return Some(error);
    }
    if let Some(StorageError::Io { error, .. }) = storage_error(cause) {
        return Some(error);
    }
    cause.downcast_ref()
}

/// The storage error inside an error of the data, a bundle or a run.
fn storage_error<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a StorageError> {
    if let Some(error) = data_error(cause)
        && let DataErrorKind::Storage(error) = error.kind()
    {
        return Some(error);
    }
    if let Some(BundleError::Storage(error)) = cause.downcast_ref() {
        return Some(error);
    }
    if let Some(TrainError::Bundle(BundleError::Storage(error))) = cause.downcast_ref() {
        return Some(error);
    }
    cause.downcast_ref()
}

/// The data error inside an error of a bundle or a run.
fn data_error<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a DataError> {
    if let Some(BundleError::Data(error)) = cause.downcast_ref() {
        return Some(error);
    }
    if let Some(TrainError::Data(error) | TrainError::Bundle(BundleError::Data(error))) =
        cause.downcast_ref()
    {
        return Some(error);
    }
    cause.downcast_ref()
}

/// The class of the first cause that has one; it decides the exit code.
fn class(error: &anyhow::Error) -> ErrorClass {
    let class = error.chain().find_map(|cause| {
        if let Some(BackendError::Unusable { .. }) = cause.downcast_ref() {
            return Some(ErrorClass::Failure);
        }
        if cause.is::<UsageError>() || cause.is::<BackendError>() || cause.is::<ConfigError>() {
            return Some(ErrorClass::Usage);
        }
        None.or_else(|| cause.downcast_ref().map(TrainError::class))
            .or_else(|| cause.downcast_ref().map(BundleError::class))
            .or_else(|| cause.downcast_ref().map(DataError::class))
            .or_else(|| cause.downcast_ref().and_then(storage_class))
    });
    class.unwrap_or(ErrorClass::Failure)
}

/// The class of a target that was refused.
fn storage_class(error: &StorageError) -> Option<ErrorClass> {
    error.is_refused_target().then_some(ErrorClass::Usage)
}

/// The flag or setting that helps, if there is one. Libraries do not know flags.
fn hint(error: &anyhow::Error, bad_row_flags: Option<BadRowFlags>) -> Option<String> {
    if error.chain().any(|cause| cause.is::<BackendError>()) {
        return Some("`fibinet devices` lists the devices of this machine".to_owned());
    }
    match error.chain().find_map(storage_error) {
        Some(StorageError::Exists { .. }) => {
            return Some("write elsewhere, or replace a bundle with --force".to_owned());
        }
        Some(StorageError::NotReplaceable { .. }) => {
            return Some("--force only replaces bundles".to_owned());
        }
        _ => {}
    }
    let flags = bad_row_flags?;
    let error = error.chain().find_map(data_error)?;
    let skip = format!("`{}` drops malformed rows and counts them", flags.skip);
    let unquoted = format!(
        "if quotes are ordinary characters in this file, {} reads them so",
        flags.unquoted
    );
    let hint = match error.kind() {
        DataErrorKind::Quote { .. }
        | DataErrorKind::OpenQuote { .. }
        | DataErrorKind::LongRow {
            is_quoted: true, ..
        } => {
            return Some(if error.is_bad_row() {
                format!("{unquoted}; {skip}")
            } else {
                unquoted
            });
        }
        DataErrorKind::Label { positive, .. } => format!("{}; {skip}", set_positive(positive)),
        // `--missing` splits its value at commas.
        DataErrorKind::Number { got, .. } if flags.has_missing && got.contains(',') => skip,
        DataErrorKind::Number { got, .. } => {
            format!(
                "{skip}; {} takes such cells as missing",
                missing(got, flags)
            )
        }
        _ => skip,
    };
    error.is_bad_row().then_some(hint)
}

/// What reads labels in another spelling than 0 and 1.
fn set_positive(positive: &Option<String>) -> String {
    let setting = "set `data.positive` to the cell that means a click";
    match positive {
        Some(value) => format!("{setting}, as in positive = {value:?}"),
        None => setting.to_owned(),
    }
}

/// What makes a cell of a field of numbers a missing one.
fn missing(cell: &str, flags: BadRowFlags) -> String {
    if flags.has_missing {
        return format!("`--missing {}`", shell_word(cell));
    }
    let cell = toml_edit::Value::from(cell);
    format!("`missing = [{cell}]` in the field's section of the run file")
}
