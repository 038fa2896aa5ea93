//! The peer in C, in both roles and both modes, and Windows' own commands.

use super::{win32, win32_server};
use crate::harness::{Scratch, Starter, noise};

#[test]
fn bytes_both_ways_whoever_serves() {
    let scratch = Scratch::new();
    let server = win32_server(&scratch, &["x", "byte", "write:from the server", "read"]);
    scratch.pipetool(["connect", "x"]).run("from the client").ok().out("from the server");
    server.end().ok().out("from the client");

    let mut server = scratch.serving(["x"], Starter::open_stdin);
    server.write("from the server");
    let client = win32(&scratch, &["client", "x", "byte", "write:from the client", "one"]).run("").ok();
    assert_eq!(client.out, b"[from the server]");
    server.end_after_stdin().ok().out("from the client");
}

#[test]
fn messages_both_ways_and_empty_ones_too() {
    let scratch = Scratch::new();
    let server =
        win32_server(&scratch, &["x", "message", "one", "one", "one", "write:hi", "empty", "write:bye", "read"]);
    scratch.pipetool(["connect", "-m", "message", "x"]).run("a\n\nb\n").ok().out("hi\n\nbye\n");
    server.end().ok().out("[a][][b]");

    let server = scratch.pipetool(["serve", "-v", "-m", "message", "x"]).open_stdin().start();
    server.says("listening");
    let mut server = server;
    server.write("answer\n\nlast\n");
    let steps = ["client", "x", "message", "write:hi", "empty", "write:bye", "one", "one", "one"];
    win32(&scratch, &steps).run("").ok().out("[answer][][last]");
    server.end_after_stdin().ok().out("hi\n\nbye\n");
}

#[test]
fn call_named_pipe_is_one_question_and_one_answer() {
    let scratch = Scratch::new();
    let mut server = scratch.serving(["-m", "message", "x"], Starter::open_stdin);
    server.write("pong\n");
    win32(&scratch, &["call", "x", "ping"]).run("").ok().out("pong");
    server.end().ok().out("ping\n");
}

/// Larger than the buffer of the one who reads, and than the pipe's: ERROR_MORE_DATA, joined.
#[test]
fn a_message_comes_whole_however_large() {
    let scratch = Scratch::new();
    let server = scratch.server(["-m", "message", "--stdio", "whole", "x"]);
    let bytes = noise(4, 3_000_000);
    scratch.pipetool(["connect", "-m", "message", "--stdio", "whole", "x"]).run(&bytes).ok();
    assert!(server.end().ok().out == bytes);
    // And no larger than it may be.
    let server = scratch.server(["-m", "message", "--max-message", "1MB", "x"]);
    scratch.pipetool(["connect", "-m", "message", "--stdio", "whole", "x"]).run(&bytes);
    server.end().code(1).says(&["more than 1000000 bytes (--max-message)"]);
}

/// As Docker's engine serves: an empty message is the end of the client, and of the server's answer.
#[test]
fn a_pipe_of_messages_can_be_a_stream_with_ends() {
    let scratch = Scratch::new();
    let server = win32_server(&scratch, &["x", "message", "one", "one", "write:answer", "empty", "line"]);
    let mut client = scratch.pipetool(["connect", "x"]).open_stdin().start();
    client.write("two\nlines");
    // The end of the client comes at once; the server's end is its message, though it stays.
    client.close_stdin();
    client.end().ok().out("answer");
    let mut server = server;
    server.write("\n");
    server.end().ok().out("[two\nlines][]");
    // 'never' keeps it back.
    let server = win32_server(&scratch, &["x", "message", "one", "write:answer", "empty", "one"]);
    scratch.pipetool(["connect", "--finish", "never", "x"]).run("question").ok().out("answer");
    server.end().ok().out("[question](end)");
}

