//! Texts in quotes, as Python and JSON write them.

use std::borrow::Cow;

/// The text between the quotes that `text` begins with, and what follows them. `None` if the second quote
/// is missing or an escape is malformed.
pub(super) fn quoted(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let (quote, text) = text.split_first()?;
    let is_end = |byte: &u8| byte == quote || *byte == b'\\';
    let plain = text.iter().position(is_end)?;
    if text[plain] == *quote {
        return Some((Cow::Borrowed(&text[..plain]), &text[plain + 1..]));
    }
    let (mut token, mut rest) = (text[..plain].to_vec(), &text[plain..]);
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            byte if byte == quote => return Some((Cow::Owned(token), rest)),
            b'\\' => rest = unescape(rest, &mut token)?,
            byte => token.push(*byte),
        }
    }
}

/// Appends the character that is written after a backslash, and gives what follows it.
fn unescape<'a>(text: &'a [u8], token: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (byte, rest) = text.split_first()?;
    let (character, rest) = match byte {
        b'b' => ('\u{8}', rest),
        b'f' => ('\u{c}', rest),
        b'n' => ('\n', rest),
        b'r' => ('\r', rest),
        b't' => ('\t', rest),
        b'x' => code(rest, 2)?,
        b'u' => unicode(rest)?,
        b'U' => code(rest, 8)?,
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

    #[test]
    fn escapes_of_python_and_json_are_characters() {
        for (text, expected) in [
            (r#""a""#, "a"),
            (r#"'it\'s'"#, "it's"),
            (r#""a\\b\/c""#, r"a\b/c"),
            (r#""a\tb\n""#, "a\tb\n"),
            (r#""\b\f""#, "\u{8}\u{c}"),
            (r#""\u4e2d\ud83d\ude00""#, "中😀"),
            (r"'\xe9\U0001f600'", "é😀"),
        ] {
            let (token, rest) = quoted(text.as_bytes()).unwrap();
            assert_eq!(std::str::from_utf8(&token).unwrap(), expected, "{text}");
            assert!(rest.is_empty(), "{text}");
        }
    }

    #[test]
    fn a_malformed_text_is_refused() {
        for text in ["", "'", "'a", r"'a\", r"'\xg0'", r#""\ud83d""#] {
            assert_eq!(quoted(text.as_bytes()), None, "{text}");
        }
    }
}
