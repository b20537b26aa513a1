use std::sync::Arc;

use parquet::basic::{ConvertedType, Repetition, Type as PhysicalType};
use parquet::schema::types::Type;
use serde::{Deserialize, Serialize};

/// The name of the column of groups.
pub(crate) const GROUP: &str = "__group";

/// The columns of [`Shards`](crate::shards::Shards).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardLayout {
    /// The name of the column of labels.
    pub label: String,
    /// Whether rows have groups.
    pub grouped: bool,
    /// The fields.
    pub fields: Vec<FieldLayout>,
}

/// A field as a model sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldLayout {
    /// The field's name.
    pub name: String,
    /// What an encoded row holds for it.
    pub shape: FieldShape,
}

/// What an encoded row holds for a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldShape {
    /// One number.
    Number,
    /// One id.
    Id {
        /// The number of ids; every id of the field is below it.
        num_ids: usize,
    },
    /// One or more ids.
    Ids {
        /// The number of ids; every id of the field is below it.
        num_ids: usize,
        /// How their embeddings are combined into one.
        pooling: Pooling,
    },
}

impl FieldShape {
    /// The number of ids; `None` for a number.
    pub const fn num_ids(self) -> Option<usize> {
        match self {
            Self::Number => None,
            Self::Id { num_ids } | Self::Ids { num_ids, .. } => Some(num_ids),
        }
    }
}

/// How the embeddings of several ids are combined into one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// Their mean.
    #[default]
    Mean,
    /// Their sum.
    Sum,
    /// Their maximum in each dimension.
    Max,
}

/// The number of fields with one id per row, and the number of fields with a number.
pub(crate) fn widths(fields: &[FieldLayout]) -> [usize; 2] {
    let count = |is: fn(&FieldLayout) -> bool| fields.iter().filter(|field| is(field)).count();
    [
        count(|field| matches!(field.shape, FieldShape::Id { .. })),
        count(|field| matches!(field.shape, FieldShape::Number)),
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
        match field.shape {
            FieldShape::Number => return column(&field.name, float),
            FieldShape::Id { .. } => return column(&field.name, id),
            FieldShape::Ids { .. } => {}
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
