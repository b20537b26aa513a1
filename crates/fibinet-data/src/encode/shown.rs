/// The number of characters of a cell that a message shows.
const SHOWN: usize = 40;

/// The beginning of a cell between backticks, on one line.
pub(crate) fn shown(cell: &str) -> String {
    let start: String = cell.chars().take(SHOWN).collect();
    format!("`{}`", start.escape_debug())
}
