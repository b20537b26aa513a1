use fibinet_nn::nearest;
use toml::{Table, Value};

/// The text of an error, with the nearest of the names that serde lists in "unknown field `x`, expected one
/// of `y`, `z`". An error that already suggests a name stays as it is.
pub(super) fn with_nearest(error: &toml::de::Error) -> String {
    let text = error.to_string();
    // Search the message only: the full text also quotes a line of the file.
    let message = error.message();
    let Some((_, names)) = message.split_once("unknown ") else {
        return text;
    };
    if message.contains("did you mean") {
        return text;
    }
    // Every second piece is between backticks.
    let mut names = names.split('`').skip(1).step_by(2);
    let got = names.next().unwrap_or_default();
    let suggestion = nearest(got, names);
    format!("{}{suggestion}", text.trim_end())
}

/// Applies `section.key=value` to a run file. The value is TOML, or else a string.
pub(super) fn set(table: &mut Table, text: &str) -> Result<(), String> {
    let rule = "expected section.key=value";
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| format!("{rule}, but got `{text}`"))?;
    let (section, key) = key
        .trim()
        .split_once('.')
        .ok_or_else(|| format!("{rule}, but got `{text}`"))?;
    let value = value.trim();
    let value = format!("value = {value}")
        .parse::<Table>()
        .ok()
        .and_then(|mut parsed| parsed.remove("value"))
        .unwrap_or_else(|| Value::String(value.to_owned()));
    let section_table = table
        .entry(section)
        .or_insert_with(|| Value::Table(Table::new()))
        .as_table_mut()
        .ok_or_else(|| format!("{rule}, but `{section}` is not a section"))?;
    section_table.insert(key.to_owned(), value);
    Ok(())
}
