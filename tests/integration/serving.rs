//! serve -k, and what serve tells to those who started it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use nix::sys::signal::Signal;

use crate::harness::{Scratch, Starter, noise};

#[test]
fn one_client_after_another() {
    let scratch = Scratch::new();
    let server = scratch.server(["-k", "x"]);
    for round in ["one\n", "two\n", "three\n"] {
        scratch.pipetool(["connect", "x"]).run(round).ok().out("");
    }
    server.prints("one\ntwo\nthree\n");
    server.signal(Signal::SIGTERM);
    server.end().killed_by(Signal::SIGTERM);
    assert!(scratch.files().is_empty());
}

#[test]
fn stdin_goes_to_whoever_is_connected() {
    let scratch = Scratch::new();
    let mut server = scratch.serving(["-k", "x"], Starter::open_stdin);
    for round in ["one\n", "two\n"] {
        let client = scratch.pipetool(["connect", "x"]).open_stdin().start();
        server.write(round);
        client.prints(round);
        client.signal(Signal::SIGINT);
        client.end().killed_by(Signal::SIGINT);
    }
    // After stdin's end a client gets a finish at once, and is still received from.
    server.close_stdin();
    scratch.pipetool(["connect", "x"]).run("late").ok().out("");
    server.prints("late");
}

/// What was taken from stdin and could not be delivered goes to the next client.
#[test]
fn nothing_that_was_taken_is_lost_between_clients() {
    let scratch = Scratch::new();
    let mut server = scratch.serving(["-k", "./x"], Starter::open_stdin);
    let mut first = UnixStream::connect(scratch.path("x")).unwrap();
    server.says("connected");
    let bytes = noise(7, 1_300_000);
    let expected = bytes.clone();
    let writer = std::thread::spawn(move || {
        server.write(bytes);
        server.close_stdin();
        server
    });
    let mut got = vec![0; 300_000];
    first.read_exact(&mut got).unwrap();
    // Read what the kernel still holds for this client, then leave: the rest was never handed over.
    first.shutdown(std::net::Shutdown::Both).unwrap();
    first.read_to_end(&mut got).unwrap();
    drop(first);
    let mut second = UnixStream::connect(scratch.path("x")).unwrap();
    second.read_to_end(&mut got).unwrap();
    assert_eq!(got.len(), expected.len());
    assert!(got == expected, "it does not go on where it stopped");
    drop(writer.join().unwrap());
}

#[test]
fn a_clients_trouble_is_said_and_is_not_the_next_ones() {
    let scratch = Scratch::new();
    let mut server = scratch.serving(["-k", "./x"], Starter::open_stdin);
    let mut rude = UnixStream::connect(scratch.path("x")).unwrap();
    server.says("connected");
    server.write("unread");
    crate::harness::until("the bytes to arrive", || rustix::io::ioctl_fionread(&rude).unwrap() == 6);
    rude.write_all(b"last words;").unwrap();
    drop(rude);
    server.says("left without reading");
    server.close_stdin();
    scratch.pipetool(["connect", "./x"]).run("next").ok();
    server.prints("last words;next");
}

#[test]
fn wait_bounds_each_wait_for_a_client() {
    let scratch = Scratch::new();
    let server = scratch.server(["-k", "-w", "300ms", "x"]);
    scratch.pipetool(["connect", "x"]).run("hi").ok();
    server.end().code(124).out("hi").says(&["no client came within 300ms"]);
    assert!(scratch.files().is_empty());
}

#[test]
fn ready_fd_gets_a_newline_once_a_client_can_connect() {
    let scratch = Scratch::new();
    let script = "exec 3>&1 >/dev/null; $PIPETOOL serve --ready-fd 3 ./x 3>&3 | cat";
    let server = scratch.shell(script).start();
    server.prints("\n");
    UnixStream::connect(scratch.path("x")).unwrap();
    server.end().ok().out("\n");
    scratch.pipetool(["serve", "--ready-fd", "77", "x"]).run("").code(1).one_line(&["'--ready-fd 77'", "Bad file"]);
    scratch.pipetool(["serve", "--ready-fd", "-1", "x"]).run("").code(2);
}

#[test]
fn stats_is_one_line_for_people() {
    let scratch = Scratch::new();
    let server = scratch.pipetool(["serve", "--stats", "x"]).start();
    scratch.pipetool(["connect", "--stats", "x"]).run("hello").ok().one_line(&["sent 5 B, received 0 B in 0.", "/s"]);
    server.end().ok().one_line(&["sent 0 B, received 5 B in 0."]);
}

#[test]
fn stats_are_told_even_when_a_signal_ends_it() {
    let scratch = Scratch::new();
    let server = scratch.serving(["--stats", "x"], Starter::open_stdin);
    let client = scratch.pipetool(["connect", "x"]).open_stdin().start();
    server.says("connected");
    server.signal(Signal::SIGINT);
    server.end().killed_by(Signal::SIGINT).says(&["sent 0 B, received 0 B"]);
    client.end();
}

#[test]
fn without_descriptors_clients_wait_until_there_are_some() {
    let scratch = Scratch::new();
    let server =
        scratch.program("prlimit", ["--nofile=4096", crate::harness::PIPETOOL, "serve", "-k", "-v", "./x"]).start();
    server.says("listening on");
    let limit = |soft| {
        let limit = format!("--nofile={soft}:4096");
        scratch.program("prlimit", ["--pid", &server.child.id().to_string(), &limit]).run("").ok();
    };
    limit(4);
    let client = scratch.pipetool(["connect", "./x"]).open_stdin().start();
    crate::harness::until("the client to connect", || {
        std::fs::read_to_string("/proc/net/unix").is_ok_and(|table| table.matches("./x").count() > 1)
    });
    limit(1024);
    server.says("connected");
    client.end_after_stdin().ok();
}
