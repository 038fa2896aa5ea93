//! Names and instances: who has a name, how many clients there may be, and who may come.

use super::{win32, win32_server};
use crate::harness::{Scratch, Side, Starter};

/// Wine does not enforce FILE_FLAG_FIRST_PIPE_INSTANCE, which Microsoft promises to make this certain
/// (CreateNamedPipe: "creation of the first instance succeeds, but creation of the next instance fails with
/// ERROR_ACCESS_DENIED"); what is seen here is the look before.
#[test]
fn a_live_server_is_left_alone() {
    let scratch = Scratch::new();
    for options in [&[][..], &["-k"]] {
        let server = scratch.server([options, &["x"]].concat());
        for options in [&[][..], &["-k"]] {
            let second = scratch.pipetool([&["serve"], options, &["x"]].concat()).run("");
            second.code(1).one_line(&["already served by another process"]);
        }
        // It noticed nothing: the next client is its first.
        scratch.pipetool(["connect", "x"]).run("first").ok();
        server.prints("first");
    }
    let _server = win32_server(&scratch, &["y", "byte", "line"]);
    scratch.pipetool(["serve", "y"]).run("").code(1).one_line(&["already served"]);
}

#[test]
fn a_client_that_was_quick_is_served_all_the_same() {
    let scratch = Scratch::new();
    let server = scratch.serving(["-k", "x"], Starter::open_stdin);
    for round in ["one;", "two;", "three;"] {
        win32(&scratch, &["client", "x", "byte", &format!("write:{round}")]).run("").ok();
    }
    server.prints("one;two;three;");
    server.end_by_the_system();
}

#[test]
fn max_clients_are_instances_and_the_others_find_the_pipe_busy() {
    let scratch = Scratch::new();
    let server = scratch.server(["-k", "--max-clients", "2", "x", "--", &super::peer(), "upper"]);
    let mut clients: Vec<Side> = (0..2)
        .map(|_| {
            let client = scratch.pipetool(["connect", "-v", "x"]).open_stdin().start();
            client.says("connected");
            client
        })
        .collect();
    for client in &mut clients {
        client.write("hi");
        client.prints("HI");
    }
    scratch.pipetool(["connect", "-w", "50ms", "x"]).run("").code(124).one_line(&["busy with other clients"]);
    let mut late = scratch.pipetool(["connect", "x"]).open_stdin().start();
    late.says("busy with other clients");
    clients.pop().unwrap().end_after_stdin().ok();
    late.write("late");
    late.prints("LATE");
    drop((clients, late));
    server.end_by_the_system();
}

#[test]
fn wait_bounds_it() {
    let scratch = Scratch::new();
    for wait in ["0", "50ms"] {
        scratch.pipetool(["connect", "-w", wait, "x"]).run("").code(124).one_line(&["'x'", "no such pipe"]);
        scratch.pipetool(["serve", "-w", wait, "x"]).run("").code(124).one_line(&["'x'", "no client came"]);
    }
    let client = scratch.pipetool(["connect", "x"]).start();
    client.says(r"waiting for a server at '\\.\pipe\x': nothing is there yet");
}

/// Another process has the name while a connection lives: so long it stays taken, as Windows has it.
#[test]
fn without_keep_open_the_name_is_free_when_the_client_has_gone() {
    let scratch = Scratch::new();
    let mut first = scratch.serving(["x"], Starter::open_stdin);
    let client = scratch.pipetool(["connect", "x"]).open_stdin().start();
    first.says("connected to");
    scratch.pipetool(["serve", "x"]).run("").code(1).one_line(&["already served"]);
    scratch.pipetool(["connect", "-w", "0", "x"]).run("").code(124).one_line(&["busy"]);
    first.write("hi");
    client.prints("hi");
    client.end_after_stdin().ok();
    first.end().ok();
    let second = scratch.server(["x"]);
    scratch.pipetool(["connect", "x"]).run("again").ok();
    second.end().ok().out("again");
}

