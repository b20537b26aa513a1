use crate::config::delimiter::Delimiter;
use crate::config::row_format::RowFormat;
use crate::fields::{FieldSpec, Log2};

const MIN_COUNT: u64 = 10;

pub(super) fn format() -> RowFormat {
    let label = std::iter::once("label".to_owned());
    RowFormat {
        delimiter: Delimiter::tab(),
        columns: Some(label.chain(integers()).chain(categories()).collect()),
        ..RowFormat::csv("label")
    }
}

pub(super) fn fields() -> Vec<FieldSpec> {
    let min_count = MIN_COUNT;
    let integers = integers().map(|name| FieldSpec::new(name, Log2::new(min_count)));
    let categories = categories().map(|name| FieldSpec::categorical(name, min_count));
    integers.chain(categories).collect()
}

fn integers() -> impl Iterator<Item = String> {
    (1..=13).map(|i| format!("I{i}"))
}

fn categories() -> impl Iterator<Item = String> {
    (1..=26).map(|i| format!("C{i}"))
}
