use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use crate::cli::{ADULT, shared_directory, succeed};

/// 4.4M dense parameters, above the size from which Burn's whole-tensor sums depend on threads.
const LARGE: [&str; 7] = [
    "--set",
    "model.embedding_dim=16",
    "model.hidden_units=[1500]",
    "train.epochs=1",
    "train.batch_size=512",
    "train.net_l2=0.001",
    "train.max_gradient_norm=0.1",
];

/// The files of a run that hold its weights and its history.
type Weights = [Vec<u8>; 3];

static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = shared_directory();
    succeed(
        &directory,
        &["init", ADULT, "--label", "label", "--members", "1"],
    );
    directory
});

/// For each device: seed 1, one thread.
static ONE_THREAD: LazyLock<Vec<(&str, Weights)>> = LazyLock::new(|| {
    let mut devices = vec!["flex"];
    devices.extend(cfg!(feature = "ndarray").then_some("ndarray"));
    let run = |device| (device, train(device, "one", "1", "1"));
    devices.into_iter().map(run).collect()
});

fn train(device: &str, out: &str, seed: &str, threads: &str) -> Weights {
    let at = DIRECTORY.as_path();
    let out = format!("{device}-{out}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_fibinet"));
    command.current_dir(at).env("RAYON_NUM_THREADS", threads);
    command
        .args(["train", "fibinet.toml", "--device", device])
        .args(["--seed", seed, "--out", &out])
        .args(LARGE);
    let output = command.output().expect("the binary runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let run = at.join(&out);
    let files = ["head.safetensors", "tables.safetensors", "history.jsonl"];
    let weights = files.map(|file| fs::read(run.join(file)).expect("a file of the run"));
    fs::remove_dir_all(run).expect("removed");
    weights
}

#[test]
fn two_threads_give_the_bits_of_one() {
    for (device, one) in ONE_THREAD.iter() {
        assert!(one[0].len() > 4 * 4_200_000, "{} bytes", one[0].len());
        let two = train(device, "two", "1", "2");
        assert!(two == *one, "{device}: two threads gave other weights");
    }
}

#[test]
fn the_same_run_gives_the_same_bits_again() {
    for (device, one) in ONE_THREAD.iter() {
        let again = train(device, "again", "1", "2");
        assert!(again == *one, "{device}: the same run gave other weights");
    }
}

#[test]
fn another_seed_gives_other_weights() {
    for (device, one) in ONE_THREAD.iter() {
        let other = train(device, "other", "2", "2");
        assert!(
            other != *one,
            "{device}: another seed gave the same weights"
        );
    }
}
