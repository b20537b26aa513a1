use std::io::{self, Read};

use csv::ByteRecord;

use crate::config::Delimiter;

/// The byte that stands for a delimiter of several characters. No text in UTF-8 has it.
pub(crate) const DELIMITER: u8 = 0xff;
/// What stands for that byte itself, in text that is not UTF-8: it is not UTF-8 either.
const INVALID: u8 = 0xfe;
const CHUNK: usize = 1 << 16;

/// Text in which one byte, [`DELIMITER`], stands for a delimiter of several characters, since the CSV
/// reader only knows delimiters of one byte. [`restore`] puts those back that a quoted cell holds.
pub(crate) struct OneByteDelimiter {
    text: Box<dyn Read + Send>,
    delimiter: Delimiter,
    /// Bytes that were read and not yet translated: a delimiter may end in the next chunk.
    raw: Vec<u8>,
    translated: io::Cursor<Vec<u8>>,
    at_end: bool,
}

impl OneByteDelimiter {
    pub(crate) fn new(text: Box<dyn Read + Send>, delimiter: Delimiter) -> Self {
        Self {
            text,
            delimiter,
            raw: Vec::new(),
            translated: io::Cursor::default(),
            at_end: false,
        }
    }

    /// Reads more text and translates all of it that cannot be the beginning of a delimiter.
    fn translate(&mut self) -> io::Result<()> {
        let held = self.raw.len();
        self.raw.resize(held + CHUNK, 0);
        let read = self.text.read(&mut self.raw[held..]);
        self.raw.truncate(held + *read.as_ref().unwrap_or(&0));
        self.at_end = read? == 0;
        let delimiter = self.delimiter.as_str().as_bytes();
        let mut translated = std::mem::take(self.translated.get_mut());
        translated.clear();
        let mut at = 0;
        while let Some(&byte) = self.raw.get(at) {
            let rest = &self.raw[at..];
            if rest.starts_with(delimiter) {
                translated.push(DELIMITER);
                at += delimiter.len();
                continue;
            }
            if !self.at_end && delimiter.starts_with(rest) {
                break;
            }
            translated.push(if byte == DELIMITER { INVALID } else { byte });
            at += 1;
        }
        self.raw.drain(..at);
        self.translated = io::Cursor::new(translated);
        Ok(())
    }
}

impl Read for OneByteDelimiter {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.translated.read(buffer)?;
            if read > 0 || self.at_end || buffer.is_empty() {
                return Ok(read);
            }
            self.translate()?;
        }
    }
}

/// Puts back the delimiter where a quoted cell has it.
pub(crate) fn restore(row: &mut ByteRecord, delimiter: &Delimiter) {
    if !row.as_slice().contains(&DELIMITER) {
        return;
    }
    let restored = row.iter().map(|cell| {
        let parts: Vec<&[u8]> = cell.split(|byte| *byte == DELIMITER).collect();
        parts.join(delimiter.as_str().as_bytes())
    });
    *row = restored.collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time.
    struct Slow(&'static [u8], usize);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let len = self.1.min(self.0.len()).min(buffer.len());
            buffer[..len].copy_from_slice(&self.0[..len]);
            self.0 = &self.0[len..];
            Ok(len)
        }
    }

    fn cells(text: &'static [u8], delimiter: &str, step: usize) -> Vec<Vec<u8>> {
        let delimiter = Delimiter::new(delimiter).unwrap();
        let mut translated = Vec::new();
        OneByteDelimiter::new(Box::new(Slow(text, step)), delimiter)
            .read_to_end(&mut translated)
            .unwrap();
        let cells = translated.split(|byte| *byte == DELIMITER);
        cells.map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn text_is_cut_at_the_delimiter_wherever_a_chunk_ends() {
        for step in [1, 2, 3, 100] {
            let cells = |text, delimiter| cells(text, delimiter, step);
            assert_eq!(cells(b"a::b:c::", "::"), [&b"a"[..], b"b:c", b""]);
            assert_eq!(cells(b"a:::b:", "::"), [&b"a"[..], b":b:"]);
            assert_eq!(cells(b"xxy|xxxy|xy", "xxy"), [&b""[..], b"|x", b"|xy"]);
        }
    }

    #[test]
    fn a_byte_that_stands_for_the_delimiter_is_not_one() {
        assert_eq!(cells(b"a\xff::b", "::", 100), [&b"a\xfe"[..], b"b"]);
    }

    #[test]
    fn a_delimiter_within_a_cell_is_put_back() {
        let mut row = ByteRecord::from(vec![&b"a\xffb"[..], b"", b"\xff"]);
        restore(&mut row, &Delimiter::new("::").unwrap());
        assert_eq!(row, vec!["a::b", "", "::"]);
    }
}
