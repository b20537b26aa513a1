use std::collections::{HashMap, HashSet};

use crate::fields::time_format::{TimeFormat, guess_format};

/// Distinct cells of a column that are told apart; more count as "many".
const MAX_DISTINCT: usize = 100_000;
/// A numeric column with at most this many distinct values is a category: a code, a flag, a weekday.
const FEW: usize = 20;
/// An integer column with at most this many distinct values is a quantity, unless its name says otherwise.
const SOME: usize = 200;

/// What the sampled rows show about a column, for guessing its kind.
#[derive(Debug, Default)]
pub(crate) struct ColumnLook {
    name: String,
    num_cells: u64,
    /// For each distinct cell, the number of rows without and with a click.
    distinct: HashMap<Box<[u8]>, [u64; 2]>,
    num_texts: u64,
    num_fractions: u64,
    num_negatives: u64,
    /// The format that the first text is written in.
    time: Option<(TimeFormat, &'static str)>,
    /// The number of texts that are not times of that format.
    num_other_texts: u64,
    /// The number of cells that are seconds of the years 1989 to 2065.
    num_unix: u64,
}

impl ColumnLook {
    /// A column without rows.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Adds a cell that is not missing.
    pub(crate) fn add(&mut self, cell: &[u8], click: bool) {
        self.num_cells += 1;
        if let Some(counts) = self.distinct.get_mut(cell) {
            counts[usize::from(click)] += 1;
        } else if self.distinct.len() < MAX_DISTINCT {
            let counts = [u64::from(!click), u64::from(click)];
            self.distinct.insert(cell.into(), counts);
        }
        let text = std::str::from_utf8(cell).ok().map(str::trim);
        match text.and_then(|text| text.parse::<f64>().ok()) {
            Some(number) if number.is_finite() => {
                self.num_fractions += u64::from(number.fract() != 0.0);
                self.num_negatives += u64::from(number < 0.0);
                self.num_unix += u64::from((6e8..3e9).contains(&number));
            }
            _ => self.add_text(text.unwrap_or_default()),
        }
    }

    fn add_text(&mut self, text: &str) {
        self.num_texts += 1;
        if self.num_texts == 1 {
            self.time = guess_format(text);
        }
        let is_time = self
            .time
            .as_ref()
            .is_some_and(|(format, _)| format.parse(text).is_some());
        self.num_other_texts += u64::from(!is_time);
    }

    /// The number of distinct cells, at most [`MAX_DISTINCT`].
    pub(crate) fn num_distinct(&self) -> usize {
        self.distinct.len()
    }

    /// The number of distinct cells, in words.
    pub(crate) fn num_distinct_text(&self) -> String {
        match self.distinct.len() {
            MAX_DISTINCT => format!("at least {MAX_DISTINCT}"),
            distinct => distinct.to_string(),
        }
    }

    /// Rows per distinct cell.
    fn repeats(&self) -> f64 {
        self.num_cells as f64 / self.distinct.len().max(1) as f64
    }

    /// Whether a cell is not a number.
    pub(crate) fn has_texts(&self) -> bool {
        self.num_texts > 0
    }

    /// Whether nearly every row has a value of its own.
    pub(crate) fn hardly_repeats(&self) -> bool {
        self.repeats() < 1.1 && self.num_cells > 100
    }

    /// Whether there are as few values as a code or a flag has.
    pub(crate) fn has_few_values(&self) -> bool {
        self.distinct.len() <= FEW
    }

    /// Whether a number is not an integer.
    pub(crate) fn has_fractions(&self) -> bool {
        self.num_fractions > 0
    }

    /// Whether integers look like amounts rather than ids.
    pub(crate) fn is_quantity(&self) -> bool {
        self.num_negatives > 0 || self.distinct.len() <= SOME || self.repeats() < 5.0
    }

    /// Whether the column has the name of an id or a code.
    pub(crate) fn is_named_as_category(&self) -> bool {
        is_id_name(&self.name) || is_category_name(&self.name)
    }

    /// The format of a column of times.
    pub(crate) fn time_format(&self) -> Option<&'static str> {
        if self.has_texts() {
            let all_times = self.num_other_texts == 0 && self.num_texts == self.num_cells;
            return self
                .time
                .as_ref()
                .map(|(_, format)| *format)
                .filter(|_| all_times);
        }
        let all_unix = self.num_unix == self.num_cells && !self.has_few_values();
        (all_unix && is_time_name(&self.name)).then_some("unix")
    }

    /// The separator of cells that hold several tokens, and the number of distinct tokens: a tenth of the
    /// rows has the separator, and there are at most half as many tokens as texts.
    pub(crate) fn separator(&self) -> Option<(&'static str, usize)> {
        ["|", ";"].into_iter().find_map(|separator| {
            let (mut rows, mut tokens) = (0, HashSet::new());
            for (cell, counts) in &self.distinct {
                let cell = std::str::from_utf8(cell).unwrap_or_default();
                if cell.contains(separator) {
                    rows += counts[0] + counts[1];
                }
                tokens.extend(cell.split(separator));
            }
            let several = rows * 10 >= self.num_cells && tokens.len() * 2 <= self.distinct.len();
            several.then_some((separator, tokens.len()))
        })
    }
}

/// Whether columns with this name hold codes, whatever their numbers look like.
fn is_category_name(name: &str) -> bool {
    const NAMES: [&str; 24] = [
        "country",
        "city",
        "region",
        "state",
        "zip",
        "zipcode",
        "postcode",
        "user",
        "item",
        "site",
        "app",
        "page",
        "domain",
        "device",
        "model",
        "brand",
        "category",
        "type",
        "channel",
        "campaign",
        "creative",
        "advertiser",
        "publisher",
        "code",
    ];
    ends_with_word(name, &NAMES)
}

/// `timestamp`, `created_at`, `click_time`, `date`.
fn is_time_name(name: &str) -> bool {
    ends_with_word(name, &["time", "timestamp", "date", "datetime", "at", "ts"])
}

/// Whether the last word of a name is one of these.
fn ends_with_word(name: &str, words: &[&str]) -> bool {
    let name = name.to_ascii_lowercase();
    words.contains(&name.rsplit(['_', '-', '.', ' ']).next().unwrap_or_default())
}

/// `id`, `user_id`, `userId`, `UserID`, `user-id`.
fn is_id_name(name: &str) -> bool {
    let Some(stem) = name.len().checked_sub(2).and_then(|at| name.get(..at)) else {
        return false;
    };
    match &name[stem.len()..] {
        "id" => stem.is_empty() || stem.ends_with(['_', '-', '.', ' ']),
        "Id" | "ID" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_recognized_by_the_end_of_its_name() {
        assert!(
            ["id", "user_id", "userId", "UserID", "user-id"]
                .into_iter()
                .all(is_id_name)
        );
        assert!(
            !["paid", "grid", "identity", "d", ""]
                .into_iter()
                .any(is_id_name)
        );
    }
}
