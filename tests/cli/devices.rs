//! `devices`, and `--device` of the commands that compute.

#[cfg(target_os = "linux")]
use std::collections::BTreeMap;
#[cfg(target_os = "linux")]
use std::fs;
use std::path::Path;
#[cfg(target_os = "linux")]
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use fibinet::nn::backend::Backend;
use fibinet_testing::skipped;
use serde_json::Value;

use super::settings::settings_are_refused;
use super::small::trained_directory;
use super::{closed_pipe, json, number, scratch, succeed};

/// What `devices --json` prints; every adapter is opened once for all tests.
static LISTED: LazyLock<Value> = LazyLock::new(|| {
    let directory = scratch();
    json(&succeed(directory.path(), &["devices", "--json"]))
});

/// The entries of a backend.
fn entries(backend: &str) -> Vec<&'static Value> {
    let devices = LISTED["devices"].as_array().expect("a list");
    let of_backend = devices.iter().filter(|entry| entry["backend"] == backend);
    of_backend.collect()
}

fn gpu_backends() -> impl Iterator<Item = Backend> {
    Backend::compiled().filter(|backend| !backend.is_cpu())
}

/// The adapters that can be used. A line says if there are none.
fn adapters() -> Vec<&'static Value> {
    let entries = gpu_backends().flat_map(|backend| entries(backend.name()));
    let adapters: Vec<&Value> = entries.filter(|entry| entry["error"].is_null()).collect();
    if adapters.is_empty() {
        skipped(
            "commands on a GPU",
            "this build has no GPU backend, or this machine no adapter",
        );
    }
    adapters
}

#[test]
fn flex_is_the_default_and_runs_kernels() {
    if !Backend::Flex.is_compiled_in() {
        return;
    }
    assert_eq!(LISTED["default"], "flex");
    let flex = entries("flex");
    assert_eq!(flex.len(), 1, "{flex:?}");
    assert_eq!(flex[0]["name"], "flex");
    assert_eq!(flex[0]["kind"], "cpu");
    assert_eq!(flex[0]["kernels"], true);
    assert!(number(flex[0], "threads") >= 1.0);
    let simd = flex[0]["simd"].as_str().expect("a text");
    assert!(["avx512", "avx2", "neon", "none"].contains(&simd), "{simd}");
}

#[test]
fn backends_are_listed_or_named_as_not_compiled_in() {
    let absent = LISTED["not_compiled_in"].as_array().expect("a list");
    for backend in Backend::compiled() {
        assert!(!entries(backend.name()).is_empty(), "{backend}");
        assert!(absent.iter().all(|name| name != backend.name()));
    }
    for backend in Backend::not_compiled() {
        assert!(entries(backend.name()).is_empty(), "{backend}");
        assert!(absent.iter().any(|name| name == backend.name()));
    }
}

#[test]
fn adapters_are_numbered_and_described() {
    for adapter in adapters() {
        let name = adapter["name"].as_str().expect("a name");
        assert!(name.contains(':'), "{adapter}");
        for key in ["kind", "adapter", "compiler"] {
            assert!(adapter[key].is_string(), "`{key}` of {adapter}");
        }
        let compiler = adapter["compiler"].as_str().expect("a text");
        assert!(
            ["spirv", "wgsl", "msl", "cuda"].contains(&compiler),
            "{adapter}"
        );
        assert!(adapter.get("memory_bytes").is_some(), "{adapter}");
        assert!(adapter["kernels"].is_boolean(), "{adapter}");
        assert!(adapter["matrix_units"].is_array(), "{adapter}");
        let limits = &adapter["limits"];
        for key in [
            "binding_bytes",
            "bindings",
            "workgroup_threads",
            "workgroup_memory_bytes",
        ] {
            assert!(number(limits, key) > 0.0, "`{key}` of {adapter}");
        }
        assert_eq!(limits["workgroups"].as_array().map(Vec::len), Some(3));
        assert_eq!(limits["plane_sizes"].as_array().map(Vec::len), Some(2));
    }
}

#[test]
fn adapters_of_vulkan_name_their_driver() {
    for adapter in adapters() {
        if adapter["backend"] == "vulkan" {
            assert!(adapter["driver"].is_string(), "{adapter}");
        }
    }
}

#[test]
fn text_has_the_devices_of_json() {
    let directory = scratch();
    let text = succeed(directory.path(), &["devices"]);
    for entry in LISTED["devices"].as_array().expect("a list") {
        let name = entry["name"].as_str().expect("a name");
        let line = |line: &str| line.split_whitespace().take(2).eq(["device", name]);
        assert!(text.lines().any(line), "no `{name}` in:\n{text}");
    }
    assert!(text.contains("(default)"), "{text}");
}

#[test]
fn text_of_a_build_without_gpus_says_what_adds_them() {
    let directory = scratch();
    let text = succeed(directory.path(), &["devices"]);
    let hint = "`--features vulkan` adds NVIDIA, AMD and Intel";
    assert_eq!(text.contains(hint), gpu_backends().count() == 0, "{text}");
}

#[test]
fn the_environment_names_the_default() {
    let directory = scratch();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fibinet"));
    command
        .current_dir(directory.path())
        .args(["devices", "--json"]);
    let output = command.env("BURN_DEVICE", "vulkan:1").output();
    let output = output.expect("the binary runs");
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(json(&stdout)["default"], "vulkan:1");
}

