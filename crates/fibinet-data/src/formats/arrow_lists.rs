use arrow_array::{Array, ListArray};

use crate::cell::{Cell, Elements};

/// A column of lists.
#[derive(Debug)]
pub(crate) struct Lists {
    elements: Elements,
    /// Where the elements of each cell begin and end; a null has none.
    bounds: Vec<(u32, u32)>,
}

impl Lists {
    /// Lists of these elements, with the bounds and nulls of an array.
    pub(crate) fn new(array: &ListArray, elements: Elements) -> Self {
        // Offsets are not negative.
        let bounds = array.value_offsets().windows(2).enumerate();
        let bounds = bounds.map(|(row, bounds)| match array.is_valid(row) {
            true => (bounds[0] as u32, bounds[1] as u32),
            false => (0, 0),
        });
        Self {
            elements,
            bounds: bounds.collect(),
        }
    }

    // Kept out of the path of other cells.
    #[inline(never)]
    pub(crate) fn cell(&self, row: usize) -> Cell<'_> {
        let (start, end) = self.bounds[row];
        self.elements.list(start, end)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::Arc;

    use arrow_array::builder::{Float64Builder, ListBuilder, StringBuilder};
    use parquet::basic::Type as PhysicalType;
    use parquet::schema::types::{ColumnDescriptor, ColumnPath, Type};

    use crate::formats::arrow_cells::{Cells, ColumnType};

    fn column_of(array: &ListArray) -> Lists {
        let leaf = Type::primitive_type_builder("x", PhysicalType::BYTE_ARRAY).build();
        let path = ColumnPath::from("x");
        let leaf = ColumnDescriptor::new(Arc::new(leaf.unwrap()), 0, 0, path);
        let column = ColumnType {
            leaf: Arc::new(leaf),
            zone: None,
        };
        Lists::new(
            array,
            Elements::new(Cells::new(array.values().as_ref(), &column).unwrap()),
        )
    }

    /// A column of one list of texts.
    pub(crate) fn texts(elements: &[Option<&str>]) -> Lists {
        let mut array = ListBuilder::new(StringBuilder::new());
        array.append_value(elements.iter().copied());
        column_of(&array.finish())
    }

    /// A column of one list of numbers.
    pub(crate) fn doubles(elements: &[Option<f64>]) -> Lists {
        let mut array = ListBuilder::new(Float64Builder::new());
        array.append_value(elements.iter().copied());
        column_of(&array.finish())
    }

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut text = Vec::new();
        write(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn elements_are_cells() {
        let texts = texts(&[Some("a|b"), None, Some("")]);
        let Cell::List(list) = texts.cell(0) else {
            panic!("expected a list, got {:?}", texts.cell(0));
        };
        let expected = [Cell::Text(b"a|b"), Cell::MISSING, Cell::MISSING];
        assert!(list.elements().eq(expected));
        let doubles = doubles(&[Some(1.0), None, Some(f64::NAN), Some(0.5)]);
        let Cell::List(list) = doubles.cell(0) else {
            panic!("expected a list, got {:?}", doubles.cell(0));
        };
        let expected = [1.0.into(), Cell::MISSING, Cell::MISSING, 0.5.into()];
        assert!(list.elements().eq(expected));
    }

    #[test]
    fn a_null_and_an_empty_list_are_missing() {
        let mut array = ListBuilder::new(StringBuilder::new());
        array.append_value([Some("a"), Some("b")]);
        array.append_null();
        array.append_value::<[Option<&str>; 0], _>([]);
        array.append_value([Some("c")]);
        let array = array.finish();
        let lists = column_of(&array);
        let cells = [1, 2].map(|row| lists.cell(row));
        assert_eq!(cells, [Cell::MISSING; 2]);
        assert_eq!(text(|text| lists.cell(3).write(text)), "c");
        // The offsets of a slice do not begin at 0.
        let slice = column_of(&array.slice(2, 2));
        assert_eq!(slice.cell(0), Cell::MISSING);
        assert_eq!(slice.cell(1), lists.cell(3));
    }

    #[test]
    fn a_list_is_written_with_bars_or_as_json() {
        let texts = texts(&[Some("a|b"), Some("c,\"d\""), None, Some("\\")]);
        let doubles = doubles(&[Some(1.0), None, Some(0.5)]);
        let written = [texts.cell(0), doubles.cell(0)].map(|cell| text(|text| cell.write(text)));
        assert_eq!(written, ["a|b|c,\"d\"||\\", "1||0.5"]);
        let json = [&texts, &doubles].map(|lists| match lists.cell(0) {
            Cell::List(list) => text(|text| list.write_json(text)),
            cell => panic!("expected a list, got {cell:?}"),
        });
        assert_eq!(json, [r#"["a|b","c,\"d\"",null,"\\"]"#, "[1,null,0.5]"]);
    }
}
