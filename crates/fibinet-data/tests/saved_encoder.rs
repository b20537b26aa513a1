//! An encoder whose vocabulary is mapped can be written over the files that it was opened from.

use std::fs;
use std::path::Path;

use fibinet_data::config::DataConfig;
use fibinet_data::encode::Encoder;
use fibinet_data::prepare::prepare;

fn files(encoder: &Path) -> [Vec<u8>; 2] {
    ["fields.toml", "vocabulary.fst"]
        .map(|file| fs::read(encoder.join(file)).expect("a file of the encoder"))
}

#[test]
fn an_encoder_can_be_saved_where_it_was_opened() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("train.csv");
    // A vocabulary of many pages: one that has not been read yet is gone when its file is truncated.
    let rows: String = (0..20_000).map(|i| format!("{},t{i}\n", i % 2)).collect();
    fs::write(&log, format!("y,a\n{rows}")).expect("written");
    let config: DataConfig = toml::from_str(&format!(
        "train = {log:?}\nvalid = {log:?}\nlabel = 'y'\n\
         [[fields]]\nname = 'a'\nkind = 'categorical'"
    ))
    .expect("a config");
    let spec = config.validate().expect("a valid config");
    let first = directory.path().join("first");
    prepare(&spec, None, &first, |_| ()).expect("prepared");

    let encoder = first.join("encoder");
    let before = files(&encoder);
    let opened = Encoder::open(&encoder).expect("an encoder");
    opened.save(&encoder).expect("saved over its own files");
    assert_eq!(files(&encoder), before);

    // Every token is read from the old file, which only its mapping still holds.
    let second = directory.path().join("second");
    prepare(&spec, Some(&opened), &second, |_| ()).expect("prepared");
    assert_eq!(files(&second.join("encoder")), before);
}
