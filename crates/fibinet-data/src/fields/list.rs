//! How several tokens are written in one cell.

use crate::fields::quoted::quoted;

/// What Python, JSON, NumPy, pandas and Postgres write without quotes for an element without a value.
const NO_VALUE: [&[u8]; 8] = [
    b"None", b"nan", b"null", b"NaN", b"NaT", b"<NA>", b"NULL", b"-nan",
];
/// What NumPy writes for the middle of an array with more than 1,000 elements.
const CUT: &[u8] = b"...";

/// The texts between separators.
pub(crate) fn split<'a>(cell: &'a [u8], separator: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(cell);
    std::iter::from_fn(move || {
        let text = rest?;
        let (token, after) = match position(text, separator) {
            Some(at) => (&text[..at], Some(&text[at + separator.len()..])),
            None => (text, None),
        };
        rest = after;
        Some(token)
    })
}

fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// Why a cell is not read as a list in brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotAList {
    /// It is not written as a flat list.
    Form,
    /// `...` stands for some of its elements.
    Cut,
}

/// Calls `each` with the elements of a list in brackets, without the quotes and blanks around them. Unquoted
/// `None`, `nan` and the like are no elements.
///
/// The list is written as in Python (`['a', 'b']`, `(1, 7)`, `{1, 7}`, `[np.int64(7)]`), JSON (`["a","b"]`)
/// or NumPy (`['a' 'b']`, `[1. 2.5]`, with line breaks). Blanks separate elements if there is no separator
/// and all unquoted words are numbers: `[New York]` is one element. If the separator is a blank, a comma
/// takes its place, and blanks also separate other words.
pub(crate) fn bracketed(
    cell: &[u8],
    separator: &[u8],
    each: &mut dyn FnMut(&[u8]),
) -> Result<(), NotAList> {
    let list = Bracketed::of(cell, separator).ok_or(NotAList::Form)?;
    let mut rest = list.inner;
    while !rest.is_empty() {
        let after = list.element(rest, each)?;
        rest = list.after_separator(after).ok_or(NotAList::Form)?;
    }
    Ok(())
}

/// The separator of a text that is a list in square brackets, the given one or a comma. `None` if the text is
/// not such a list.
pub(crate) fn separator_in_brackets<'a>(text: &[u8], separator: &'a [u8]) -> Option<&'a [u8]> {
    if !text.trim_ascii().starts_with(b"[") {
        return None;
    }
    let has_quotes = text.iter().any(|byte| matches!(byte, b'\'' | b'"'));
    let is_list = |separator: &&[u8]| {
        // An unquoted element with a bracket is a part of several lists: `[a]|[b]`. One word is a token that
        // has brackets: `[sale]`.
        let (mut are_whole, mut elements, mut are_numbers) = (true, 0, true);
        let mut each = |element: &[u8]| {
            elements += 1;
            are_whole &= has_quotes || !element.contains(&b']');
            are_numbers &= element
                .first()
                .is_some_and(|first| first.is_ascii_digit() || *first == b'-');
        };
        let read = bracketed(text, separator, &mut each).is_ok();
        read && are_whole && (has_quotes || are_numbers || elements > 1)
    };
    let given = position(text, separator).map(|_| separator);
    given.into_iter().chain([&b","[..]]).find(is_list)
}

/// A list in brackets.
struct Bracketed<'a> {
    /// The text in the brackets.
    inner: &'a [u8],
    /// Whether the brackets are those of a set or, with colons, of a dictionary.
    in_braces: bool,
    separator: &'a [u8],
    /// Whether blanks separate the elements.
    by_blanks: bool,
}

impl<'a> Bracketed<'a> {
    fn of(cell: &'a [u8], separator: &'a [u8]) -> Option<Self> {
        let (first, rest) = cell.trim_ascii().split_first()?;
        let end: &[u8] = match first {
            b'[' => b"]",
            b'(' => b")",
            b'{' => b"}",
            _ => return None,
        };
        let inner = rest.strip_suffix(end)?.trim_ascii();
        let separator = separator.trim_ascii();
        let any_words = separator.is_empty();
        let separator = if any_words { b"," } else { separator };
        Some(Self {
            inner,
            in_braces: *first == b'{',
            separator,
            by_blanks: is_separated_by_blanks(inner, separator, any_words),
        })
    }

