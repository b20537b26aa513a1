//! A log whose group column has the name that encoded files give to their groups.

use std::fs;

use fibinet_data::config::DataConfig;
use fibinet_data::prepare::prepare;
use fibinet_data::shards::Batch;

#[test]
fn a_group_column_may_be_called_as_in_encoded_files() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let rows: String = (0..40)
        .map(|i| format!("{},u{},s{}\n", i % 2, i % 4, i % 3))
        .collect();
    fs::write(at.join("log.csv"), format!("y,__group,site\n{rows}")).expect("a log");
    let text = format!(
        "train = {log:?}
        valid = {log:?}
        label = 'y'
        group = '__group'
        [[fields]]
        name = 'user'
        column = '__group'
        kind = 'categorical'
        [[fields]]
        name = 'site'
        kind = 'categorical'",
        log = at.join("log.csv")
    );
    let config: DataConfig = toml::from_str(&text).expect("a config");
    let spec = config.validate().expect("a valid config");
    let prepared = prepare(&spec, None, at, |_| ()).expect("prepared rows");
    let mut batch = Batch::default();
    let read = prepared.valid.read_row_group(0, &mut batch);
    read.expect("a row group");
    assert_eq!(batch.num_rows, 40);
    // Four users, each with a group of its own: users and groups pair up one to one.
    let mut pairs: Vec<(u32, u64)> = (0..40)
        .map(|row| (batch.ids[2 * row], batch.groups[row]))
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    assert_eq!(pairs.len(), 4);
    let mut groups: Vec<u64> = pairs.iter().map(|(_, group)| *group).collect();
    groups.sort_unstable();
    groups.dedup();
    assert_eq!(groups.len(), 4);
}
