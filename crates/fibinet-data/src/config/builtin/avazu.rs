use crate::config::row_format::RowFormat;
use crate::fields::{FieldSpec, TimePart, Timestamp};

const MIN_COUNT: u64 = 2;

const CATEGORIES: [&str; 21] = [
    "C1",
    "banner_pos",
    "site_id",
    "site_domain",
    "site_category",
    "app_id",
    "app_domain",
    "app_category",
    "device_id",
    "device_ip",
    "device_model",
    "device_type",
    "device_conn_type",
    "C14",
    "C15",
    "C16",
    "C17",
    "C18",
    "C19",
    "C20",
    "C21",
];

pub(super) fn format() -> RowFormat {
    RowFormat::csv("click")
}

pub(super) fn fields() -> Vec<FieldSpec> {
    let hour = Timestamp {
        format: "%y%m%d%H".to_owned(),
        parts: TimePart::ALL.to_vec(),
    };
    let categories = CATEGORIES.map(|name| FieldSpec::categorical(name, MIN_COUNT));
    std::iter::once(FieldSpec::new("hour", hour))
        .chain(categories)
        .collect()
}
