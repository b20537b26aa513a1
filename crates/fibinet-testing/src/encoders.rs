use std::fs;
use std::path::Path;

use fibinet_data::config::DataConfig;
use fibinet_data::encode::Encoder;
use fibinet_data::prepare::prepare;
use serde_json::json;

/// An encoder whose fields take ids as they are, and the log `log.csv` of `num_rows` equal rows that it was
/// fitted on, both in a directory. Each field of a row is id 7.
///
/// # Panics
///
/// If the directory cannot be written.
pub fn id_encoder(directory: &Path, num_fields: usize, num_ids: u32, num_rows: usize) -> Encoder {
    let names: Vec<String> = (0..num_fields).map(|field| format!("f{field}")).collect();
    let log = directory.join("log.csv");
    let row = format!("1,{}\n", vec!["7"; num_fields].join(","));
    let header = format!("click,{}\n", names.join(","));
    fs::write(&log, header + &row.repeat(num_rows)).expect("the log is written");
    let field = |name| json!({ "name": name, "kind": "id", "num_ids": num_ids });
    let fields: Vec<_> = names.iter().map(field).collect();
    let config = json!({ "train": log, "valid": log, "label": "click", "fields": fields });
    let config: DataConfig = serde_json::from_value(config).expect("a config");
    let spec = config.validate().expect("a valid config");
    let prepared = prepare(&spec, None, &directory.join("shards"), |_| {});
    prepared.expect("the log is prepared").encoder
}
