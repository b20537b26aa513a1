//! How several tokens are written in one cell.

/// The texts between separators.
pub(crate) fn split<'a>(cell: &'a [u8], separator: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(cell);
    std::iter::from_fn(move || {
        let text = rest?;
        let at = text
            .windows(separator.len())
            .position(|window| window == separator);
        let (token, after) = match at {
            Some(at) => (&text[..at], Some(&text[at + separator.len()..])),
            None => (text, None),
        };
        rest = after;
        Some(token)
    })
}

/// Calls `each` with the elements of a list in brackets, without the quotes and blanks around them. With
/// a blank separator any blanks separate, as NumPy writes arrays. `None` if it is not such a list.
pub(crate) fn bracketed(cell: &[u8], separator: &[u8], each: &mut dyn FnMut(&[u8])) -> Option<()> {
    let inner = cell.trim_ascii().strip_prefix(b"[")?.strip_suffix(b"]")?;
    let separator = separator.trim_ascii();
    let mut rest = inner.trim_ascii();
    while let Some(first) = rest.first() {
        let after = match first {
            b'\'' | b'"' => quoted(rest, each)?,
            b'[' | b'{' => return None,
            _ => {
                let len = unquoted_len(rest, separator);
                each(rest[..len].trim_ascii());
                &rest[len..]
            }
        };
        let after = after.trim_ascii_start();
        rest = if after.is_empty() {
            after
        } else {
            after.strip_prefix(separator)?.trim_ascii_start()
        };
    }
    Some(())
}

/// The length of the text before the separator; an empty one stands for blanks.
fn unquoted_len(text: &[u8], separator: &[u8]) -> usize {
    let at = if separator.is_empty() {
        text.iter().position(u8::is_ascii_whitespace)
    } else {
        text.windows(separator.len())
            .position(|window| window == separator)
    };
    at.unwrap_or(text.len())
}

/// Calls `each` with the text between the quotes that `text` begins with, and gives what follows them.
fn quoted<'a>(text: &'a [u8], each: &mut dyn FnMut(&[u8])) -> Option<&'a [u8]> {
    let (quote, text) = text.split_first()?;
    let mut token = Vec::new();
    let mut rest = text;
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            byte if byte == quote => break,
            b'\\' => rest = unescape(rest, &mut token)?,
            byte => token.push(*byte),
        }
    }
    each(&token);
    Some(rest)
}

/// Appends the character that is written after a backslash, and gives what follows it.
fn unescape<'a>(text: &'a [u8], token: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (byte, rest) = text.split_first()?;
    let (character, rest) = match byte {
        b'n' => ('\n', rest),
        b'r' => ('\r', rest),
        b't' => ('\t', rest),
        b'x' => code(rest, 2)?,
        b'u' => unicode(rest)?,
        byte => {
            token.push(*byte);
            return Some(rest);
        }
    };
    let mut bytes = [0; 4];
    token.extend_from_slice(character.encode_utf8(&mut bytes).as_bytes());
    Some(rest)
}

/// The character of one or, beyond 16 bits, two escapes of four digits, as JSON has them.
fn unicode(text: &[u8]) -> Option<(char, &[u8])> {
    if let Some(character) = code(text, 4) {
        return Some(character);
    }
    let (high, rest) = hexadecimal(text, 4)?;
    let (low, rest) = hexadecimal(rest.strip_prefix(b"\\u")?, 4)?;
    let pair = [u16::try_from(high).ok()?, u16::try_from(low).ok()?];
    let character = char::decode_utf16(pair).next()?.ok()?;
    Some((character, rest))
}

fn code(text: &[u8], num_digits: usize) -> Option<(char, &[u8])> {
    let (code, rest) = hexadecimal(text, num_digits)?;
    Some((char::from_u32(code)?, rest))
}

fn hexadecimal(text: &[u8], num_digits: usize) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_at_checked(num_digits)?;
    let digits = std::str::from_utf8(digits).ok()?;
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(cell: &str, separator: &str) -> Option<Vec<String>> {
        let mut elements = Vec::new();
        bracketed(cell.as_bytes(), separator.as_bytes(), &mut |element| {
            elements.push(String::from_utf8(element.to_vec()).unwrap());
        })?;
        Some(elements)
    }

    #[test]
    fn lists_of_python_json_and_numpy_have_the_same_elements() {
        for (cell, separator, expected) in [
            ("[1, 7, 24]", ",", &["1", "7", "24"][..]),
            ("[1,7,24]", ",", &["1", "7", "24"]),
            (" [ 1 , 7 ] ", ", ", &["1", "7"]),
            ("['a', 'b']", ",", &["a", "b"]),
            (r#"["a","b"]"#, ",", &["a", "b"]),
            (
                r#"["New York, NY", 'it\'s']"#,
                ",",
                &["New York, NY", "it's"],
            ),
            (
                r#"["a\tb", "\u4e2d\ud83d\ude00", '\xe9']"#,
                ",",
                &["a\tb", "中😀", "é"],
            ),
            ("[it's, None]", ",", &["it's", "None"]),
            ("[ 1  7\n 24]", " ", &["1", "7", "24"]),
            ("['New York' 'b']", " ", &["New York", "b"]),
            ("[]", ",", &[]),
            ("[ ]", ",", &[]),
        ] {
            assert_eq!(elements(cell, separator).unwrap(), expected, "{cell}");
        }
    }

    #[test]
    fn what_is_not_a_flat_list_in_brackets_is_refused() {
        for cell in [
            "1, 7",
            "[1, 7",
            "['a]",
            "['a'b]",
            "[[1], [2]]",
            r#"[{"a": 1}]"#,
            "",
        ] {
            assert_eq!(elements(cell, ","), None, "{cell}");
        }
    }

    #[test]
    fn a_text_without_a_separator_is_one_token() {
        let tokens: Vec<&[u8]> = split(b"a||b", b"|").collect();
        assert_eq!(tokens, [&b"a"[..], b"", b"b"]);
        assert_eq!(split(b"a", b", ").count(), 1);
    }
}
