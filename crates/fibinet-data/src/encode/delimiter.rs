use std::io::Read;
use std::path::Path;

use crate::config::{Delimiter, Quote};
use crate::encode::widths::{Splitting, Widths};
use crate::error::DataError;
use crate::formats::parts;
use crate::formats::registry::open_text;

/// The delimiters that are tried. Of those that fit as well, the first one is taken.
const DELIMITERS: [&str; 8] = ["\t", ",", ";", "|", "\u{1}", "\u{2}", "::", " "];
/// The bytes that show how quotes are used.
const SAMPLE: u64 = 1 << 22;
/// The bytes and rows that each delimiter is tried on.
const TRIAL: usize = 1 << 20;
const TRIAL_ROWS: usize = 2000;
/// The share of rows that must be as wide as most for a delimiter to be taken: of any file, and of one
/// that has the label as a cell of its header, or as many cells as it has columns.
const LEAST_SHARE: f64 = 0.9;
const LEAST_SHARE_IF_NAMED: f64 = 0.5;

/// What is known of a text file before its delimiter.
#[derive(Debug, Clone, Default)]
pub struct KnownText {
    /// The label's column.
    pub label: String,
    /// The names of the columns, if the first line does not have them.
    pub columns: Option<Vec<String>>,
    /// What stands between cells, if that is known.
    pub delimiter: Option<Delimiter>,
    /// The character around cells, if that is known.
    pub quote: Option<Quote>,
}

/// How the cells of a text file are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextGuess {
    /// What stands between cells.
    pub delimiter: Delimiter,
    /// Why; empty if it was known, or if no delimiter fits.
    pub delimiter_reason: String,
    /// The character around cells; `None` for the one that is [usual](Quote::usual) with this delimiter.
    pub quote: Option<Quote>,
    /// Why; empty for the usual one.
    pub quote_reason: String,
    /// Quotes that are not read as such, and what to do.
    pub quote_note: Option<String>,
}

/// Guesses the delimiter and the quote of a text file from its first rows: with the right ones, most rows
/// have the same number of cells, which is that of the header. A file that no delimiter fits has a comma.
///
/// # Errors
///
/// If the file cannot be read.
pub fn guess_delimiter(path: &Path, known: &KnownText) -> Result<TextGuess, DataError> {
    let files = parts::files(path)?;
    let mut sample = Vec::new();
    if let Some(text) = open_text(&files[0])? {
        let mut text = text.take(SAMPLE);
        text.read_to_end(&mut sample)
            .map_err(DataError::io(&files[0]))?;
    }
    let is_cut = sample.len() as u64 == SAMPLE;
    Ok(guess(&sample, is_cut, known))
}

fn guess(sample: &[u8], is_cut: bool, known: &KnownText) -> TextGuess {
    let (delimiter, delimiter_reason) = match &known.delimiter {
        Some(delimiter) => (delimiter.clone(), String::new()),
        None => best_delimiter(sample, is_cut, known),
    };
    let usual = Quote::usual(&delimiter);
    let quotes = match known.quote {
        Some(quote) => QuoteGuess {
            quote,
            reason: String::new(),
            note: None,
        },
        None => best_quote(sample, is_cut, &delimiter, known.columns.is_none()),
    };
    let quote = quotes.quote;
    TextGuess {
        delimiter,
        delimiter_reason,
        quote: (quote != usual).then_some(quote),
        quote_reason: quotes.reason,
        quote_note: quotes.note,
    }
}

/// The delimiter that fits best, and why.
fn best_delimiter(sample: &[u8], is_cut: bool, known: &KnownText) -> (Delimiter, String) {
    let is_cut = is_cut || sample.len() > TRIAL;
    let trial = &sample[..sample.len().min(TRIAL)];
    let quotes: &[Option<u8>] = match known.quote {
        Some(quote) => &[quote.byte()],
        None => &[Some(b'"'), None],
    };
    let fits = DELIMITERS.map(|delimiter| {
        let fits = quotes.iter().map(|&quote| {
            let by = Splitting {
                delimiter: delimiter.as_bytes(),
                quote,
            };
            Fit::of(&Widths::count(trial, is_cut, TRIAL_ROWS, by), known)
        });
        let best = fits.max_by(|a, b| a.rank().total_cmp(&b.rank()));
        (delimiter, best.unwrap_or_default())
    });
    let named = fits.iter().find(|(_, fit)| fit.is_named && fit.is_enough());
    // Prose has spaces, too.
    let any = fits
        .iter()
        .find(|(delimiter, fit)| *delimiter != " " && fit.is_enough());
    match named.or(any) {
        Some((delimiter, fit)) => {
            let delimiter = Delimiter::new(*delimiter).unwrap_or_else(|_| Delimiter::comma());
            (delimiter, fit.reason())
        }
        None => (Delimiter::comma(), String::new()),
    }
}