#[test]
fn a_server_with_one_direction_is_met_in_it() {
    let scratch = Scratch::new();
    for options in [&[][..], &["-d", "out"]] {
        let server = win32_server(&scratch, &["x", "in", "read"]);
        scratch.pipetool([&["connect"], options, &["x"]].concat()).run("to the server").ok().out("");
        server.end().ok().out("to the server");
    }
    for options in [&[][..], &["-d", "in"]] {
        let server = win32_server(&scratch, &["x", "out", "write:from the server"]);
        scratch.pipetool([&["connect"], options, &["x"]].concat()).run("").ok().out("from the server");
        server.end().ok();
    }
    let server = scratch.server(["-d", "in", "x"]);
    win32(&scratch, &["client", "x", "out", "write:from the client"]).run("").ok();
    server.end().ok().out("from the client");
    let mut server = scratch.serving(["-d", "out", "x"], Starter::open_stdin);
    let client = win32(&scratch, &["client", "x", "in", "read"]).start();
    server.write("to the client");
    server.end_after_stdin().ok();
    client.end().ok().out("to the client");
}

/// A server learns who its client is, and cannot act as it. Microsoft promises level 1 (SecurityIdentification)
/// for a client that asks for it in CreateFile; Wine gives 2 whatever was asked. So we are compared with a client
/// in C that asks for it, and .ci/windows looks at the flags that we call CreateFile with.
#[test]
fn a_server_may_identify_us_and_no_more() {
    let scratch = Scratch::new();
    let server = win32_server(&scratch, &["x", "byte", "one", "level"]);
    scratch.pipetool(["connect", "x"]).run("hi").ok();
    let ours = server.end().ok().out;
    let server = win32_server(&scratch, &["x", "byte", "one", "level"]);
    win32(&scratch, &["client", "x", "identify", "write:hi"]).run("").ok();
    server.end().ok().out(ours);
}

#[test]
fn cmd_writes_and_reads() {
    let scratch = Scratch::new();
    let cmd = |line: &str| scratch.program("cmd", ["/c", line]).run("");
    let server = scratch.server(["-d", "in", "x"]);
    cmd(r"echo hello> \\.\pipe\x").ok();
    server.end().ok().out("hello\r\n");
    let mut server = scratch.serving(["-d", "out", "x"], Starter::open_stdin);
    let given = std::thread::spawn(move || {
        server.write("for type");
        server.end_after_stdin()
    });
    cmd(r"type \\.\pipe\x").ok().out("for type");
    given.join().unwrap().ok();
}

/// What was sent is there for the peer to read when we have gone.
#[test]
fn nothing_is_lost_when_we_leave_first() {
    let scratch = Scratch::new();
    for role in ["client", "server"] {
        let (mut ours, theirs) = if role == "client" {
            let ours = scratch.serving(["-q", "0", "x"], Starter::open_stdin);
            (ours, win32(&scratch, &["client", "x", "byte", "line", "read"]).open_stdin().start())
        } else {
            let theirs = win32_server(&scratch, &["x", "byte", "line", "read"]);
            (scratch.pipetool(["connect", "-q", "0", "x"]).open_stdin().start(), theirs)
        };
        let bytes = noise(5, 50_000);
        ours.write(&bytes);
        ours.end_after_stdin().ok();
        let mut theirs = theirs;
        theirs.write(b"\n");
        assert!(theirs.end().ok().out == bytes, "{role}");
    }
}

/// Both at once on one handle: neither waits for the other.
#[test]
fn a_write_does_not_wait_for_the_read_that_is_under_way() {
    let scratch = Scratch::new();
    let mut server = scratch.serving(["x"], Starter::open_stdin);
    let mut client = scratch.pipetool(["connect", "x"]).open_stdin().start();
    for round in 0..20 {
        let (there, back) = (format!("there {round};"), format!("back {round};"));
        client.write(&there);
        server.prints(&there);
        server.write(&back);
        client.prints(&back);
    }
    client.end_after_stdin().ok();
    server.end().ok();
}