#[test]
fn the_default_of_a_gpu_backend_is_the_adapter_behind_it() {
    let Some(adapter) = adapters().into_iter().next() else {
        return;
    };
    let backend = adapter["backend"].as_str().expect("a name");
    let directory = scratch();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fibinet"));
    command.current_dir(directory.path()).arg("devices");
    let output = command.env("BURN_DEVICE", backend).output();
    let text = String::from_utf8(output.expect("the binary runs").stdout).expect("UTF-8");
    let mut lines = text.lines().filter(|line| line.ends_with("(default)"));
    let line = lines
        .next()
        .unwrap_or_else(|| panic!("no default in:\n{text}"));
    assert!(line.contains(&format!(" {backend}:")), "{line}");
    assert_eq!(lines.next(), None);
}

#[test]
fn a_listing_into_a_closed_pipe_is_a_success() {
    let directory = scratch();
    closed_pipe(directory.path(), &["devices"]);
    closed_pipe(directory.path(), &["devices", "--json"]);
}

#[test]
fn an_unknown_backend_with_a_number_gets_the_nearest_name() {
    settings_are_refused(
        &["--device", "vulcan:1"],
        "a similar value exists: 'vulkan'",
    );
}

#[test]
fn a_device_of_a_backend_that_is_not_compiled_in_names_its_feature() {
    for backend in Backend::not_compiled().filter(|backend| !backend.is_cpu()) {
        let says = format!("build with `--features {backend}`");
        settings_are_refused(&["--device", &format!("{backend}:1")], &says);
    }
}

#[test]
fn a_refused_device_points_to_the_list() {
    if let Some(backend) = Backend::not_compiled().next() {
        let says = "`fibinet devices` lists the devices of this machine";
        settings_are_refused(&["--device", backend.name()], says);
    }
}

#[test]
fn an_adapter_of_the_cpu_is_refused() {
    settings_are_refused(&["--device", "flex:0"], "`flex` runs on the CPU");
}

#[test]
fn an_adapter_that_is_no_number_is_refused() {
    let says = "expected the number of an adapter or `cpu` after `vulkan:`, got `vulkan:first`";
    settings_are_refused(&["--device", "vulkan:first"], says);
}

#[test]
fn a_number_that_no_adapter_has_is_refused_with_those_that_there_are() {
    for backend in gpu_backends() {
        let adapters = entries(backend.name());
        let finds = if adapters[0]["name"] == backend.name() {
            "finds no adapter".to_owned()
        } else {
            format!("finds `{backend}:0`")
        };
        settings_are_refused(&["--device", &format!("{backend}:99")], &finds);
    }
}

/// The scores of rows on a device.
fn scores_on(directory: &Path, device: &str) -> Vec<f32> {
    let predict = ["predict", "run", "--data", "good.csv", "-o", "-"];
    let scores = succeed(directory, &[&predict[..], &["--device", device]].concat());
    let scores = scores.lines().skip(1);
    scores
        .map(|score| score.parse().expect("a number"))
        .collect()
}

/// The files that are kept for later runs, and what is in them.
#[cfg(target_os = "linux")]
fn kept_files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.append(&mut kept_files(&path));
        } else {
            files.insert(path.clone(), fs::read(&path).expect("read"));
        }
    }
    files
}

/// What a run finds out by trying is in the cache. (WGSL is generated anew by every process, see the README.) Elsewhere
/// another variable names the directory.
#[cfg(target_os = "linux")]
#[test]
fn the_second_run_on_an_adapter_tunes_nothing() {
    let Some(adapter) = adapters().into_iter().next() else {
        return;
    };
    let name = adapter["name"].as_str().expect("a name");
    let directory = trained_directory();
    let cache = directory.path().join("cache");
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fibinet"));
        command
            .current_dir(directory.path())
            .env("XDG_CACHE_HOME", &cache)
            .args(["predict", "run", "--data", "good.csv", "-o", "-"])
            .args(["--device", name]);
        let output = command.output().expect("the binary runs");
        assert!(output.status.success(), "{output:?}");
        (output.stdout, kept_files(&cache.join("cubecl")))
    };
    let (scores, kept) = run();
    assert!(!kept.is_empty());
    let (again, kept_again) = run();
    assert_eq!(scores, again);
    let is_same = |path: &&PathBuf| kept.get(*path) == kept_again.get(*path);
    let differ: Vec<_> = kept_again.keys().filter(|path| !is_same(path)).collect();
    assert!(differ.is_empty(), "{differ:?}");
    assert_eq!(kept.len(), kept_again.len());
}

#[test]
fn an_adapter_scores_rows_as_the_cpu_does() {
    // One is enough: each compiles its kernels first, for seconds.
    let Some(adapter) = adapters().into_iter().next() else {
        return;
    };
    let directory = trained_directory();
    let expected = scores_on(directory.path(), "flex");
    let mut names = vec![adapter["name"].as_str().expect("a name").to_owned()];
    if adapter["kind"] == "software" {
        let backend = adapter["backend"].as_str().expect("a name");
        names.push(format!("{backend}:cpu"));
    }
    for name in names {
        let scores = scores_on(directory.path(), &name);
        assert_eq!(scores.len(), expected.len());
        for (score, expected) in scores.iter().zip(&expected) {
            let error = (score - expected).abs();
            assert!(error < 1e-5, "{score} on {name}, {expected} on flex");
        }
    }
}
