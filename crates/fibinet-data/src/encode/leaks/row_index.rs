use crate::encode::leaks::sample::CellKey;
use crate::encode::leaks::values::Values;
use crate::fields::look::names;

/// Fewer rows may hold distinct integers by chance.
const MIN_ROWS: usize = 100;
/// A column with at most this many distinct integers is not an index, whatever its name.
const FEW: usize = 20;
/// The greatest length of the range of an index, in rows of the log: a part of a log keeps the index
/// of the whole.
const MAX_ROOM: f64 = 2.0;

/// Integers without a repeat are distinct in the whole log if random ones would repeat this often in the sample.
const MIN_REPEATS: f64 = 20.0;

/// Why a column is a row index.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum RowIndex {
    /// It has the name that pandas gives an index.
    Named,
    /// Its integers are distinct and this far apart.
    Step(u64),
}

impl RowIndex {
    /// Whether a column without a time counts the rows. `num_rows` is the length of the log.
    pub(super) fn of(name: &str, values: &Values, num_rows: u64) -> Option<Self> {
        let integers = values.cells.iter().map(|cell| match cell {
            CellKey::Integer(integer) => Some(*integer),
            _ => None,
        });
        let integers: Vec<i64> = integers.collect::<Option<_>>()?;
        if is_pandas_index(name) && integers.len() > FEW {
            return Some(Self::Named);
        }
        let repeats = values.totals().any(|(_, total)| total[0] + total[1] > 1);
        if repeats || integers.len() < MIN_ROWS {
            return None;
        }
        let (min, max) = (*integers.iter().min()?, *integers.iter().max()?);
        let is_time = is_epoch(min) && is_epoch(max) && !names::is_id(name);
        if is_time || is_time_name(name) {
            return None;
        }
        let offsets = integers.iter().map(|integer| integer.abs_diff(min));
        let step = offsets.fold(0, greatest_common_divisor);
        let room = max.abs_diff(min) as f64 / step as f64 + 1.0;
        let ascends = integers.is_sorted() || integers.is_sorted_by(|a, b| a >= b);
        let is_index = room <= MAX_ROOM * num_rows as f64
            && (ascends || expected_repeats(integers.len(), room) >= MIN_REPEATS);
        is_index.then_some(Self::Step(step))
    }
}

