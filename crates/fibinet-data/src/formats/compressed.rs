use std::error::Error;
use std::fmt;
use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

use crate::formats::input_format::{Contents, InputFormat};

/// Text compressed by gzip, in one member or several.
pub(crate) const GZIP: InputFormat = InputFormat {
    recognizes: |start| start.starts_with(&[0x1f, 0x8b]),
    contents: Contents::Compressed(|file| {
        let decoder = GzDecoder::new(Box::new(file) as Box<dyn BufRead + Send>);
        Ok(Box::new(Compressed::new(Gzip(decoder))))
    }),
};

/// Text compressed by Zstandard, in one frame or several.
pub(crate) const ZSTD: InputFormat = InputFormat {
    recognizes: |start| start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]),
    contents: Contents::Compressed(|file| {
        let decoder = zstd::Decoder::with_buffer(file)?;
        Ok(Box::new(Compressed::new(decoder)))
    }),
};

/// A decompressor that tells how far damaged data could be read.
struct Compressed<R> {
    decoder: R,
    num_lines: u64,
    /// What was wrong, which every later read says again.
    fault: Option<(io::ErrorKind, String)>,
}

impl<R> Compressed<R> {
    fn new(decoder: R) -> Self {
        Self {
            decoder,
            num_lines: 0,
            fault: None,
        }
    }

    /// What is wrong with the data, and what to do.
    fn describe(&self, error: &io::Error) -> String {
        let lines = self.num_lines;
        if error.get_ref().is_some_and(|error| error.is::<NotGzip>()) {
            return format!(
                "other bytes follow the compressed data, after line {lines}; was something appended to the file? \
                 `gzip -dc FILE > NEW` writes what is before"
            );
        }
        let fault = match error.kind() {
            io::ErrorKind::UnexpectedEof => "cut short".to_owned(),
            _ => format!("damaged ({error})"),
        };
        format!(
            "the compressed data is {fault} after about {lines} lines; fetch or write the file again"
        )
    }
}

impl<R: Read> Read for Compressed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some((kind, fault)) = &self.fault {
            return Err(io::Error::new(*kind, fault.clone()));
        }
        match self.decoder.read(buffer) {
            Ok(read) => {
                let lines = buffer[..read].iter().filter(|byte| **byte == b'\n');
                self.num_lines += lines.count() as u64;
                Ok(read)
            }
            // The system could not read the file.
            Err(error) if error.raw_os_error().is_some() => Err(error),
            Err(error) => {
                let fault = self.describe(&error);
                self.fault = Some((error.kind(), fault.clone()));
                Err(io::Error::new(error.kind(), fault))
            }
        }
    }
}

/// Decompresses the members of a file one after the other. As gzip does, it ignores zeros at the end, with which
/// tapes are filled up. Other bytes there are an error, as they may be rows.
struct Gzip(GzDecoder<Box<dyn BufRead + Send>>);

/// The error of bytes after the members.
#[derive(Debug)]
struct NotGzip;

impl fmt::Display for NotGzip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not gzip")
    }
}

impl Error for NotGzip {}

impl Read for Gzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.0.read(buffer)?;
            if read > 0 || buffer.is_empty() || !self.next_member()? {
                return Ok(read);
            }
        }
    }
}

impl Gzip {
    /// Goes on to the next member; false at the end.
    fn next_member(&mut self) -> io::Result<bool> {
        const MAGIC: &[u8] = &[0x1f, 0x8b];
        let file = self.0.get_mut();
        let start = file.fill_buf()?;
        match start.first() {
            None => return Ok(false),
            Some(0) => return only_zeros(file).map(|()| false),
            // The buffer may end between the two bytes.
            _ if start.starts_with(&MAGIC[..start.len().min(2)]) => {}
            _ => return Err(io::Error::other(NotGzip)),
        }
        // The decoder's buffers are kept.
        let file = self.0.reset(Box::new(io::empty()));
        self.0.reset(file);
        Ok(true)
    }
}

/// Reads zeros to the end.
fn only_zeros(file: &mut impl BufRead) -> io::Result<()> {
    loop {
        let bytes = file.fill_buf()?;
        if bytes.iter().any(|byte| *byte != 0) {
            return Err(io::Error::other(NotGzip));
        }
        let len = bytes.len();
        if len == 0 {
            return Ok(());
        }
        file.consume(len);
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
            let error = read(&whole[..whole.len() / 2]).unwrap_err().to_string();
            assert!(
                error.starts_with("the compressed data is cut short after about "),
                "{error}"
            );
        }
    }

    #[test]
    fn what_follows_the_members_of_gzip_is_zeros_or_an_error() {
        let whole = [gzip("y,a\n"), gzip("1,x\n")].concat();
        let followed = |bytes: &[u8]| read(&[whole.as_slice(), bytes].concat());
        for zeros in [1, 511, 1 << 20] {
            assert_eq!(followed(&vec![0; zeros]).unwrap(), "y,a\n1,x\n");
        }
        for other in [&b"garbage"[..], b"\0\0x", b"1,x\n", b"\x1fnot gzip\n"] {
            let error = followed(other).unwrap_err().to_string();
            assert!(
                error.starts_with("other bytes follow the compressed data, after line 2"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_failure_of_the_system_stays_what_it_is() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::from_raw_os_error(5))
            }
        }
        let error = Compressed::new(Failing).read(&mut [0]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(5));
    }
}