    /// Calls `each` with the element that `text` begins with, and gives what follows it.
    fn element<'t>(
        &self,
        text: &'t [u8],
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<&'t [u8], NotAList> {
        match text.first() {
            Some(b'\'' | b'"') => {
                let (token, after) = quoted(text).ok_or(NotAList::Form)?;
                each(&token);
                Ok(after)
            }
            Some(b'[' | b'(' | b'{') => Err(NotAList::Form),
            _ if text.starts_with(b"datetime.date") => Err(NotAList::Form),
            _ => match argument(text) {
                Some(argument) => called(argument, each).ok_or(NotAList::Form),
                None => self.unquoted(text, each),
            },
        }
    }

    /// The same for an element that is neither in quotes nor in brackets.
    fn unquoted<'t>(
        &self,
        text: &'t [u8],
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<&'t [u8], NotAList> {
        let len = if self.by_blanks {
            text.iter().position(u8::is_ascii_whitespace)
        } else {
            position(text, self.separator)
        };
        let (element, after) = text.split_at(len.unwrap_or(text.len()));
        let element = element.trim_ascii();
        if element == CUT {
            return Err(NotAList::Cut);
        }
        if self.in_braces && element.contains(&b':') {
            return Err(NotAList::Form);
        }
        if self.by_blanks && element.ends_with(b".") && is_number(element) {
            // NumPy's text of a whole float, which is `1.0` elsewhere.
            each(&[element, b"0"].concat());
        } else if !NO_VALUE.contains(&element) {
            each(element);
        }
        Ok(after)
    }

    /// What follows the separator after an element; nothing at the end. `None` if there is no separator.
    fn after_separator<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        let next = text.trim_ascii_start();
        if next.is_empty() {
            return Some(next);
        }
        if self.by_blanks {
            return (next.len() < text.len()).then_some(next);
        }
        Some(next.strip_prefix(self.separator)?.trim_ascii_start())
    }
}

/// Whether a list has no separator, and its unquoted words are numbers (or `any_words`).
fn is_separated_by_blanks(inner: &[u8], separator: &[u8], any_words: bool) -> bool {
    let mut rest = inner;
    while let Some(first) = rest.first() {
        let after = if matches!(first, b'\'' | b'"') {
            let Some((_, after)) = quoted(rest) else {
                return false;
            };
            after
        } else {
            let end = rest.iter().position(u8::is_ascii_whitespace);
            let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
            if position(word, separator).is_some() || !(any_words || is_value(word)) {
                return false;
            }
            after
        };
        rest = after.trim_ascii_start();
    }
    true
}

/// Whether NumPy writes an element that is not a text like this word.
fn is_value(word: &[u8]) -> bool {
    matches!(word, b"True" | b"False" | CUT) || NO_VALUE.contains(&word) || is_number(word)
}

fn is_number(word: &[u8]) -> bool {
    std::str::from_utf8(word).is_ok_and(|word| word.parse::<f64>().is_ok())
}

/// What follows the parenthesis of a value such as `np.int64(7)` or `Timestamp('2024-05-01 00:00:00')`, as
/// Python writes them.
fn argument(text: &[u8]) -> Option<&[u8]> {
    const LONGEST_NAME: usize = 20;
    if !matches!(text.first(), Some(b'n' | b'T' | b'D' | b'U')) {
        return None;
    }
    let end = text
        .iter()
        .take(LONGEST_NAME)
        .position(|byte| *byte == b'(')?;
    let (name, argument) = (&text[..end], &text[end + 1..]);
    let is_known = name.starts_with(b"np.") || matches!(name, b"Timestamp" | b"Decimal" | b"UUID");
    is_known.then_some(argument)
}

