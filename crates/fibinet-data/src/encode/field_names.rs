use std::collections::HashSet;

use crate::config::RowFormat;
use crate::encode::column_guess::ColumnGuess;
use crate::shards::layout::GROUP;

/// Gives guessed fields names of their own: the parts of a time `t` are `t.hour` and so on, which other
/// columns may be called, and encoded rows reserve the names of the label and of the groups.
pub(crate) fn name_apart(columns: &mut [ColumnGuess], format: &RowFormat) {
    let mut taken = HashSet::from([format.label.clone()]);
    if format.group.is_some() {
        taken.insert(GROUP.to_owned());
    }
    // A field that is its whole column keeps the column's name if it can.
    let (mut whole, mut parts): (Vec<_>, Vec<_>) = columns
        .iter_mut()
        .filter(|column| column.field.is_some())
        .partition(|column| names(column).len() == 1);
    for column in whole.iter_mut().chain(&mut parts) {
        rename(column, &taken);
        taken.extend(names(column));
    }
}

/// The names that the fields of a column have in the model.
fn names(column: &ColumnGuess) -> Vec<String> {
    let fields = column.field.iter().cloned();
    let fields = fields.flat_map(|field| field.expand());
    fields.map(|field| field.name).collect()
}

/// Appends a number to a field's name if a name of its own is taken.
fn rename(column: &mut ColumnGuess, taken: &HashSet<String>) {
    let is_taken = |name: &String| taken.contains(name);
    let Some(clash) = names(column).into_iter().find(is_taken) else {
        return;
    };
    for number in 2.. {
        if let Some(field) = &mut column.field {
            field.name = format!("{}_{number}", column.name);
        }
        if !names(column).iter().any(is_taken) {
            break;
        }
    }
    column.reason += &format!("; renamed, because `{clash}` is taken");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::{FieldSpec, TimePart, Timestamp};

    fn column(name: &str, is_time: bool) -> ColumnGuess {
        let time = Timestamp {
            format: "unix".to_owned(),
            parts: TimePart::ALL.to_vec(),
        };
        let field = if is_time {
            FieldSpec::new(name, time)
        } else {
            FieldSpec::categorical(name, 1)
        };
        ColumnGuess {
            name: name.to_owned(),
            field: Some(field),
            reason: "a guess".to_owned(),
            remark: None,
        }
    }

    fn renamed(columns: &[(&str, bool)], format: &RowFormat) -> Vec<String> {
        let columns = columns.iter().map(|(name, is_time)| column(name, *is_time));
        let mut columns: Vec<_> = columns.collect();
        name_apart(&mut columns, format);
        let fields = columns.into_iter().filter_map(|column| column.field);
        fields
            .map(|field| format!("{}={}", field.name, field.column))
            .collect()
    }

    #[test]
    fn a_time_makes_room_for_the_columns_called_like_its_parts() {
        let format = RowFormat::csv("t.weekend");
        let columns = [
            ("t", true),
            ("t_2.hour", false),
            ("u", true),
            ("u.week", false),
        ];
        assert_eq!(
            renamed(&columns, &format),
            ["t_3=t", "t_2.hour=t_2.hour", "u=u", "u.week=u.week"]
        );
    }

    #[test]
    fn the_name_of_the_groups_is_left_free_only_if_there_are_groups() {
        let mut format = RowFormat::csv("y");
        let columns = [("__group", false)];
        assert_eq!(renamed(&columns, &format), ["__group=__group"]);
        format.group = Some("__group".to_owned());
        assert_eq!(renamed(&columns, &format), ["__group_2=__group"]);
    }
}
