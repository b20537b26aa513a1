//! A cache that cannot be opened now, but is intact, is not deleted. The test is alone in its
//! process, whose limit of open files it lowers.
#![cfg(unix)]

use std::fs;

use fibinet_data::config::DataConfig;
use fibinet_data::prepare::{Progress, prepare_cached};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[test]
fn a_process_out_of_descriptors_keeps_the_cache() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("train.csv");
    fs::write(&log, "y,a\n1,p\n0,q\n").expect("written");
    let config: DataConfig = toml::from_str(&format!(
        "train = {log:?}\nvalid = {log:?}\nlabel = 'y'\n\
         [[fields]]\nname = 'a'\nkind = 'categorical'"
    ))
    .expect("a config");
    let spec = config.validate().expect("a valid config");
    let cache = directory.path().join("cache");
    let mut reused = false;
    let mut run = || {
        let prepared = prepare_cached(&spec, None, &cache, |progress| {
            reused |= progress == Progress::Reused;
        });
        (prepared, std::mem::take(&mut reused))
    };
    let (_, prepared) = run().0.expect("prepared");
    let manifest = fs::metadata(prepared.join("prepared.toml")).expect("a manifest");

    let limit = getrlimit(Resource::Nofile);
    let none_left = Rlimit {
        current: Some(0),
        ..limit
    };
    setrlimit(Resource::Nofile, none_left).expect("a lower limit");
    let (refused, _) = run();
    setrlimit(Resource::Nofile, limit).expect("the old limit");
    let error = refused.expect_err("no file can be opened").to_string();
    assert!(error.contains("Too many open files"), "{error}");

    let still = fs::metadata(prepared.join("prepared.toml")).expect("the same manifest");
    assert_eq!(
        still.modified().expect("a time"),
        manifest.modified().expect("a time")
    );
    let (again, reused) = run();
    assert_eq!(again.expect("opened").1, prepared);
    assert!(reused);
}
