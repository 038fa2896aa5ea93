//! `pipetool list`: the named pipes of this machine. What is there `os` knows; how it is shown is here.

use std::io::{self, Write};

use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::os::{self, FoundPipe, PipeKind};
use crate::stderr;

/// List named pipes: where .NET looks, abstract names, and the sockets and FIFOs in $TMPDIR
#[derive(Args, Debug)]
#[command(
    args_override_self = true,
    after_help = "Looking disturbs no server. Who serves another user's pipe is seen by root only. On Windows the list \
    is of all pipes, whose they are is not told, and CLIENTS are instances, which wait for a client or have one.\n\n\
    Examples:\n  \
    pipetool list                                      what is there, live or stale, and whose\n  \
    pipetool list --json | jq -r '.[] | select(.state == \"stale\").path'"
)]
pub(crate) struct List {
    /// An array of objects: name, path, kind (name, abstract, socket, fifo), state (live, stale), uid, user, pid,
    /// program, connections
    #[arg(long)]
    json: bool,
}

/// What stands above each column, and whether it holds numbers.
const COLUMNS: [(&str, bool); 8] = [
    ("NAME", false),
    ("KIND", false),
    ("STATE", false),
    ("USER", false),
    ("PID", true),
    ("PROGRAM", false),
    ("CLIENTS", true),
    ("PATH", false),
];

impl List {
    pub(crate) fn run(&self) -> Result<Exit> {
        let pipes = os::pipes().context("could not list pipes")?;
        if pipes.is_empty() && !self.json {
            stderr::say("there are no pipes");
            return Ok(Exit::Done);
        }
        let text = if self.json { as_json(&pipes) } else { as_table(&pipes) };
        match io::stdout().lock().write_all(text.as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::StdoutClosed),
            written => written.context("could not write to 'stdout'").map(|()| Exit::Done),
        }
    }
}

fn as_json(pipes: &[FoundPipe]) -> String {
    let all: Vec<Value> = pipes
        .iter()
        .map(|pipe| {
            json!({
                "name": pipe.name,
                "path": pipe.path,
                "kind": kind(pipe.kind),
                "state": state(pipe),
                "uid": pipe.user,
                "user": pipe.user.and_then(os::user_name),
                "pid": pipe.pid,
                "program": pipe.program,
                "connections": pipe.connections,
            })
        })
        .collect();
    stderr::harmless_json(&format!("{:#}\n", Value::from(all)))
}

fn as_table(pipes: &[FoundPipe]) -> String {
    let header = COLUMNS.map(|(title, _)| title.to_owned());
    let rows: Vec<[String; 8]> = std::iter::once(header).chain(pipes.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).zip(COLUMNS).map(|((cell, &width), (_, is_number))| {
            if is_number { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// One pipe's line. A name may hold anything, escape sequences too.
fn row(pipe: &FoundPipe) -> [String; 8] {
    let unknown = || "-".to_owned();
    let user = pipe.user.map_or_else(unknown, |user| os::user_name(user).unwrap_or_else(|| user.to_string()));
    let (pid, program) = (pipe.pid.map(|pid| pid.to_string()), pipe.program.clone());
    let connections = if pipe.is_live { pipe.connections.to_string() } else { unknown() };
    [
        pipe.name.clone(),
        kind(pipe.kind).to_owned(),
        state(pipe).to_owned(),
        user,
        pid.unwrap_or_else(unknown),
        program.unwrap_or_else(unknown),
        connections,
        pipe.path.clone(),
    ]
    .map(|cell| stderr::harmless(&cell))
}

fn kind(kind: PipeKind) -> &'static str {
    match kind {
        PipeKind::Name => "name",
        PipeKind::Abstract => "abstract",
        PipeKind::Socket => "socket",
        PipeKind::Fifo => "fifo",
    }
}

fn state(pipe: &FoundPipe) -> &'static str {
    if pipe.is_live { "live" } else { "stale" }
}
