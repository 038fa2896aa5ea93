//! pipetool list: what is there, live or stale, and who serves it; and that nobody notices.

use std::fs;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use serde_json::Value;

use crate::dotnet::under_both;
use crate::harness::{PIPETOOL, Scratch, until};
use crate::users::as_nobody;

/// What `list --json` says of the test's own directory, and of abstract names that begin with it.
fn listed(scratch: &Scratch) -> Vec<Value> {
    let out = scratch.pipetool(["list", "--json"]).run("").ok().out;
    let all: Vec<Value> = serde_json::from_slice(&out).unwrap();
    let own = scratch.path("").display().to_string();
    let is_own = |pipe: &Value| pipe["path"].as_str().unwrap().trim_start_matches('@').starts_with(&own);
    all.into_iter().filter(is_own).collect()
}

fn the(name: &str, pipes: &[Value]) -> Value {
    pipes.iter().find(|pipe| pipe["name"] == name).unwrap_or_else(|| panic!("no {name} in {pipes:?}")).clone()
}

fn kind_and_state(pipe: &Value) -> (&str, &str) {
    (pipe["kind"].as_str().unwrap(), pipe["state"].as_str().unwrap())
}

#[test]
fn it_says_what_is_there_and_who_serves_it() {
    let scratch = Scratch::new();
    let name = scratch.server(["-k", "--hub", "jobs"]);
    let file = scratch.server(["-k", "./file.sock"]);
    let messages = scratch.server(["-m", "message", "-k", "./packets"]);
    let abstract_name = format!("@{}", scratch.path("abstract").display());
    let other = scratch.server(["-k", &abstract_name]);
    drop(UnixListener::bind(scratch.path("stale")).unwrap());
    let _datagrams = UnixDatagram::bind(scratch.path("datagrams")).unwrap();
    fs::write(scratch.path("plain"), "no pipe").unwrap();
    let _clients: Vec<_> = (1..=3)
        .map(|number| {
            let client = UnixStream::connect(scratch.socket("jobs")).unwrap();
            name.says(&format!("client #{number} connected"));
            client
        })
        .collect();
    let pipes = listed(&scratch);
    assert_eq!(pipes.len(), 6, "{pipes:?}");
    let jobs = the("jobs", &pipes);
    let keys: Vec<&String> = jobs.as_object().unwrap().keys().collect();
    let mut expected = ["name", "path", "kind", "state", "uid", "user", "pid", "program", "connections"];
    expected.sort_unstable();
    assert_eq!(keys, expected);
    assert_eq!(kind_and_state(&jobs), ("name", "live"));
    assert_eq!(jobs["path"], scratch.socket("jobs").to_str().unwrap());
    assert_eq!((&jobs["uid"], &jobs["user"]), (&0.into(), &"root".into()));
    assert_eq!((&jobs["pid"], &jobs["program"]), (&name.child.id().into(), &"pipetool".into()));
    assert_eq!(jobs["connections"], 3);
    // Bound by a relative path, and found all the same.
    let found = the("file.sock", &pipes);
    assert_eq!(kind_and_state(&found), ("socket", "live"));
    assert_eq!((&found["pid"], &found["connections"]), (&file.child.id().into(), &0.into()));
    assert_eq!(the("packets", &pipes)["pid"], messages.child.id());
    let found = the(&abstract_name[1..], &pipes);
    assert_eq!((kind_and_state(&found), &found["pid"]), (("abstract", "live"), &other.child.id().into()));
    let stale = the("stale", &pipes);
    assert_eq!(kind_and_state(&stale), ("socket", "stale"));
    assert_eq!((&stale["uid"], &stale["pid"], &stale["program"]), (&0.into(), &Value::Null, &Value::Null));
    assert_eq!(kind_and_state(&the("datagrams", &pipes)), ("socket", "live"));
}

/// A server of one client still has its one client to come.
#[test]
fn looking_disturbs_nobody() {
    let scratch = Scratch::new();
    let server = scratch.server(["./x"]);
    for _ in 0..5 {
        assert_eq!(kind_and_state(&the("x", &listed(&scratch))), ("socket", "live"));
    }
    scratch.pipetool(["connect", "./x"]).run("the first").ok();
    let ended = server.end().ok().out("the first");
    assert!(!ended.err.contains("refused"), "{}", ended.err);
}

#[test]
fn a_fifo_is_live_while_somebody_has_it() {
    let scratch = Scratch::new();
    scratch.program("mkfifo", ["quiet", "busy"]).run("").ok();
    let reader = scratch.program("sh", ["-c", "exec sleep 1000 <> busy"]).start();
    until("the FIFO to be open", || the("busy", &listed(&scratch))["state"] == "live");
    let pipes = listed(&scratch);
    assert_eq!(kind_and_state(&the("quiet", &pipes)), ("fifo", "stale"));
    let busy = the("busy", &pipes);
    assert_eq!((&busy["pid"], &busy["connections"]), (&reader.child.id().into(), &0.into()));
    let writer = scratch.program("sh", ["-c", "exec sleep 1000 > busy"]).start();
    until("a writer", || the("busy", &listed(&scratch))["connections"] == 1);
    assert_eq!(the("busy", &listed(&scratch))["pid"], reader.child.id());
    drop(writer);
}