/// The number of pairs of equal integers among so many that are drawn at random from a range.
fn expected_repeats(num_integers: usize, room: f64) -> f64 {
    (num_integers as f64).powi(2) / (2.0 * room)
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The empty name, `Unnamed: 0`, and `__index_level_0__` of Parquet files.
fn is_pandas_index(name: &str) -> bool {
    let counted = |rest: Option<&str>| {
        rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    };
    name.is_empty()
        || counted(name.strip_prefix("Unnamed: "))
        || counted(name.strip_prefix("__index_level_"))
}

/// Whether a number is a time of the years 1989 to 2065 in seconds, or in thousandths, millionths or
/// billionths of them.
fn is_epoch(number: i64) -> bool {
    (0..4).any(|power| {
        let unit = 1000_i64.pow(power);
        (600_000_000 * unit..3_000_000_000 * unit).contains(&number)
    })
}

/// `timestamp`, `createdAt`, `elapsed_ms`.
fn is_time_name(name: &str) -> bool {
    names::is_time(name) || names::has_word(name, &["sec", "secs", "seconds", "ms", "us", "ns"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(cells: impl IntoIterator<Item = CellKey>) -> Values {
        let mut values = Values::default();
        for cell in cells {
            let known = values.cells.iter().position(|known| *known == cell);
            let index = known.unwrap_or_else(|| {
                values.cells.push(cell);
                values.counts.push(Default::default());
                values.cells.len() - 1
            });
            values.counts[index][0][0] += 1;
        }
        values
    }

    fn index(name: &str, integers: impl IntoIterator<Item = i64>) -> Option<RowIndex> {
        let values = values(integers.into_iter().map(CellKey::Integer));
        let rows = values.totals().map(|(_, total)| total[0]).sum();
        RowIndex::of(name, &values, rows)
    }

    #[test]
    fn integers_of_one_step_are_an_index() {
        assert_eq!(index("row_id", 0..4000), Some(RowIndex::Step(1)));
        let long = (0..4000).map(|row| 100_000_000_000_000_000 + 7 * row);
        assert_eq!(index("id", long), Some(RowIndex::Step(7)));
        // Shuffled and descending ones too.
        assert_eq!(
            index("n", (0..4000).map(|row| row * 1234 % 4001)),
            Some(RowIndex::Step(1))
        );
        assert_eq!(index("n", (-300..0).rev()), Some(RowIndex::Step(1)));
    }

    #[test]
    fn the_index_of_a_longer_table_is_an_index() {
        let part = (0..5000).filter(|row| crate::mix::mix(1, *row as u64) % 10 < 8);
        assert_eq!(index("n", part), Some(RowIndex::Step(1)));
        let thinned = [0, 1].into_iter().chain((1..1000).map(|row| 977 * row));
        let thinned = values(thinned.map(CellKey::Integer));
        assert_eq!(RowIndex::of("n", &thinned, 1000), None);
        assert_eq!(
            RowIndex::of("n", &thinned, 1_000_000),
            Some(RowIndex::Step(1))
        );
    }

    #[test]
    fn other_integers_are_not_an_index() {
        // Ten-digit phone numbers, and a quantity that repeats.
        let phones = (0..4000_u64)
            .map(|row| 2_000_000_000 + (crate::mix::mix(3, row) % 8_000_000_000) as i64);
        assert_eq!(index("phone", phones), None);
        assert_eq!(index("age", (0..4000).map(|row| 18 + row % 3000)), None);
        assert_eq!(index("n", 0..99), None);
        // Users of a log of which few rows are seen: none of them twice.
        let users = (0..1000).map(|row| (crate::mix::mix(5, row) % 1_000_000) as i64);
        let users: std::collections::BTreeSet<i64> = users.collect();
        let mut users: Vec<i64> = users.into_iter().collect();
        users.reverse();
        users.swap(3, 700);
        let users = values(users.into_iter().map(CellKey::Integer));
        assert_eq!(RowIndex::of("user_id", &users, 1_000_000), None);
        let missing = (0..4000).map(CellKey::Integer).chain([CellKey::Missing]);
        assert_eq!(RowIndex::of("n", &values(missing), 4001), None);
    }

    #[test]
    fn a_time_is_not_an_index() {
        assert_eq!(
            index("minute", (0..4000).map(|row| 1_700_000_000 + 60 * row)),
            None
        );
        assert_eq!(
            index("t", (0..4000).map(|row| 1_700_000_000_000 + row)),
            None
        );
        assert_eq!(index("elapsed_ms", 0..4000), None);
        assert_eq!(index("eventTime", (0..4000).map(|row| 3 * row)), None);
        let ids = (0..4000).map(|row| 1_700_000_000 + row);
        assert_eq!(index("impression_id", ids), Some(RowIndex::Step(1)));
    }

    #[test]
    fn a_column_without_a_header_is_an_index_only_with_many_integers() {
        for name in ["", "Unnamed: 0", "Unnamed: 0.1", "__index_level_0__"] {
            // As after pandas.concat of two frames.
            let twice = (0..50).chain(0..50);
            assert_eq!(index(name, twice), Some(RowIndex::Named), "{name:?}");
            assert_eq!(index(name, (0..100).map(|row| row % 5)), None, "{name:?}");
        }
        let texts = values((0..100).map(CellKey::Text));
        assert_eq!(RowIndex::of("Unnamed: 3", &texts, 100), None);
        assert_eq!(index("Unnamed", (0..50).chain(0..50)), None);
    }
}
