use std::io::{self, Read};

use crate::formats::input_format::{Contents, InputFormat};

/// Text compressed by gzip, in one member or several.
pub(crate) const GZIP: InputFormat = InputFormat {
    recognizes: |start| start.starts_with(&[0x1f, 0x8b]),
    contents: Contents::Text(|file| {
        let decoder = flate2::bufread::MultiGzDecoder::new(file);
        Ok(Box::new(Compressed(decoder)))
    }),
};

/// Text compressed by Zstandard, in one frame or several.
pub(crate) const ZSTD: InputFormat = InputFormat {
    recognizes: |start| start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]),
    contents: Contents::Text(|file| {
        let decoder = zstd::Decoder::with_buffer(file)?;
        Ok(Box::new(Compressed(decoder)))
    }),
};

/// A decompressor that names the fault where its data ends early.
struct Compressed<R>(R);

impl<R: Read> Read for Compressed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                io::Error::new(error.kind(), "the compressed data is cut short")
            }
            _ => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    use crate::formats::registry::open_text;

    fn read(bytes: &[u8]) -> io::Result<String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows");
        std::fs::write(&path, bytes).unwrap();
        let mut read = String::new();
        let text = open_text(&path).unwrap();
        text.unwrap().read_to_string(&mut read)?;
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
            assert_eq!(error.to_string(), "the compressed data is cut short");
        }
    }
}
