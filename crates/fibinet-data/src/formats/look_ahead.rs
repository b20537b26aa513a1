use std::collections::VecDeque;
use std::io::{self, Read};

/// Number of bytes of text that are decompressed before they are needed, which takes about 10 ms.
const AHEAD: usize = 1 << 21;

/// Decompressed text, which is read some way ahead. Damage garbles the text shortly before the place where a
/// decompressor notices it: reading fails before that text is delivered, as its rows would be malformed.
pub(crate) struct LookAhead<R> {
    text: R,
    ahead: VecDeque<u8>,
}

impl<R> LookAhead<R> {
    pub(crate) fn new(text: R) -> Self {
        Self {
            text,
            ahead: VecDeque::new(),
        }
    }
}

impl<R: Read> Read for LookAhead<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let missing = (AHEAD - self.ahead.len()) as u64;
        io::copy(&mut self.text.by_ref().take(missing), &mut self.ahead)?;
        self.ahead.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Zeros, and a fault after them.
    fn zeros(count: usize) -> impl Read {
        struct Fault;
        impl Read for Fault {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::InvalidData.into())
            }
        }
        io::repeat(0).take(count as u64).chain(Fault)
    }

    #[test]
    fn all_text_is_delivered() {
        let expected: Vec<u8> = (0..3 * AHEAD).map(|at| (at % 251) as u8).collect();
        let mut text = Vec::new();
        LookAhead::new(&expected[..])
            .read_to_end(&mut text)
            .unwrap();
        assert!(text == expected);
    }

    #[test]
    fn the_text_before_a_fault_is_not_delivered() {
        assert!(LookAhead::new(zeros(AHEAD - 1)).read(&mut [0]).is_err());
        let (mut text, mut delivered) = (LookAhead::new(zeros(3 * AHEAD)), 0);
        while let Ok(read) = text.read(&mut [0; 1000]) {
            delivered += read;
        }
        assert!((AHEAD..=2 * AHEAD + 1000).contains(&delivered));
    }

    #[test]
    fn no_more_is_read_than_is_needed() {
        let mut text = LookAhead::new(zeros(AHEAD + 5));
        assert_eq!(text.read(&mut [0; 5]).unwrap(), 5);
        assert_eq!(text.read(&mut [0; 5]).unwrap(), 5);
        assert!(text.read(&mut [0; 5]).is_err());
    }
}
