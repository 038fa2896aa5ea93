//! The README keeps its promises. Of its blocks, `sh run` is run, and prints the `text` below it; `sh run NAME...` finds
//! real programs to talk to (tests/peers/recipes.sh); `console run` is done at terminals, and looks like that; `sh ci` is
//! for .ci/run; systemd looks at `ini`. Whatever else is a command is on a list, with the reason.

use crate::harness::{PIPETOOL, Scratch, Starter};

const README: &str = include_str!("../../README.md");

/// Commands that no test runs as they stand, by how they begin.
const NOT_RUN: [(&str, &str); 4] = [
    ("$ pipetool list", "what there is on a machine; listing:: has the same with pipes of its own"),
    ("$ pipetool serve -k --hub=relay", "nobody sees when all clients are there; hub:: has a relay"),
    ("$ pipetool serve -d in backup", "a bar in motion; views:: looks at one"),
    ("> (echo GET", "Windows' own services; .ci/windows has the same options with a C program"),
];

struct Block {
    kind: &'static str,
    text: &'static str,
}

/// All blocks, in order: their texts stand between fences.
fn blocks() -> Vec<Block> {
    let mut pieces = README.split("```");
    pieces.next();
    let texts = pieces.step_by(2).filter_map(|piece| piece.split_once('\n'));
    texts.map(|(kind, text)| Block { kind, text }).collect()
}

fn of_kind(kind: &str) -> Vec<Block> {
    let found: Vec<_> = blocks().into_iter().filter(|block| block.kind == kind).collect();
    assert!(!found.is_empty(), "no {kind}");
    found
}

/// With pipetool on the PATH, as whoever reads it has it.
fn with_pipetool(program: Starter) -> Starter {
    let directory = PIPETOOL.rsplit_once('/').unwrap().0;
    program.env("PATH", format!("{directory}:{}", std::env::var("PATH").unwrap()))
}

#[test]
fn its_examples_run_and_print_what_it_says() {
    let blocks = blocks();
    let printed = |at: usize| blocks.get(at + 1).filter(|next| next.kind == "text").map_or("", |next| next.text);
    for (at, block) in blocks.iter().enumerate() {
        let Some(programs) = block.kind.strip_prefix("sh run") else { continue };
        let scratch = Scratch::new();
        // The line that says that it is ready is no part of the picture.
        let script = block.text.replace("cat ready", "cat ready > /dev/null");
        let set_up = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/recipes.sh");
        let programs = programs.trim().replace(' ', "\n");
        let script = format!("source {set_up}\n{programs}\n{script}");
        let bash = scratch.program("bash", ["-euo", "pipefail", "-c", &script]);
        with_pipetool(bash).run("").ok().out(printed(at));
    }
}

#[test]
fn systemd_understands_its_units() {
    let scratch = Scratch::new();
    let (_, units) = of_kind("ini")[0].text.split_once("system/").unwrap();
    let (socket, service) = units.split_once("# /etc/systemd/system/").unwrap();
    for unit in [socket, service] {
        let (name, text) = unit.split_once('\n').unwrap();
        std::fs::write(scratch.path(name), text.replace("/usr/local/bin/pipetool", PIPETOOL)).unwrap();
    }
    scratch.program("systemd-analyze", ["verify", "./jobs.socket", "./jobs.service"]).run("").ok().says_nothing();
}

#[test]
fn its_sessions_look_as_it_shows() {
    for session in of_kind("console run") {
        let scratch = Scratch::new();
        std::fs::write(scratch.path("p1.jpg"), "a photo").unwrap();
        std::fs::write(scratch.path("p2.jpg"), "another").unwrap();
        let helper = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/session.py");
        with_pipetool(scratch.program("python3", [helper])).run(session.text).ok();
    }
}

#[test]
fn what_is_not_run_has_a_reason() {
    let commands: Vec<_> = blocks().into_iter().filter(|block| ["sh", "console"].contains(&block.kind)).collect();
    for Block { text, .. } in &commands {
        assert!(NOT_RUN.iter().any(|(start, _)| text.starts_with(start)), "neither run nor on the list: {text}");
    }
    for (start, reason) in NOT_RUN {
        assert!(commands.iter().any(|block| block.text.starts_with(start)), "gone: {start} ({reason})");
    }
}
