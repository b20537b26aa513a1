use std::sync::Arc;

use parquet::basic::{ConvertedType, Repetition, Type as PhysicalType};
use parquet::schema::types::Type;

use crate::config::schema::Pooling;

/// The name of the groups' column.
pub(crate) const GROUP: &str = "__group";

/// The columns of [`Shards`](crate::Shards).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardLayout {
    /// The name of the labels' column.
    pub label: String,
    /// Whether rows have groups.
    pub grouped: bool,
    /// The fields.
    pub fields: Vec<FieldLayout>,
}

/// What a model sees of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldLayout {
    /// The field's name.
    pub name: String,
    /// The number of ids, which all of the field's ids are below; none for a field of numbers.
    pub num_ids: Option<usize>,
    /// How the vectors of its ids become one, where a row has several.
    pub pooling: Option<Pooling>,
}

/// How many fields have one id a row, and how many have a number.
pub(crate) fn widths(fields: &[FieldLayout]) -> [usize; 2] {
    let count = |is: fn(&FieldLayout) -> bool| fields.iter().filter(|field| is(field)).count();
    [
        count(|field| field.num_ids.is_some() && field.pooling.is_none()),
        count(|field| field.num_ids.is_none()),
    ]
}

pub(crate) fn schema(layout: &ShardLayout) -> Arc<Type> {
    let float = (PhysicalType::FLOAT, ConvertedType::NONE);
    let id = (PhysicalType::INT32, ConvertedType::UINT_32);
    let hash = (PhysicalType::INT64, ConvertedType::UINT_64);
    let column = |name: &str, (physical, converted)| {
        let built = Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::REQUIRED)
            .with_converted_type(converted)
            .build();
        Arc::new(built.expect("a required number is a proper column"))
    };
    let group = |name: &str, repetition, converted, field| {
        let built = Type::group_type_builder(name)
            .with_repetition(repetition)
            .with_converted_type(converted)
            .with_fields(vec![field])
            .build();
        Arc::new(built.expect("one field makes a group"))
    };
    let of_field = |field: &FieldLayout| {
        match (field.num_ids, field.pooling) {
            (None, _) => return column(&field.name, float),
            (Some(_), None) => return column(&field.name, id),
            (Some(_), Some(_)) => {}
        }
        let element = column("element", id);
        let list = group("list", Repetition::REPEATED, ConvertedType::NONE, element);
        group(&field.name, Repetition::REQUIRED, ConvertedType::LIST, list)
    };
    let columns = std::iter::once(column(&layout.label, float))
        .chain(layout.grouped.then(|| column(GROUP, hash)))
        .chain(layout.fields.iter().map(of_field))
        .collect();
    let root = Type::group_type_builder("rows")
        .with_fields(columns)
        .build();
    Arc::new(root.expect("columns make a group"))
}
