//! How the cells of a field become ids or numbers.

pub(crate) mod time;
