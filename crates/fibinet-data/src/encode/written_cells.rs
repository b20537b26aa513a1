use crate::cell::Number;
use crate::encode::vocabulary::Vocabulary;
use crate::fields::cell_counts::{Examples, Unusual};
use crate::fields::cells::{FIRST_TOKEN, MISSING, OUT_OF_VOCABULARY};
use crate::fields::column_counter::ColumnCounter;
use crate::fields::kind::{OUT_OF_RANGE, REWRITTEN};
use crate::shards::batch::IdLists;
use crate::shards::columns::Column;

/// Cells of a field before they are encoded: numbers, and the slots of tokens.
pub(crate) struct WrittenCells(Column);

impl WrittenCells {
    /// The cells of some rows of a column; `None` if there is no row, or its ids are not those of
    /// [texts of cells](crate::fields::kind::FieldKind::HAS_TOKENS).
    pub(crate) fn of(column: &Column, rows: &[u32], has_tokens: bool) -> Option<Self> {
        let are_numbers = matches!(column, Column::Numbers(_) | Column::Unscaled(_));
        if rows.is_empty() || !(has_tokens || are_numbers) {
            return None;
        }
        let rows = rows.iter().map(|row| *row as usize);
        Some(Self(match column {
            Column::Ids(ids) => Column::Ids(rows.map(|row| ids[row]).collect()),
            Column::Numbers(numbers) => Column::Numbers(rows.map(|row| numbers[row]).collect()),
            Column::Unscaled(numbers) => Column::Unscaled(rows.map(|row| numbers[row]).collect()),
            Column::Lists(lists) => {
                let mut of_rows = IdLists::default();
                rows.for_each(|row| of_rows.push(lists.row(row)));
                Column::Lists(of_rows)
            }
        }))
    }

    /// The first unusual ones that `counter` has found among these cells, as far as their texts are known (those
    /// of hashes and of empty cells are not) and no examples are `known`.
    pub(crate) fn examples(
        &self,
        counter: &ColumnCounter<'_>,
        vocabulary: &Vocabulary,
        field: usize,
        known: &Examples,
    ) -> Examples {
        let example = |unusual: Unusual| {
            if known.contains_key(&unusual) {
                return None;
            }
            let at = counter.first_of_test(unusual)?;
            let text = match &self.0 {
                Column::Ids(ids) => vocabulary.text_of_slot(field, slot(ids[at])?)?,
                Column::Lists(lists) => {
                    let ids_by_slot = vocabulary.ids_by_slot(field);
                    let mut slots = lists.row(at).iter().filter_map(|id| slot(*id));
                    let slot = slots.find(|slot| is(ids_by_slot[*slot], unusual))?;
                    vocabulary.text_of_slot(field, slot)?
                }
                Column::Unscaled(numbers) => number_text(numbers[at]),
                Column::Numbers(numbers) => number_text(numbers[at].into()),
            };
            Some((unusual, text))
        };
        Unusual::ALL.into_iter().filter_map(example).collect()
    }
}

/// A number as people write it: `17`, `0.5`, `1e+300`.
fn number_text(number: f64) -> String {
    let mut text = Vec::new();
    Number::Double(number).write_as_python(&mut text);
    let text = String::from_utf8_lossy(&text);
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

fn slot(id: u32) -> Option<usize> {
    id.checked_sub(FIRST_TOKEN).map(|slot| slot as usize)
}

/// Whether a text with this number in its token table is unusual in this way.
fn is(number: u64, unusual: Unusual) -> bool {
    let id = (number as u32).max(OUT_OF_VOCABULARY);
    match unusual {
        Unusual::Unknown => id == OUT_OF_VOCABULARY,
        Unusual::Missing => id == MISSING,
        Unusual::OutOfRange => number & OUT_OF_RANGE != 0,
        Unusual::Rewritten => number & REWRITTEN != 0,
    }
}
