use std::fs;
use std::process::Command;

use super::{closed_pipe, entries, fail, scratch, succeed};

const SUBCOMMANDS: [&str; 8] = [
    "devices", "evaluate", "init", "inspect", "predict", "prepare", "synth", "train",
];

/// The completion script of a shell names every subcommand, in that shell's syntax.
#[track_caller]
fn names_every_subcommand(shell: &str, form: impl Fn(&str) -> String) {
    let directory = scratch();
    let script = succeed(directory.path(), &["generate", "completions", shell]);
    for subcommand in SUBCOMMANDS {
        let named = form(subcommand);
        assert!(script.contains(&named), "no `{named}` in:\n{script}");
    }
}

#[test]
fn bash_completions_name_every_subcommand() {
    names_every_subcommand("bash", |subcommand| format!("fibinet,{subcommand})"));
}

#[test]
fn zsh_completions_name_every_subcommand() {
    names_every_subcommand("zsh", |subcommand| format!("'{subcommand}:"));
}

#[test]
fn fish_completions_name_every_subcommand() {
    names_every_subcommand("fish", |subcommand| format!("-a \"{subcommand}\""));
}

/// The completions that bash offers for the last of these words.
fn offered(words: &[&str]) -> String {
    let directory = scratch();
    let at = directory.path();
    let script = succeed(at, &["generate", "completions", "bash"]);
    fs::write(at.join("completions"), script).expect("written");
    let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
    let complete = format!(
        "source ./completions; COMP_WORDS=({}); COMP_CWORD={}; _fibinet fibinet '{last}' '{before}'; \
         echo \"${{COMPREPLY[*]}}\"",
        words.join(" "),
        words.len() - 1
    );
    let bash = Command::new("bash")
        .args(["-c", &complete])
        .current_dir(at)
        .output();
    let output = bash.expect("bash runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn bash_completes_a_subcommand() {
    assert_eq!(offered(&["fibinet", "ev"]).trim(), "evaluate");
}

#[test]
fn bash_offers_the_devices() {
    let devices = offered(&["fibinet", "train", "--device", "''"]);
    assert_eq!(devices.trim(), "flex ndarray wgpu vulkan metal cuda");
}

#[test]
fn bash_offers_the_schemas() {
    let schemas = offered(&["fibinet", "init", "--schema", "''"]);
    assert_eq!(schemas.trim(), "criteo avazu");
}

#[test]
fn a_shell_that_is_not_known_is_refused() {
    let directory = scratch();
    let generate = ["generate", "completions", "bsh"];
    fail(
        directory.path(),
        &generate,
        2,
        "a similar value exists: 'bash'",
    );
}

#[test]
fn every_subcommand_has_a_manual_page() {
    let directory = scratch();
    let at = directory.path();
    succeed(at, &["generate", "man", "share/man1"]);
    let mut names: Vec<String> = SUBCOMMANDS
        .iter()
        .map(|subcommand| format!("fibinet-{subcommand}.1"))
        .collect();
    names.push("fibinet.1".to_owned());
    assert_eq!(entries(&at.join("share/man1")), names);
}

#[test]
fn a_manual_page_describes_the_flags_of_its_subcommand() {
    let directory = scratch();
    let at = directory.path();
    succeed(at, &["generate", "man", "."]);
    let page = fs::read_to_string(at.join("fibinet-predict.1")).expect("a page");
    for flag in ["\\-\\-data", "\\-\\-carry", "\\-\\-on\\-bad\\-row"] {
        assert!(page.contains(flag), "no `{flag}` in:\n{page}");
    }
}

#[test]
fn completions_into_a_closed_pipe_are_a_success() {
    let directory = scratch();
    closed_pipe(directory.path(), &["generate", "completions", "bash"]);
}
