use std::path::Path;

use crate::error::{DataError, DataErrorKind};

/// Refuses a path that is an address, such as `s3://bucket/log.csv`, unless there is such a file.
///
/// # Errors
///
/// [`DataErrorKind::Remote`], with what to do.
pub fn refuse_address(path: &Path) -> Result<(), DataError> {
    match address(path) {
        Some(address) if !path.exists() => {
            let address = address.to_owned();
            Err(DataErrorKind::Remote { address }.into())
        }
        _ => Ok(()),
    }
}

/// The address in a path, such as `s3://bucket/log.csv`. A run file's directory may stand before it.
pub fn address(path: &Path) -> Option<&str> {
    let text = path.to_str()?;
    let end = text.find("://")?;
    let start = text[..end].rfind('/').map_or(0, |slash| slash + 1);
    let scheme = &text[start..end];
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_scheme.then(|| &text[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_from_a_path() {
        for (path, expected) in [
            ("s3://bucket/log.csv", Some("s3://bucket/log.csv")),
            ("runs/gs://bucket/log.csv", Some("gs://bucket/log.csv")),
            ("/data/https://host/log.csv", Some("https://host/log.csv")),
            ("a//b.csv", None),
            ("C://logs/a.csv", None),
            ("day 1://a.csv", None),
            ("log.csv", None),
        ] {
            assert_eq!(address(Path::new(path)), expected);
        }
    }

    #[test]
    fn a_file_whose_path_looks_like_an_address_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s3://log.csv");
        assert!(refuse_address(&path).is_err());
        std::fs::create_dir(directory.path().join("s3:")).unwrap();
        std::fs::write(&path, "").unwrap();
        assert!(refuse_address(&path).is_ok());
    }
}
