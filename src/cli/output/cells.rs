use fibinet::data::encode::{FieldCells, Surprise, Unusual};

/// The number of fields that a table shows.
const SHOWN: usize = 20;
/// A smaller share of cells out of range is not shown by itself: a few numbers are beyond those of the training rows.
const LEAST_OUT_OF_RANGE: f64 = 0.001;
/// In the place of unknown cells, for a field that cannot tell them.
const UNTOLD: &str = "cannot tell";
/// The number of fields that a warning names.
const NAMED: usize = 5;

/// A table of the unusual cells of fields that have any, those with the most first. With several splits, their
/// shares stand beside each other. `None` if no cell is unusual, or few are out of range.
pub(crate) fn cell_table(splits: &[&[FieldCells]]) -> Option<String> {
    let fields = splits.first().map_or(0, |fields| fields.len());
    let mut rows: Vec<(f64, String)> = Vec::new();
    for field in 0..fields {
        let of_splits: Vec<&FieldCells> = splits
            .iter()
            .filter_map(|fields| fields.get(field))
            .collect();
        let shown = |cells: &&FieldCells, of| match cells.unusual_share(of) {
            share if of == Unusual::OutOfRange && share < LEAST_OUT_OF_RANGE => 0.0,
            share => share,
        };
        let most = of_splits
            .iter()
            .flat_map(|cells| Unusual::ALL.map(|of| shown(cells, of)));
        let most = most.fold(0.0, f64::max);
        if most > 0.0 {
            rows.push((most, row(&of_splits)));
        }
    }
    let untold = splits.first().map_or(0, |fields| {
        fields
            .iter()
            .filter(|cells| cells.unknown().is_none())
            .count()
    });
    if rows.is_empty() {
        return (untold > 0).then(|| untold_line(untold));
    }
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let more = rows.len().saturating_sub(SHOWN);
    let header = line(
        "cells of the field",
        Unusual::ALL.map(|of| of.name().to_owned()),
    );
    let rows = rows.into_iter().take(SHOWN).map(|(_, row)| row);
    let mut lines: Vec<String> = [header].into_iter().chain(rows).collect();
    if more > 0 {
        lines.push(format!("and {more} other fields with fewer"));
    }
    if untold > 0 {
        lines.push(untold_line(untold));
    }
    Some(lines.join("\n"))
}

fn untold_line(fields: usize) -> String {
    format!("hashed fields cannot tell which values are unknown: {fields}")
}

fn row(of_splits: &[&FieldCells]) -> String {
    let shares = Unusual::ALL.map(|unusual| {
        let share = |cells: &&FieldCells| match cells.unknown() {
            None if unusual == Unusual::Unknown => UNTOLD.to_owned(),
            _ => percent(cells.unusual_share(unusual)),
        };
        let mut shares: Vec<String> = of_splits.iter().map(share).collect();
        shares.dedup_by(|a, b| a == b && a == UNTOLD);
        shares.join(" / ")
    });
    let name = of_splits.first().map_or("", |cells| &cells.field);
    line(name, shares)
}

fn line(name: &str, columns: [String; 4]) -> String {
    let [unknown, missing, out_of_range, rewritten] = columns;
    format!("{name:<24}  {unknown:>15}  {missing:>15}  {out_of_range:>15}  {rewritten:>15}")
}

/// A share, of which the least is not shown as none.
fn percent(share: f64) -> String {
    match 100.0 * share {
        0.0 => "0%".to_owned(),
        percent if percent < 0.1 => "<0.1%".to_owned(),
        percent => format!("{percent:.1}%"),
    }
}

/// A warning about fields with far more unusual cells than the validation rows had, the most surprising first.
/// `whose` says whose cells they are, as in `this file has`.
pub(crate) fn surprise_line(surprises: &[Surprise], whose: &str) -> Option<String> {
    let (first, others) = surprises.split_first()?;
    // A rewritten cell has its value all the same.
    let kind = match first.unusual {
        Unusual::Rewritten => "note",
        _ => "warning",
    };
    let mut line = format!("{kind}: {}", first.describe(whose));
    let named = others.iter().take(NAMED - 1).map(|other| {
        let share = 100.0 * other.share;
        format!("`{}` ({share:.0}% {})", other.field, other.unusual.name())
    });
    let mut named: Vec<String> = named.collect();
    if let Some(more) = others.len().checked_sub(NAMED) {
        named.push(format!("{} more", more + 1));
    }
    if !named.is_empty() {
        line += &format!("; also {}", named.join(", "));
    }
    Some(line)
}