#[test]
fn people_get_a_table_without_escape_sequences() {
    let scratch = Scratch::new();
    let server = scratch.server(["-k", "a\x1b[31mb"]);
    let told = scratch.pipetool(["list"]).run("").ok();
    let text = String::from_utf8(told.out).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(header, ["NAME", "KIND", "STATE", "USER", "PID", "PROGRAM", "CLIENTS", "PATH"]);
    let line = text.lines().find(|line| line.starts_with(r"a\u{1b}[31mb ")).unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains("live") && line.contains(&server.child.id().to_string()), "{line}");
    assert!(!text.contains('\x1b') && told.err.is_empty());
    // What JSON may hold and a terminal should not see: a CSI of one character, DEL, text that runs backwards.
    let name = "a\u{9b}31m\x7f\u{202e}b";
    let _server = scratch.server(["-k", name]);
    let told = String::from_utf8(scratch.pipetool(["list", "--json"]).run("").ok().out).unwrap();
    assert!(!told.contains(|c: char| c != '\n' && c.is_control() || c == '\u{202e}'));
    let pipes: Vec<Value> = serde_json::from_str(&told).unwrap();
    assert!(pipes.iter().any(|pipe| pipe["name"] == name));
    // All columns stand below each other.
    let start = text.lines().next().unwrap().find("STATE").unwrap();
    assert!(text.lines().skip(1).all(|line| ["live", "stal"].contains(&&line[start..start + 4])), "{text}");
}

#[test]
fn nothing_and_nobody_who_reads() {
    let scratch = Scratch::new();
    scratch.program("unshare", ["-n", PIPETOOL, "list", "--json"]).run("").ok().out("[]\n");
    scratch.program("unshare", ["-n", PIPETOOL, "list"]).run("").ok().out("").one_line(&["there are no pipes"]);
    let _server = scratch.server(["-k", "x"]);
    let script = "$PIPETOOL list | true; echo ${PIPESTATUS[0]}; $PIPETOOL list | head -1 | cut -c 1-4";
    let ended = scratch.shell(script).run("").ok();
    let text = String::from_utf8(ended.out).unwrap();
    assert!(["141\nNAME\n", "0\nNAME\n"].contains(&text.as_str()) && ended.err.is_empty(), "{text}{}", ended.err);
    scratch.shell("$PIPETOOL list > /dev/full").run("").code(1).one_line(&["could not write to 'stdout'", "No space"]);
    scratch.pipetool(["list"]).env("TMPDIR", scratch.path("none")).run("").code(1).one_line(&["there is no directory"]);
}

/// One's own is known without any rights; another's server is seen, and that is all.
#[test]
fn another_user_sees_what_there_is() {
    let scratch = Scratch::new();
    let own = as_nobody(&scratch, ["serve", "-v", "-k", "own"]).start();
    own.says("listening on");
    let _roots = scratch.server(["-k", "roots"]);
    let out = as_nobody(&scratch, ["list", "--json"]).run("").ok().out;
    let pipes: Vec<Value> = serde_json::from_slice(&out).unwrap();
    let found = the("own", &pipes);
    assert_eq!(
        (&found["pid"], &found["uid"], &found["state"]),
        (&own.child.id().into(), &65534.into(), &"live".into())
    );
    let found = the("roots", &pipes);
    assert_eq!((&found["pid"], &found["uid"], &found["state"]), (&Value::Null, &0.into(), &"live".into()));
}

#[test]
fn a_name_under_another_tmpdir_is_found() {
    let (scratch, other) = (Scratch::new(), Scratch::new());
    let server = other.server(["-k", "far"]);
    let out = scratch.pipetool(["list", "--json"]).run("").ok().out;
    let pipes: Vec<Value> = serde_json::from_slice(&out).unwrap();
    let path = other.socket("far").display().to_string();
    let found = pipes.iter().find(|pipe| pipe["path"] == *path).unwrap();
    assert_eq!((&found["name"], &found["pid"]), (&"far".into(), &server.child.id().into()));
}

#[test]
fn dotnet_servers_are_listed() {
    under_both(|dotnet, scratch| {
        let server = dotnet.server(&scratch, "net", "InOut", &["line"]);
        let found = the("net", &listed(&scratch));
        assert_eq!((kind_and_state(&found), &found["pid"]), (("name", "live"), &server.child.id().into()));
        let client = scratch.pipetool(["connect", "net"]).open_stdin().start();
        until("the client to be counted", || the("net", &listed(&scratch))["connections"] == 1);
        drop(client);
    });
}
