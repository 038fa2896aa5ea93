//! The layout of the code (CONTRIBUTING.md has its map), as checks of its text: what lies where, what may know what.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Everything that may lie at the top.
const TOP: &[&str] = &[
    ".ci",
    ".git",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "benches",
    "clippy.toml",
    "completions",
    "deny.toml",
    "fuzz",
    "justfile",
    "man",
    "rustfmt.toml",
    "src",
    "target",
    "tests",
];

/// The homes of each outside crate below src/: a file, or a directory with all that is in it.
const HOMES: &[(&str, &[&str])] = &[
    ("anyhow", &["commands/", "exit.rs"]),
    ("byteorder", &["framing/", "transfer/wire.rs"]),
    ("bytesize", &["commands/values.rs"]),
    ("clap", &["commands/", "lib.rs"]),
    ("clap_complete", &["commands/completions.rs", "commands/completions/"]),
    ("console", &["progress.rs"]),
    ("crc32fast", &["transfer/"]),
    ("ctrlc", &["interrupt.rs"]),
    ("data_encoding", &["framing/"]),
    ("humantime", &["commands/", "dump.rs", "pipe/"]),
    ("indicatif", &["progress.rs"]),
    ("interprocess", &["os/"]),
    ("libc", &["os/", "exit.rs"]), // exit.rs: an errno, in a test
    ("memchr", &["framing/", "hub/"]),
    ("nix", &["os/"]),
    ("rustix", &["os/"]),
    ("serde_json", &["commands/"]),
    ("signal_hook", &["os/"]),
    ("tempfile", &["transfer/", "os/unix/listener.rs"]), // listener.rs: a test
    ("windows_sys", &["os/windows/"]),
];

/// Every file, by its path from src/ on.
fn sources() -> BTreeMap<String, String> {
    let top = Path::new(ROOT).join("src");
    let mut directories = vec![top.clone()];
    let mut sources = BTreeMap::new();
    while let Some(directory) = directories.pop() {
        for path in entries(&directory) {
            if path.is_dir() {
                directories.push(path);
            } else {
                let name = path.strip_prefix(&top).unwrap().to_str().unwrap().replace('\\', "/");
                sources.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    sources
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Lines that are code, with their numbers.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    lines.filter(|(_, line)| !line.starts_with("//"))
}

/// Is `word` in `line`, and not only a part of a word?
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(is_part) && (!word.ends_with(is_part) || !line[at + word.len()..].starts_with(is_part))
    })
}

/// Fails with every line of code that `is_wrong`, and says why that is so.
#[track_caller]
fn refuse(why: &str, is_wrong: impl Fn(&str, &str) -> bool) {
    let sources = sources();
    let found: Vec<String> = sources
        .iter()
        .flat_map(|(file, text)| code(text).map(move |(number, line)| (file, number, line)))
        .filter(|(file, _, line)| is_wrong(file, line))
        .map(|(file, number, line)| format!("  src/{file}:{number}: {line}"))
        .collect();
    assert!(found.is_empty(), "{why}:\n{}", found.join("\n"));
}

#[test]
fn the_top_level_holds_what_it_should() {
    for path in entries(Path::new(ROOT)) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(
            TOP.contains(&name),
            "what is '{name}' for? If it has to lie at the top, name it in tests/integration/layout.rs"
        );
    }
}

#[test]
fn every_file_begins_with_its_promise() {
    let tests = entries(&Path::new(ROOT).join("tests/integration")).into_iter().filter(|path| path.is_file());
    let tests = tests.map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap()));
    for (file, text) in sources().into_iter().chain(tests) {
        assert!(text.starts_with("//! "), "{file} does not begin with '//!' and what it is for");
    }
}

#[test]
fn what_differs_between_systems_and_all_unsafe_is_in_os() {
    refuse("cfg belongs below src/os/", |file, line| {
        let line = line.replace("cfg(test)", "");
        !file.starts_with("os/") && ["cfg(", "cfg!", "cfg_attr("].iter().any(|word| has_word(&line, word))
    });
    refuse("unsafe belongs below src/os/", |file, line| !file.starts_with("os/") && has_word(line, "unsafe"));
}

#[test]
fn no_command_knows_another() {
    let of = |file: &str| file.strip_prefix("commands/").and_then(|file| file.strip_suffix(".rs")).map(str::to_owned);
    let table = fs::read_to_string(Path::new(ROOT).join("src/commands/mod.rs")).unwrap();
    // `Serve(serve::Serve),` in the table of subcommands.
    let commands: Vec<&str> = code(&table)
        .filter_map(|(_, line)| line.strip_suffix("),")?.split_once('(')?.1.split_once("::"))
        .map(|(module, _)| module)
        .collect();
    assert!(commands.len() >= 5, "the table of subcommands in src/commands/mod.rs looks different: {commands:?}");
    refuse("a subcommand imports another; what both need has a file of its own", |file, line| {
        let is_command = of(file).is_some_and(|file| commands.contains(&file.as_str()));
        is_command && commands.iter().any(|other| line.contains(&format!("::{other}::")))
    });
}

#[test]
fn each_outside_crate_has_its_home() {
    for (name, homes) in HOMES {
        let is_home =
            |file: &str| homes.iter().any(|home| file == *home || home.ends_with('/') && file.starts_with(home));
        refuse(&format!("'{name}' is used in {homes:?} alone (tests/integration/layout.rs)"), |file, line| {
            !is_home(file) && has_word(line, &format!("{name}::")) | line.starts_with(&format!("use {name};"))
        });
    }
}

#[test]
fn every_dependency_has_a_home() {
    let manifest = fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).unwrap();
    let mut is_ours = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_ours = line.ends_with("dependencies]") && !line.contains("dev-");
        }
        let name = line
            .split_once(" = ")
            .filter(|_| is_ours && !line.starts_with([' ', '#']))
            .map(|(name, _)| name.replace('-', "_"));
        let Some(name) = name else { continue };
        assert!(
            HOMES.iter().any(|(known, _)| *known == name),
            "say in tests/integration/layout.rs where '{name}' is used"
        );
    }
}