/// How well a delimiter fits.
#[derive(Debug, Clone, Copy, Default)]
struct Fit {
    /// Whether the header has the label as a cell, or the rows have as many cells as there are columns.
    is_named: bool,
    /// Whether the header has as many cells as most rows, or one fewer: a name of the rows' numbers may
    /// be missing, or the rows may end with a delimiter.
    has_header: bool,
    num_cells: usize,
    num_rows: usize,
    num_equal: usize,
}

impl Fit {
    fn of(widths: &Widths, known: &KnownText) -> Self {
        let (num_cells, num_equal) = widths.commonest();
        let (is_named, has_header) = match &known.columns {
            Some(columns) => (columns.len() == num_cells, true),
            None => {
                let header = widths.header.len();
                let label = known.label.as_bytes();
                (
                    widths.header.iter().any(|cell| cell.trim_ascii() == label),
                    header > 1 && (header == num_cells || header + 1 == num_cells),
                )
            }
        };
        Self {
            is_named,
            has_header,
            num_cells,
            num_rows: widths.rows.len(),
            num_equal,
        }
    }

    fn share(self) -> f64 {
        self.num_equal as f64 / self.num_rows.max(1) as f64
    }

    fn is_enough(self) -> bool {
        let least = if self.is_named {
            LEAST_SHARE_IF_NAMED
        } else {
            LEAST_SHARE
        };
        self.num_cells > 1 && self.has_header && (self.num_rows == 0 || self.share() >= least)
    }

    fn rank(self) -> f64 {
        f64::from(u8::from(self.is_named)) + self.share()
    }

    fn reason(self) -> String {
        let Self {
            num_cells,
            num_rows,
            num_equal,
            ..
        } = self;
        format!("{num_equal} of the first {num_rows} rows have {num_cells} cells")
    }
}

/// How cells are quoted.
struct QuoteGuess {
    quote: Quote,
    /// Why; empty for the usual quote.
    reason: String,
    /// Quotes that are not read as such, and what to do.
    note: Option<String>,
}

/// Whether cells are quoted, and why if that is not the usual with this delimiter.
fn best_quote(sample: &[u8], is_cut: bool, delimiter: &Delimiter, has_header: bool) -> QuoteGuess {
    let count = |quote| {
        let delimiter = delimiter.as_str().as_bytes();
        let by = Splitting { delimiter, quote };
        Widths::count(sample, is_cut, usize::MAX, by)
    };
    let quoted = count(Some(b'"'));
    if quoted.quoted == 0 {
        return single_quote(&count(Some(b'\'')), delimiter, has_header);
    }
    let (total, wrong) = (quoted.quoted, quoted.misquoted);
    let is_quoted = quoted.header_is_quoted
        || wrong == 0
        || count(None).ragged() > quoted.ragged() + wrong
        // A file that breaks the rules of CSV is refused, not read in another way.
        || matches!(delimiter.as_str(), "," | ";");
    let quote = if is_quoted {
        Quote::DOUBLE
    } else {
        Quote::NONE
    };
    let reason = match (quote == Quote::usual(delimiter), is_quoted) {
        (true, _) => String::new(),
        (false, true) => format!("{total} cells are quoted"),
        (false, false) => {
            format!("{wrong} of {total} cells that begin with a quote do not end with one")
        }
    };
    let note = (is_quoted && 2 * quoted.escaped > wrong).then(|| {
        format!(
            "quotes within cells are written as `\\\"`, so that cells are not read as meant: {} of those looked at; \
             write them as `\"\"`: sed 's/\\\\\"/\"\"/g' OLD > NEW",
            quoted.escaped
        )
    });
    QuoteGuess {
        quote,
        reason,
        note,
    }
}