/// Calls `each` with the first argument, and gives what follows the second parenthesis.
fn called<'a>(arguments: &'a [u8], each: &mut dyn FnMut(&[u8])) -> Option<&'a [u8]> {
    if matches!(arguments.first(), Some(b'\'' | b'"')) {
        let (token, after) = quoted(arguments)?;
        each(&token);
        let end = position(after, b")")?;
        return Some(&after[end + 1..]);
    }
    let end = position(arguments, b")")?;
    let element = arguments[..end].trim_ascii();
    if !NO_VALUE.contains(&element) {
        each(element);
    }
    Some(&arguments[end + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_in_square_brackets_is_known_by_its_form() {
        for (text, separator, expected) in [
            ("[1, 7]", ",", Some(",")),
            ("[1, 7]", "|", Some(",")),
            ("[1|7]", "|", Some("|")),
            (r#"["a|b", "c"]"#, "|", Some(",")),
            (" ['a' 'b'] ", "|", Some(",")),
            ("[]", "|", Some(",")),
            ("[a]|[b]", "|", None),
            ("[sale]", "|", None),
            ("[sale, new]", "|", Some(",")),
            ("['sale']", "|", Some(",")),
            ("[7]", "|", Some(",")),
            ("[[1], [2]]", "|", None),
            ("[1, 7", ",", None),
            ("(1, 7)", ",", None),
            ("1, 7", ",", None),
        ] {
            let found = separator_in_brackets(text.as_bytes(), separator.as_bytes());
            assert_eq!(found, expected.map(str::as_bytes), "{text}");
        }
    }

    fn elements(cell: &str, separator: &str) -> Result<Vec<String>, NotAList> {
        let mut elements = Vec::new();
        bracketed(cell.as_bytes(), separator.as_bytes(), &mut |element| {
            elements.push(String::from_utf8(element.to_vec()).unwrap());
        })?;
        Ok(elements)
    }

    #[track_caller]
    fn are_read(cells: &[(&str, &str, &[&str])]) {
        for (cell, separator, expected) in cells {
            assert_eq!(elements(cell, separator).unwrap(), *expected, "{cell}");
        }
    }

    #[test]
    fn lists_of_python_and_json_are_read() {
        are_read(&[
            ("[1, 7, 24]", ",", &["1", "7", "24"]),
            ("[1,7,24]", ",", &["1", "7", "24"]),
            (" [ 1 , 7 ] ", ", ", &["1", "7"]),
            ("['a', 'b']", ",", &["a", "b"]),
            ("['a' , 'b'\n,'c']", ",", &["a", "b", "c"]),
            (r#"["a","b"]"#, ",", &["a", "b"]),
            (
                r#"["New York, NY", 'it\'s']"#,
                ",",
                &["New York, NY", "it's"],
            ),
            ("[it's, New York]", ",", &["it's", "New York"]),
            ("[New York]", ",", &["New York"]),
            ("[2024-05-01 13:05:00]", ",", &["2024-05-01 13:05:00"]),
            ("(1, 7)", ",", &["1", "7"]),
            ("(1,)", ",", &["1"]),
            ("{'a', 'b'}", ",", &["a", "b"]),
            ("[1; 7]", ";", &["1", "7"]),
            ("[]", ",", &[]),
            ("[ ]", ",", &[]),
        ]);
    }

    #[test]
    fn values_of_numpy_and_pandas_in_a_python_list_are_read() {
        are_read(&[
            ("[np.int64(1), np.int64(7)]", ",", &["1", "7"]),
            ("[np.float64(0.5), np.float64(nan)]", ",", &["0.5"]),
            ("[np.str_('a, b)'), np.str_('c')]", ",", &["a, b)", "c"]),
            (
                "[Timestamp('2024-05-01 00:00:00+0000', tz='UTC'), NaT]",
                ",",
                &["2024-05-01 00:00:00+0000"],
            ),
            ("[Decimal('1.50')]", ",", &["1.50"]),
            ("[np, Decimal (comics)]", ",", &["np", "Decimal (comics)"]),
        ]);
    }

    #[test]
    fn arrays_of_numpy_are_read() {
        are_read(&[
            ("[ 1  7\n 24]", ",", &["1", "7", "24"]),
            ("['New York' 'b']", ",", &["New York", "b"]),
            (
                "['New York, NY' \"it's\"\n 'c']",
                ",",
                &["New York, NY", "it's", "c"],
            ),
            ("[1.  2.5 1.e+20]", ",", &["1.0", "2.5", "1.e+20"]),
            ("[7.]", ",", &["7.0"]),
            ("[ 1. nan -3.]", ",", &["1.0", "-3.0"]),
            ("['a' None 'b' nan]", ",", &["a", "b"]),
            ("[ True False]", ",", &["True", "False"]),
            ("[a b\n c]", " ", &["a", "b", "c"]),
            ("['a' b]", " ", &["a", "b"]),
            ("['a', 'b']", " ", &["a", "b"]),
        ]);
    }

    #[test]
    fn unquoted_words_for_no_value_are_no_elements() {
        are_read(&[
            ("[None, 'a', nan, 'None']", ",", &["a", "None"]),
            (r#"["a", null, "null"]"#, ",", &["a", "null"]),
            ("[1, <NA>, NaT]", ",", &["1"]),
            ("{1,NULL}", ",", &["1"]),
            ("[None]", ",", &[]),
            ("[None of these]", ",", &["None of these"]),
        ]);
    }

    #[test]
    fn what_is_not_a_flat_list_in_brackets_is_refused() {
        for cell in [
            "1, 7",
            "[1, 7",
            "[1, 7)",
            "['a]",
            "['a'b]",
            "['a''b']",
            "['a' 'b', 'c']",
            "[[1], [2]]",
            "[(1, 2), (3, 4)]",
            r#"[{"a": 1}]"#,
            r#"{"a": 1}"#,
            "{1: 2, 3: 4}",
            "[datetime.date(2024, 5, 1)]",
            "[np.int64(1]",
            "",
        ] {
            assert_eq!(elements(cell, ","), Err(NotAList::Form), "{cell}");
        }
    }

    #[test]
    fn a_list_without_its_middle_is_told_apart() {
        for cell in [
            "[0 1 2 ... 997 998 999]",
            "['a' 'b' ...\n 'y' 'z']",
            "[0, ..., 9]",
        ] {
            assert_eq!(elements(cell, ","), Err(NotAList::Cut), "{cell}");
        }
        are_read(&[("['...', wait...]", ",", &["...", "wait..."])]);
    }

    #[test]
    fn a_text_without_a_separator_is_one_token() {
        let tokens: Vec<&[u8]> = split(b"a||b", b"|").collect();
        assert_eq!(tokens, [&b"a"[..], b"", b"b"]);
        assert_eq!(split(b"a", b", ").count(), 1);
    }
}
