/// The number of cells per row of a text, if it is read with one delimiter and one quote.
#[derive(Debug, Default)]
pub(crate) struct Widths {
    /// The cells of the first row, without the quotes around them.
    pub(crate) header: Vec<Vec<u8>>,
    /// The number of cells of each row after the first.
    pub(crate) rows: Vec<usize>,
    /// Whether a cell of the first row is quoted.
    pub(crate) header_is_quoted: bool,
    /// The number of cells that begin with a quote.
    pub(crate) quoted: usize,
    /// The number of those where no delimiter and no line end follows the closing quote, or that are
    /// never closed.
    pub(crate) misquoted: usize,
    /// The number of those that have a `\` before the quote that closes them.
    pub(crate) escaped: usize,
}

/// How rows are split while they are counted.
#[derive(Clone, Copy)]
pub(crate) struct Splitting<'a> {
    pub(crate) delimiter: &'a [u8],
    pub(crate) quote: Option<u8>,
}

impl Widths {
    /// Counts the cells of at most `max_rows` rows. The last row of a text that goes on (`is_cut`) is not
    /// counted.
    pub(crate) fn count(text: &[u8], is_cut: bool, max_rows: usize, by: Splitting<'_>) -> Self {
        let mut widths = Self::default();
        let mut rest = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        while !rest.is_empty() && widths.rows.len() < max_rows {
            rest = widths.count_row(rest, is_cut, by);
        }
        widths
    }

    /// The commonest number of cells after the first row, and the number of rows that have it. Of two
    /// that are as common, the larger.
    pub(crate) fn commonest(&self) -> (usize, usize) {
        let mut counts = std::collections::BTreeMap::new();
        for width in &self.rows {
            *counts.entry(*width).or_insert(0) += 1;
        }
        let commonest = counts.into_iter().max_by_key(|(_, count)| *count);
        commonest.unwrap_or((self.header.len(), 0))
    }

    /// The number of rows that are not as wide as most.
    pub(crate) fn ragged(&self) -> usize {
        self.rows.len() - self.commonest().1
    }

    /// Counts the cells of the row at the beginning of the text, and gives the text after it.
    fn count_row<'t>(&mut self, text: &'t [u8], is_cut: bool, by: Splitting<'_>) -> &'t [u8] {
        let (mut rest, mut cells) = (text, Vec::new());
        let (mut quoted, mut misquoted, mut escaped) = (0, 0, 0);
        loop {
            let cell = Cell::first(rest, by);
            quoted += usize::from(cell.is_quoted);
            misquoted += usize::from(cell.is_misquoted);
            escaped += usize::from(cell.is_escaped);
            cells.push(cell.text);
            match cell.rest.strip_prefix(by.delimiter) {
                Some(after) => rest = after,
                None => {
                    rest = cell.rest;
                    break;
                }
            }
        }
        if is_cut && rest.is_empty() {
            return rest;
        }
        let is_blank = cells.len() == 1 && cells[0].is_empty() && quoted == 0;
        if !is_blank {
            self.quoted += quoted;
            self.misquoted += misquoted;
            self.escaped += escaped;
            if self.header.is_empty() {
                self.header = cells.into_iter().map(<[u8]>::to_vec).collect();
                self.header_is_quoted = quoted > misquoted;
            } else {
                self.rows.push(cells.len());
            }
        }
        rest.get(1..).unwrap_or_default()
    }
}

/// The cell at the beginning of a text.
struct Cell<'t> {
    /// Without the quotes around it; the doubled ones within are kept.
    text: &'t [u8],
    /// What follows: a delimiter, a line end or nothing.
    rest: &'t [u8],
    is_quoted: bool,
    is_misquoted: bool,
    /// Whether it is misquoted, and a `\` stands before the closing quote.
    is_escaped: bool,
}

impl<'t> Cell<'t> {
    fn first(text: &'t [u8], by: Splitting<'_>) -> Self {
        let quote = by.quote.filter(|quote| text.first() == Some(quote));
        let closed = quote.map_or(0, |quote| after_closing_quote(text, quote));
        let ends = |rest: &[u8]| {
            rest.starts_with(by.delimiter) || matches!(rest.first(), None | Some(b'\n' | b'\r'))
        };
        let mut end = closed;
        while !ends(&text[end..]) {
            end += 1;
        }
        let has_closing_quote = closed > 1 && quote == Some(text[closed - 1]);
        let is_misquoted = quote.is_some() && (end > closed || !has_closing_quote);
        let inner = if quote.is_some() && !is_misquoted {
            &text[1..end - 1]
        } else {
            &text[..end]
        };
        Self {
            text: inner,
            rest: &text[end..],
            is_quoted: quote.is_some(),
            is_misquoted,
            is_escaped: is_misquoted && has_closing_quote && text[closed - 2] == b'\\',
        }
    }
}

/// Where a cell goes on that begins with a quote: behind the closing one, or the end of the text.
fn after_closing_quote(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(&byte) = text.get(at) {
        at += 1;
        if byte == quote {
            if text.get(at) != Some(&quote) {
                break;
            }
            at += 1;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str, delimiter: &str, quote: Option<u8>) -> Widths {
        let delimiter = delimiter.as_bytes();
        Widths::count(text.as_bytes(), false, 100, Splitting { delimiter, quote })
    }

    #[test]
    fn rows_are_counted_past_quotes_and_blank_lines() {
        let text = "\u{feff}\"a\",b\r\n\r\n\"x,\"\"\ny\",1\r\n2\r3,4,";
        let widths = count(text, ",", Some(b'"'));
        assert_eq!(widths.header, [b"a", b"b"]);
        assert_eq!(widths.rows, [2, 1, 3]);
        assert!(widths.header_is_quoted);
        assert_eq!((widths.quoted, widths.misquoted), (2, 0));
        assert_eq!(widths.commonest(), (3, 1));
        let literal = count("a,b\n\"x,1\n", ",", None);
        assert_eq!((literal.rows, literal.quoted), (vec![2], 0));
    }

    #[test]
    fn a_quote_that_does_not_end_its_cell_is_counted() {
        let widths = count(
            "q|n\n\"new york\" hotels|1\n5\" pipe|2\n\"\"|3\n\"open|4",
            "|",
            Some(b'"'),
        );
        assert_eq!(widths.rows, [2, 2, 2, 1]);
        assert_eq!((widths.quoted, widths.misquoted), (3, 2));
        let widths = count(
            "q|n\n\"say \\\"hi\\\"\"|1\n\"C:\\\"|2\n\"a\" b|3",
            "|",
            Some(b'"'),
        );
        assert_eq!((widths.misquoted, widths.escaped), (2, 1));
    }

    #[test]
    fn the_last_row_of_a_cut_text_is_not_counted() {
        let by = Splitting {
            delimiter: b"::",
            quote: None,
        };
        let text = b"a::b\n1::2\n3";
        assert_eq!(Widths::count(text, true, 100, by).rows, [2]);
        assert_eq!(Widths::count(text, false, 100, by).rows, [2, 1]);
        assert_eq!(Widths::count(text, false, 1, by).rows, [2]);
    }
}
