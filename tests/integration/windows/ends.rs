//! The ends of data where no half can be ended alone.

use std::time::{Duration, Instant};

use super::{win32, win32_server};
use crate::harness::{Scratch, Starter, noise, until};

#[test]
fn after_stdins_end_a_silent_peer_is_left_after_a_second() {
    let scratch = Scratch::new();
    let server = win32_server(&scratch, &["x", "byte", "one", "line"]);
    let start = Instant::now();
    scratch.pipetool(["connect", "x"]).run("question").ok();
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(10), "{took:?}");
    server.end_after_stdin().ok().out("[question]");
}

/// The peer takes its time to read; the second of silence begins when it has taken all.
#[test]
fn a_peer_that_has_not_taken_all_is_not_silent() {
    let scratch = Scratch::new();
    let server = win32_server(&scratch, &["x", "byte", "hold:2500", "one", "write:late answer"]);
    scratch.pipetool(["connect", "x"]).run("question").ok().out("late answer");
    server.end().ok().out("[question]");
}

#[test]
fn quit_after_says_otherwise_and_so_does_finish_never() {
    let scratch = Scratch::new();
    for options in [&["-q", "forever"][..], &["--finish", "never"]] {
        let server = win32_server(&scratch, &["x", "byte", "one", "hold:2500", "write:late answer"]);
        scratch.pipetool([&["connect"], options, &["x"]].concat()).run("question").ok().out("late answer");
        server.end().ok();
    }
    let server = win32_server(&scratch, &["x", "byte", "one", "line"]);
    let start = Instant::now();
    scratch.pipetool(["connect", "-q", "0", "x"]).run("question").ok();
    assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
    server.end_after_stdin().ok();
}

/// A server without anything to say waits for its client's end, however silent that one is.
#[test]
fn a_server_that_said_nothing_is_not_the_one_to_leave() {
    let scratch = Scratch::new();
    let server = scratch.server(["x"]);
    win32(&scratch, &["client", "x", "byte", "hold:2500", "write:late"]).run("").ok();
    server.end().ok().out("late");
}

#[test]
fn when_the_peer_has_gone_we_leave_though_stdin_blocks() {
    let scratch = Scratch::new();
    let _server = win32_server(&scratch, &["x", "byte", "write:bye"]);
    scratch.pipetool(["connect", "x"]).open_stdin().start().end().ok().out("bye");
    let server = scratch.serving(["x"], Starter::open_stdin);
    win32(&scratch, &["client", "x", "byte", "write:bye"]).run("").ok();
    server.end().ok().out("bye");
}

/// Known of what the peer had not taken when all had been sent: Windows says nothing of what was before.
#[test]
fn what_the_peer_did_not_read_is_a_failure_and_its_last_words_are_kept() {
    let scratch = Scratch::new();
    let server = win32_server(&scratch, &["x", "byte", "write:last words", "line"]);
    let mut client = scratch.pipetool(["connect", "x"]).open_stdin().start();
    client.prints("last words");
    client.write("unread");
    client.close_stdin();
    // Long enough for it to be sent.
    std::thread::sleep(Duration::from_millis(500));
    server.end_after_stdin().ok();
    client.end().code(1).out("last words").one_line(&["'x'", "left without reading"]);
}

#[test]
fn bytes_that_were_taken_and_not_handed_over_are_a_failure() {
    let scratch = Scratch::new();
    let server = win32_server(&scratch, &["x", "byte", "line"]);
    let mut client = scratch.pipetool(["connect", "-v", "x"]).open_stdin().start();
    client.says("connected");
    let writer = std::thread::spawn(move || {
        let _ = client.try_write(noise(1, 2_000_000));
        client
    });
    std::thread::sleep(Duration::from_millis(500));
    server.end_after_stdin().ok();
    writer.join().unwrap().end().code(1).says(&["bytes from stdin are lost"]);
}

#[test]
fn direction_out_is_done_when_the_peer_has_taken_all_or_has_gone() {
    let scratch = Scratch::new();
    let server = win32_server(&scratch, &["x", "in", "line", "one", "line"]);
    let mut client = scratch.pipetool(["connect", "-d", "out", "x"]).open_stdin().start();
    client.write("to be taken");
    client.close_stdin();
    std::thread::sleep(Duration::from_millis(500));
    assert!(client.child.try_wait().unwrap().is_none(), "it waits for the peer");
    let mut server = server;
    server.write("\n");
    client.end().ok();
    server.end_after_stdin().ok().out("[to be taken]");

    let server = win32_server(&scratch, &["x", "in", "line"]);
    let mut client = scratch.pipetool(["connect", "-d", "out", "x"]).open_stdin().start();
    client.write("left unread");
    client.close_stdin();
    std::thread::sleep(Duration::from_millis(500));
    server.end_after_stdin().ok();
    client.end().code(1).one_line(&["left without reading"]);
}

#[test]
fn idle_timeout_counts_from_the_connection_on() {
    let scratch = Scratch::new();
    for direction in ["in", "out", "inout"] {
        let theirs = if direction == "inout" { "byte" } else { ["in", "out"][usize::from(direction == "in")] };
        let _server = win32_server(&scratch, &["x", theirs, "line"]);
        let client = scratch.pipetool(["connect", "-i", "50ms", "-d", direction, "x"]).open_stdin().start();
        client.end().code(124).one_line(&["'x'", "no byte has moved for 50ms"]);
    }
}

/// Windows signals nothing when a reader has gone: it is looked at.
#[test]
fn nobody_who_reads_stdout_ends_even_the_wait_for_a_peer() {
    let scratch = Scratch::new();
    for arguments in [&["serve", "x"][..], &["serve", "-k", "y"], &["connect", "z"]] {
        let mut child = scratch.pipetool(arguments).start_raw();
        drop(child.stdout.take());
        let mut status = None;
        until("it to end", || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        assert_eq!(status.unwrap().code(), Some(1), "{arguments:?}");
    }
    // And while nothing comes from one.
    let _server = win32_server(&scratch, &["x", "byte", "write:y", "line"]);
    let mut child = scratch.pipetool(["connect", "x"]).open_stdin().start_raw();
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

/// The end of stdout is passed on though we stay.
#[test]
fn stdout_ends_with_the_peers_end() {
    let scratch = Scratch::new();
    let _server = win32_server(&scratch, &["x", "message", "write:answer", "empty", "line"]);
    let side = scratch.pipetool(["connect", "x"]).open_stdin().start();
    side.prints("answer");
    until("its stdout to end", || side.stdout_has_ended());
    side.end_after_stdin().ok();
}