/// Whether cells are in single quotes, if none is in double ones: if the header is, too, or without a header as many
/// cells as there are rows. Otherwise they may be parts of names.
fn single_quote(single: &Widths, delimiter: &Delimiter, has_header: bool) -> QuoteGuess {
    let quoted = single.quoted;
    let are_quoted = quoted > 0 && single.misquoted == 0;
    let guess = |quote, reason| QuoteGuess {
        quote,
        reason,
        note: None,
    };
    let are_many = are_quoted && quoted >= single.rows.len();
    if are_quoted && single.header_is_quoted && (has_header || are_many) {
        return guess(
            Quote::SINGLE,
            format!("{quoted} cells are in single quotes"),
        );
    }
    // Hive writes such files without quoting.
    if delimiter.as_str().starts_with(['\u{1}', '\u{2}']) {
        return guess(Quote::NONE, "no cell begins with a quote".to_owned());
    }
    QuoteGuess {
        note: are_many.then(|| {
            format!(
                "{quoted} cells are in single quotes, which are read as part of them; --quote \"'\" reads them \
                 without"
            )
        }),
        ..guess(Quote::usual(delimiter), String::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    fn guess(text: &str, columns: Option<&str>) -> (String, Option<Quote>) {
        let known = KnownText {
            label: "click".to_owned(),
            columns: columns.map(|names| names.split(' ').map(str::to_owned).collect()),
            ..KnownText::default()
        };
        let guess = super::guess(text.as_bytes(), false, &known);
        (guess.delimiter.as_str().to_owned(), guess.quote)
    }

    /// A header and rows of a user, a click, a name of one or two words and a list.
    fn log(delimiter: &str) -> String {
        let mut text = ["user", "click", "name", "tags"].join(delimiter) + "\n";
        for i in 0..50 {
            let name = ["New York", "Rome"][i % 2];
            let row = [&i.to_string(), "1", name, "a|b;c"].join(delimiter);
            writeln!(text, "{row}").unwrap();
        }
        text
    }

    #[test]
    fn every_delimiter_is_told_from_the_others_in_the_cells() {
        for delimiter in ["\t", ",", "\u{1}", "\u{2}", "::"] {
            assert_eq!(guess(&log(delimiter), None).0, delimiter, "{delimiter:?}");
        }
        let without = |delimiter: &str, cells: &str| log(delimiter).replace(cells, "a");
        assert_eq!(guess(&without(";", "a|b;c"), None).0, ";");
        assert_eq!(guess(&without("|", "a|b;c"), None).0, "|");
        assert_eq!(guess(&without(" ", "New York"), None).0, " ");
    }

    #[test]
    fn a_decimal_comma_is_not_a_delimiter() {
        let text = "click;user;price\n1;7;2,5\n0;8;3,25\n";
        assert_eq!(guess(text, None).0, ";");
    }

    #[test]
    fn a_few_ragged_rows_and_a_quote_that_stays_open_do_not_mislead() {
        for row in ["1,2,3,4,5", "1", "1,\"x,2,3"] {
            let text = log(",").replacen("1,1,Rome", row, 1);
            assert_eq!(guess(&text, None), (",".to_owned(), None), "{row}");
        }
    }

    #[test]
    fn rows_that_end_with_a_delimiter_are_split_at_it() {
        let text = log(";").replace("a|b;c\n", "a;\n");
        assert_eq!(guess(&text, None).0, ";");
    }

    #[test]
    fn prose_and_single_columns_are_not_torn_apart() {
        for text in [
            "click\n1\n0\n",
            "first last\nAnn Lee\nBo Ray\n",
            "click on it\nthe best hotel in town\nshoes\na new car to buy\nbuy\n",
            "note\nwell; yes\nno; but\n",
            "",
            "click",
        ] {
            assert_eq!(guess(text, None), (",".to_owned(), None), "{text:?}");
        }
    }

    #[test]
    fn a_space_behind_each_comma_is_not_the_delimiter() {
        let text = "user, click, site\n7, 1, a\n8, 0, b\n";
        assert_eq!(guess(text, None).0, ",");
    }

    #[test]
    fn without_a_header_the_number_of_columns_tells_the_delimiter() {
        let text = "1 a|b|c,7\n0 d|e|f,8\n1 g|h|i,9\n";
        for (columns, delimiter) in [("click x", ","), ("click x y", "|")] {
            assert_eq!(guess(text, Some(columns)).0, delimiter);
        }
        assert_eq!(guess("1::2::3\n4::5::6\n", Some("a b click")).0, "::");
    }

    #[test]
    fn a_tsv_with_quoted_cells_is_told_from_one_with_quotes_in_them() {
        let quoted = Some(Quote::DOUBLE);
        for (rows, quote) in [
            ("1\tplain\n0\ttext\n", None),
            ("1\t\"a\tb\"\n0\t\"say \"\"hi\"\"\"\n", quoted),
            ("1\t\"two\nlines\"\n0\tx\n", quoted),
            ("1\t\"new york\" hotels\n0\t\"rome\"\n", None),
            ("1\t\"open\n0\tx\n", None),
            ("1\t5\" pipe\n", None),
        ] {
            let text = format!("click\tquery\n{rows}");
            assert_eq!(guess(&text, None), ("\t".to_owned(), quote), "{rows:?}");
        }
        // As pandas and R write a header, one broken cell does not make all quotes literal.
        let text = "\"click\"\t\"query\"\n1\t\"a\"\n0\t\"b\" c\n";
        assert_eq!(guess(text, None), ("\t".to_owned(), quoted));
    }

    #[test]
    fn single_quotes_surround_cells_if_they_do_so_in_the_header_or_in_every_row() {
        let single = Some(Quote::SINGLE);
        let rows = "1,'a, b'\n0,'c'\n";
        assert_eq!(guess(&format!("click,'q'\n{rows}"), None).1, single);
        assert_eq!(guess(&format!("click,q\n{rows}"), None).1, None);
        assert_eq!(guess("1\t'a'\n0\t'b'\n", Some("click q")).1, single);
        let text = "1\t'blue'\n0\tred\n1\t5\n0\tx\n";
        assert_eq!(guess(text, Some("click q")).1, None);
    }

    #[test]
    fn quotes_in_a_file_with_control_characters_are_literal_unless_they_surround_cells() {
        let text = "click\u{1}q\n1\u{1}a\n";
        assert_eq!(guess(text, None).1, Some(Quote::NONE));
        let text = "click\u{1}q\n1\u{1}\"a\"\n";
        assert_eq!(guess(text, None).1, None);
    }
}
