use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use crate::error::DataError;

const BUFFER: usize = 1 << 18;

/// What a file of rows is, told by its first bytes, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// Text as it is.
    Text,
    /// Text, compressed by gzip, in one member or several.
    Gzip,
    /// Text, compressed by Zstandard, in one frame or several.
    Zstd,
    /// Parquet.
    Parquet,
}

/// Opens a file and looks at its first bytes.
///
/// # Errors
///
/// Where it cannot be opened or read, or is a directory.
pub(crate) fn open(path: &Path) -> Result<(FileKind, BufReader<File>), DataError> {
    let file = File::open(path).map_err(DataError::io(path))?;
    if file.metadata().map_err(DataError::io(path))?.is_dir() {
        return Err(DataError::io(path)(io::ErrorKind::IsADirectory.into()));
    }
    let mut reader = BufReader::with_capacity(BUFFER, file);
    let start = reader.fill_buf().map_err(DataError::io(path))?;
    let kind = match start {
        [0x1f, 0x8b, ..] => FileKind::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => FileKind::Zstd,
        [b'P', b'A', b'R', b'1', ..] => FileKind::Parquet,
        _ => FileKind::Text,
    };
    Ok((kind, reader))
}

/// The text of a file that is not Parquet, decompressed as it is read.
///
/// # Errors
///
/// Where the decompressor cannot be set up.
pub(crate) fn text(kind: FileKind, reader: BufReader<File>) -> io::Result<Box<dyn Read + Send>> {
    Ok(match kind {
        FileKind::Text | FileKind::Parquet => Box::new(reader),
        FileKind::Gzip => Box::new(Compressed(flate2::bufread::MultiGzDecoder::new(reader))),
        FileKind::Zstd => Box::new(Compressed(zstd::Decoder::with_buffer(reader)?)),
    })
}

/// A decompressor whose early end says so.
struct Compressed<R>(R);

impl<R: Read> Read for Compressed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                io::Error::new(error.kind(), "the compressed data ends before its end mark")
            }
            _ => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read(bytes: &[u8]) -> io::Result<String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows");
        std::fs::write(&path, bytes).unwrap();
        let (kind, reader) = open(&path).unwrap();
        let mut read = String::new();
        text(kind, reader)?.read_to_string(&mut read)?;
        Ok(read)
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn compressed_text_is_told_by_its_first_bytes_and_read_to_the_end() {
        let rows = "y,a\n1,x\n".repeat(1000);
        assert_eq!(read(rows.as_bytes()).unwrap(), rows);
        assert_eq!(read(&gzip(&rows)).unwrap(), rows);
        // As `cat a.gz b.gz` makes them.
        let two = [gzip("y,a\n"), gzip("1,x\n")].concat();
        assert_eq!(read(&two).unwrap(), "y,a\n1,x\n");
        let frame = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
        assert_eq!(
            read(&[frame("y,a\n"), frame("1,x\n")].concat()).unwrap(),
            "y,a\n1,x\n"
        );
        assert_eq!(read(b"").unwrap(), "");
    }

    #[test]
    fn truncated_data_is_an_error() {
        let rows: String = (0..5000_u32)
            .map(|i| format!("{},{}\n", i % 2, i * 7919))
            .collect();
        for whole in [gzip(&rows), zstd::encode_all(rows.as_bytes(), 1).unwrap()] {
            let error = read(&whole[..whole.len() / 2]).unwrap_err();
            assert_eq!(
                error.to_string(),
                "the compressed data ends before its end mark"
            );
        }
    }
}
