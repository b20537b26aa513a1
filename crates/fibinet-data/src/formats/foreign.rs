use std::path::Path;

use crate::error::{DataError, conversion};

/// How files begin that are not text and cannot be read, what they are, and the way out.
const FOREIGN: [(&[u8], &str, &str); 10] = [
    (b"PK\x03\x04", "a zip archive or a workbook (.xlsx)", UNPACK),
    (b"PK\x05\x06", "a zip archive", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"BZh91AY&SY", "compressed by bzip2", RECOMPRESS),
    (b"\xfd7zXZ\0", "compressed by xz", RECOMPRESS),
    (b"\x04\x22\x4d\x18", "compressed by LZ4", RECOMPRESS),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "a workbook (.xls)",
        EXPORT,
    ),
    (b"ARROW1\0\0", "an Arrow or Feather file", EXPORT),
    (b"Obj\x01", "an Avro file", EXPORT),
    (b"SQLite format 3\0", "a SQLite database", EXPORT),
];
const UNPACK: &str = "unpack it, or save the sheet as CSV";
const RECOMPRESS: &str = "decompress it, or compress it by gzip or Zstandard";
const EXPORT: &str = "export it as CSV or Parquet";
/// Where a tar archive says that it is one.
const TAR: usize = 257;

/// The number of bytes that [`check`] looks at.
pub(crate) const START: usize = 512;

/// Refuses a file that is not text in UTF-8 by its first bytes.
///
/// # Errors
///
/// What the file is, and what to do.
pub(crate) fn check(path: &Path, start: &[u8]) -> Result<(), DataError> {
    let refuse = |reason: String| Err(DataError::corrupt(path, reason));
    for (begin, what, way_out) in FOREIGN {
        if start.starts_with(begin) {
            return refuse(format!(
                "the file is {what}, which cannot be read; {way_out}"
            ));
        }
    }
    if start
        .get(TAR..)
        .is_some_and(|rest| rest.starts_with(b"ustar"))
    {
        return refuse("the file is a tar archive, which cannot be read; unpack it".to_owned());
    }
    if let Some(name) = wide_encoding(start) {
        return refuse(format!(
            "the header is not UTF-8 but {name}; convert the file: {}",
            conversion(name)
        ));
    }
    Ok(())
}

/// The encoding of a text whose characters take two bytes or more: by its byte order mark, or because
/// every other byte of its first characters is zero.
fn wide_encoding(start: &[u8]) -> Option<&'static str> {
    match start {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        [1..=255, 0, 1..=255, 0, ..] => Some("UTF-16LE"),
        [0, 1..=255, 0, 1..=255, ..] => Some("UTF-16BE"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_text_is_refused_with_the_way_out() {
        let tar = [vec![b'a'; TAR], b"ustar\0".to_vec()].concat();
        for (start, says) in [
            (&b"PK\x03\x04\x14"[..], "a zip archive"),
            (b"\xff\xfey\0,\0", "iconv -f UTF-16 -t UTF-8"),
            (b"y\0,\0a\0", "iconv -f UTF-16LE"),
            (b"\0y\0,\0a", "iconv -f UTF-16BE"),
            (&tar, "a tar archive"),
        ] {
            let error = check(Path::new("log.csv"), start).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn text_is_not_refused() {
        for start in [
            &b""[..],
            b"y",
            b"\xef\xbb\xbfy,a",
            b"PK,BZh9,Obj\n",
            b"y\x01a\x01b",
            b"1\x00a\n0\x00b\n",
        ] {
            assert!(check(Path::new("log.csv"), start).is_ok(), "{start:?}");
        }
    }
}
