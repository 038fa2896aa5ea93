//! serve -k, and what serve tells to those who started it.

#[cfg(unix)]
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
};

#[cfg(unix)]
use nix::sys::signal::Signal;

#[cfg(unix)]
use crate::harness::{PIPETOOL, Side, is_asleep, noise, until};
use crate::harness::{Scratch, Starter};

#[test]
fn one_client_after_another() {
    let scratch = Scratch::new();
    let server = scratch.server(["-k", "x"]);
    for round in ["one\n", "two\n", "three\n"] {
        scratch.pipetool(["connect", "x"]).run(round).ok().out("");
    }
    server.prints("one\ntwo\nthree\n");
    server.end_by_the_system();
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
        client.end_by_the_system();
    }
    // After stdin's end a client gets a finish at once, and is still received from.
    server.close_stdin();
    scratch.pipetool(["connect", "x"]).run("late").ok().out("");
    server.prints("late");
}

/// What was taken from stdin and could not be delivered goes to the next client.
#[cfg(unix)] // a socket as the peer
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

#[cfg(unix)] // a socket as the peer
#[test]
fn a_clients_trouble_is_said_and_is_not_the_next_ones() {
    let scratch = Scratch::new();
    let mut server = scratch.serving(["-k", "./x"], Starter::open_stdin);
    let mut rude = UnixStream::connect(scratch.path("x")).unwrap();
    server.says("connected");
    server.write("unread");
    until("the bytes to arrive", || rustix::io::ioctl_fionread(&rude).unwrap() == 6);
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

#[cfg(unix)] // a shell's descriptors; windows.rs has its like
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

#[cfg(unix)]
/// A server whose number of open files can be limited while it runs.
fn limited_server(scratch: &Scratch, options: &[&str]) -> Side {
    let command = ["--nofile=4096", PIPETOOL, "serve", "-v", "./x"];
    let server = scratch.program("prlimit", command.iter().chain(options)).start();
    server.says("listening on");
    server
}

#[cfg(unix)]
fn limit(scratch: &Scratch, server: &Side, soft: u32) {
    let (pid, limit) = (server.child.id().to_string(), format!("--nofile={soft}:4096"));
    scratch.program("prlimit", ["--pid", &pid, &limit]).run("").ok();
}

#[cfg(unix)] // prlimit
#[test]
fn without_descriptors_clients_wait_until_there_are_some() {
    let scratch = Scratch::new();
    let server = limited_server(&scratch, &["-k"]);
    limit(&scratch, &server, 4);
    let client = scratch.pipetool(["connect", "./x"]).open_stdin().start();
    until("the client to connect", || {
        std::fs::read_to_string("/proc/net/unix").is_ok_and(|table| table.matches("./x").count() > 1)
    });
    limit(&scratch, &server, 1024);
    server.says("connected");
    client.end_after_stdin().ok();
}

/// A second look at the deadline, and at what a session needs besides its connection.
#[cfg(unix)] // prlimit
#[test]
fn without_descriptors_the_wait_still_ends() {
    let scratch = Scratch::new();
    let server = limited_server(&scratch, &["-w", "1"]);
    limit(&scratch, &server, 4);
    let _client = UnixStream::connect(scratch.path("x")).unwrap();
    server.end().code(124).says(&["no client came within 1s"]);
}

#[cfg(unix)] // prlimit
#[test]
fn a_client_that_waits_for_descriptors_is_served_in_the_end() {
    let scratch = Scratch::new();
    let server = limited_server(&scratch, &["-k"]);
    let pid = server.child.id();
    let is_open = |number: u32| std::fs::exists(format!("/proc/{pid}/fd/{number}")).unwrap();
    let next = (3..1000).find(|&number| !is_open(number)).unwrap();
    // Room for the connection alone.
    limit(&scratch, &server, next + 1);
    let client = scratch.pipetool(["connect", "./x"]).open_stdin().start();
    until("the connection to be taken", || is_open(next));
    limit(&scratch, &server, 1024);
    server.says("connected");
    client.end_after_stdin().ok();
}

#[cfg(unix)] // Windows refuses it: windows.rs
#[test]
fn replace_takes_the_name_over_and_the_old_server_leaves_it_alone() {
    let scratch = Scratch::new();
    let mut old = scratch.serving(["-k", "x"], Starter::open_stdin);
    let talking = scratch.pipetool(["connect", "x"]).open_stdin().start();
    old.says("connected");
    scratch.pipetool(["serve", "x"]).run("").code(1).one_line(&["is already served by pid"]);
    let new = scratch.server(["-k", "--replace", "x"]);
    scratch.pipetool(["connect", "x"]).run("to the new one").ok();
    new.prints("to the new one");
    // The old one's clients stay with it, and its end takes nothing away.
    old.write("still here");
    talking.prints("still here");
    old.signal(Signal::SIGTERM);
    old.end().killed_by(Signal::SIGTERM);
    talking.end();
    scratch.pipetool(["connect", "-w", "0", "x"]).run("again").ok();
    new.prints("again");
    // Only sockets are taken over.
    std::fs::write(scratch.path("file"), "precious").unwrap();
    scratch.pipetool(["serve", "--replace", "./file"]).run("").code(1).one_line(&["a regular file is there"]);
    assert_eq!(std::fs::read(scratch.path("file")).unwrap(), b"precious");
}

#[cfg(unix)] // a socket as the peer
#[test]
fn buffer_size_is_the_kernels() {
    let scratch = Scratch::new();
    let server = scratch.serving(["--buffer-size", "16KiB", "./x"], Starter::open_stdin);
    let peer = UnixStream::connect(scratch.path("x")).unwrap();
    server.says("connected");
    let mut stdin = std::fs::File::from(server.stdin_handle());
    std::thread::spawn(move || drop(stdin.write_all(&noise(1, 1_000_000))));
    let arrived = || rustix::io::ioctl_fionread(&peer).unwrap();
    // It stops where 16 KiB, which the kernel doubles for its own needs, are full: by default at 200.
    until("the buffer to be full", || arrived() > 8_000 && is_asleep(server.child.id()));
    assert!(arrived() <= 32 * 1024, "{}", arrived());
}

/// A server that only sends has nothing to do once all of its input is delivered.
#[test]
fn a_server_that_only_sends_ends_when_all_is_delivered() {
    let scratch = Scratch::new();
    for options in [&["-k"][..], &["-k", "--hub"]] {
        let mut server = scratch.serving([options, &["-d", "out", "x"]].concat(), Starter::open_stdin);
        let first = scratch.pipetool(["connect", "-d", "in", "x"]).start();
        server.write("hello\n");
        first.prints("hello\n");
        server.close_stdin();
        first.end().ok().out("hello\n");
        server.end().ok();
    }
    assert!(scratch.files().is_empty());
}
