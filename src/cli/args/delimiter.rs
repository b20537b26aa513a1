use fibinet::data::config::{Delimiter, Quote, SchemaError};

/// Characters that shells and files hardly show, by their names.
const NAMES: [(&str, &str); 5] = [
    ("tab", "\t"),
    ("space", " "),
    ("comma", ","),
    ("semicolon", ";"),
    ("pipe", "|"),
];

/// Parses `--delimiter`: the characters themselves, a name of [`NAMES`], or escapes such as `\t`, `\x01`
/// and `\001`.
pub(crate) fn parse_delimiter(text: &str) -> Result<Delimiter, SchemaError> {
    let named = NAMES.iter().find(|(name, _)| *name == text);
    let text = named.map_or_else(|| unescape(text), |(_, character)| (*character).to_owned());
    Delimiter::new(text)
}

/// Parses `--quote`: a character, or `none`.
pub(crate) fn parse_quote(text: &str) -> Result<Quote, String> {
    match text {
        "none" => Ok(Quote::NONE),
        text => Quote::try_from(text.to_owned())
            .map_err(|_| "a quote is one punctuation character, or `none`".to_owned()),
    }
}

/// A text whose `\t`, `\xNN`, `\uNNNN` and octal `\NNN` are the characters that they stand for. Any other
/// backslash stands for itself.
fn unescape(text: &str) -> String {
    let Some((before, after)) = text.split_once('\\') else {
        return text.to_owned();
    };
    let code = |start: usize, len: usize, radix: u32| {
        let digits = after.get(start..start + len)?;
        let character = char::from_u32(u32::from_str_radix(digits, radix).ok()?)?;
        Some((character, &after[start + len..]))
    };
    let escaped = match after.as_bytes().first() {
        Some(b't') => Some(('\t', &after[1..])),
        Some(b'x') => code(1, 2, 16),
        Some(b'u') => code(1, 4, 16),
        Some(b'0'..=b'3') => code(0, 3, 8),
        _ => None,
    };
    match escaped {
        Some((character, rest)) => format!("{before}{character}{}", unescape(rest)),
        None => format!("{before}\\{}", unescape(after)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delimiter_is_given_as_itself_by_name_or_escaped() {
        for (text, delimiter) in [
            (";", ";"),
            ("::", "::"),
            ("\t", "\t"),
            ("\\t", "\t"),
            ("tab", "\t"),
            ("space", " "),
            (" ", " "),
            ("\\x01", "\u{1}"),
            ("\\001", "\u{1}"),
            ("\\u0002", "\u{2}"),
            ("\\x1f|", "\u{1f}|"),
            ("\\", "\\"),
            ("\\N", "\\N"),
        ] {
            let parsed = parse_delimiter(text).map(|delimiter| delimiter.as_str().to_owned());
            assert_eq!(parsed.as_deref(), Ok(delimiter), "{text}");
        }
        for text in ["", "→", "\""] {
            assert!(parse_delimiter(text).is_err(), "{text}");
        }
    }

    #[test]
    fn no_quote_has_a_name() {
        assert_eq!(parse_quote("none"), Ok(Quote::NONE));
        assert_eq!(parse_quote("\""), Ok(Quote::DOUBLE));
        assert!(parse_quote("no").is_err());
    }
}