#[test]
fn buffer_size_is_the_pipes() {
    let scratch = Scratch::new();
    let server = scratch.server(["-m", "message", "--buffer-size", "16KiB", "x"]);
    let told = win32(&scratch, &["info", "x"]).run("").ok();
    told.out("messages, buffers 16384 and 16384, instances 1");
    server.end().ok();
    let server = scratch.server(["-k", "x"]);
    // Wine says 4294967295 for PIPE_UNLIMITED_INSTANCES, which Microsoft's GetNamedPipeInfo gives as 255.
    let told = win32(&scratch, &["info", "x"]).run("").ok();
    assert!(told.out.starts_with(b"bytes, buffers 65536 and 65536, "), "{told:?}");
    scratch.pipetool(["connect", "--buffer-size", "4096", "x"]).run("").code(2).one_line(&["'--buffer-size'"]);
    drop(server);
}

#[test]
fn modes_that_do_not_fit_say_which_does() {
    let scratch = Scratch::new();
    let server = scratch.server(["-k", "bytes"]);
    for (line, reason) in [
        ("connect -m message bytes", "carries bytes, not messages"),
        ("connect -n 1 bytes", "carries bytes, not messages"),
        ("connect --stdio hex bytes", "carries bytes, not messages"),
    ] {
        scratch.pipetool(line.split(' ')).run("").code(1).one_line(&[reason]);
    }
    drop(server);
    // Bytes on a pipe of messages are no contradiction: its boundaries are not looked at.
    let server = win32_server(&scratch, &["messages", "message", "one", "write:\x02hi", "line"]);
    scratch.pipetool(["connect", "-f", "u8", "-n", "1", "messages"]).run("who\n").ok().out("hi\n");
    server.end_after_stdin().ok().out("[\x03who]");
}

#[test]
fn peers_are_known_by_user_and_process() {
    let scratch = Scratch::new();
    let server = scratch.server(["x"]);
    let pid = server.child.id();
    let ended = scratch.pipetool(["connect", "--stats=json", "x"]).run("hello").ok();
    let told: serde_json::Value = serde_json::from_str(&ended.err).unwrap();
    assert_eq!((&told["sent"], &told["peer"]["pid"]), (&5.into(), &pid.into()));
    assert!(told["peer"]["uid"].is_number(), "{told}");
    server.end().ok().says(&["connected to user "]);
    // This user's, whichever side says it; nobody else's.
    let me = std::env::var("USERNAME").unwrap();
    for peer in ["user", "any", &me] {
        let server = scratch.server(["--peer", peer, "x"]);
        scratch.pipetool(["connect", "--peer", peer, "x"]).run("hi").ok();
        server.end().ok().out("hi");
    }
    let server = scratch.server(["--peer", "S-1-5-21-1-2-3-4711", "x"]);
    scratch.pipetool(["connect", "-v", "x"]).open_stdin().start().end();
    server.says("refused a client: the peer is user");
}

/// A supervisor's handle.
#[test]
fn ready_fd_is_a_handle() {
    let scratch = Scratch::new();
    let ended =
        win32(&scratch, &["handles", &super::pipetool(), "serve", "--ready-fd", "{out}", "-w", "0", "x"]).run("");
    ended.code(124).says(&["read 10\nthen the end\n"]);
    scratch.pipetool(["serve", "--ready-fd", "99999996", "x"]).run("").code(1).one_line(&["'--ready-fd 99999996'"]);
}

/// As Windows itself has it of the pipe: only its owner may open it, or with `--peer any` whoever has logged in, who
/// may not make an instance of it.
#[test]
fn only_this_user_may_open_it() {
    let scratch = Scratch::new();
    let asked = |options: &[&str]| {
        let server = scratch.server([options, &["x"]].concat());
        let told = String::from_utf8(win32(&scratch, &["security", "x"]).run("").ok().out).unwrap();
        server.end().ok();
        told
    };
    let told = asked(&[]);
    let user = told.strip_prefix("O:").and_then(|told| told.split_once("D:")).unwrap().0;
    assert!(user.starts_with("S-1-5-"), "{told}");
    // Wine keeps GENERIC_ALL as it was said, Windows has FILE_ALL_ACCESS of it.
    let only = |rights: &str| format!("O:{user}D:P(A;;{rights};;;{user})");
    assert!(told == only("GA") || told == only("FA"), "{told}");
    let told = asked(&["--peer", "any"]);
    assert!([only("GA"), only("FA")].iter().any(|only| told == format!("{only}(A;;0x12019b;;;AU)")), "{told}");
}
