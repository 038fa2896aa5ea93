//! Who owns a name (DESIGN section 6): one server, whatever was there before, and nothing of another's
//! is ever removed.

use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener};

use nix::sys::signal::Signal;

use crate::harness::{Scratch, Side, Starter};

/// A socket whose server has gone without removing it.
fn stale(scratch: &Scratch, name: &str) {
    drop(UnixListener::bind(scratch.path(name)).unwrap());
}

#[test]
fn a_stale_socket_is_replaced() {
    let scratch = Scratch::new();
    stale(&scratch, "x");
    let server = scratch.server(["./x"]);
    scratch.pipetool(["connect", "./x"]).run("hi").ok();
    server.end().ok().out("hi");
    assert!(scratch.files().is_empty());
}

#[test]
fn the_socket_of_a_killed_server_does_not_stop_the_next() {
    let scratch = Scratch::new();
    let killed = scratch.server(["x"]);
    killed.signal(Signal::SIGKILL);
    killed.end().killed_by(Signal::SIGKILL);
    assert!(scratch.socket("x").exists());
    let server = scratch.server(["x"]);
    scratch.pipetool(["connect", "x"]).run("").ok();
    server.end().ok();
    assert!(scratch.files().is_empty());
}

#[test]
fn a_live_server_is_left_alone_and_named() {
    let scratch = Scratch::new();
    for pipe in ["x", "./x", "@"] {
        let unique = format!("@{}", scratch.path("x").display());
        let pipe = if pipe == "@" { unique.as_str() } else { pipe };
        let server = scratch.server([pipe]);
        let pid = format!("pid {}", server.child.id());
        let owner = if pipe.starts_with('@') { "another process" } else { pid.as_str() };
        scratch.pipetool(["serve", pipe]).run("").code(1).one_line(&["already served by", owner]);
        // It noticed nothing: the next client is its first.
        scratch.pipetool(["connect", pipe]).run("first").ok();
        server.end().ok().out("first");
    }
}

#[test]
fn a_server_that_is_bound_and_does_not_listen_yet_is_live() {
    let scratch = Scratch::new();
    let socket = rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &rustix::net::SocketAddrUnix::new(scratch.path("x")).unwrap()).unwrap();
    scratch.pipetool(["serve", "./x"]).run("").code(1).one_line(&["already served"]);
}

#[test]
fn what_is_no_socket_stays_as_it_is() {
    let scratch = Scratch::new();
    fs::write(scratch.path("file"), "data").unwrap();
    fs::create_dir(scratch.path("dir")).unwrap();
    stale(&scratch, "stale");
    symlink("stale", scratch.path("link")).unwrap();
    symlink("nowhere", scratch.path("dangling")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        scratch.path("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    for (pipe, what) in [
        ("./file", "a regular file"),
        ("./dir", "a directory"),
        ("./link", "a symbolic link"),
        ("./dangling", "a symbolic link"),
        ("./fifo", "a FIFO"),
    ] {
        scratch.pipetool(["serve", "-w", "0", pipe]).run("").code(1).one_line(&[pipe, what]);
    }
    let _datagrams = UnixDatagram::bind(scratch.path("datagrams")).unwrap();
    scratch.pipetool(["serve", "-w", "0", "./datagrams"]).run("").code(1).one_line(&["already served"]);
    assert_eq!(fs::read(scratch.path("file")).unwrap(), b"data");
    assert_eq!(scratch.files().len(), 7);
}

/// Starts 50 servers at once: one owns the name, 49 say why they do not.
fn fifty_starts(scratch: &Scratch) {
    let starters = (0..50).map(|_| scratch.pipetool(["serve", "-v", "./x"]).open_stdin().start());
    let servers: Vec<Side> = starters.collect();
    let mut refused = 0;
    let mut owners = Vec::new();
    for server in servers {
        // Either line comes, and then the other never does.
        server.says("/x'");
        owners.push(server);
    }
    let (mut winners, losers): (Vec<Side>, Vec<Side>) = owners.into_iter().partition(Side::is_listening);
    for loser in losers {
        loser.end().code(1).one_line(&["already served by"]);
        refused += 1;
    }
    assert_eq!((winners.len(), refused), (1, 49));
    assert!(fs::symlink_metadata(scratch.path("x")).unwrap().file_type().is_socket());
    let client = scratch.pipetool(["connect", "./x"]).open_stdin().start();
    for winner in &mut winners {
        winner.says("connected to");
        winner.write("from the one owner");
        client.prints("from the one owner");
        winner.close_stdin();
    }
    client.end_after_stdin().ok();
    winners.pop().unwrap().end().ok();
    assert!(scratch.files().is_empty());
}

#[test]
fn fifty_at_once_on_a_free_name() {
    fifty_starts(&Scratch::new());
}

#[test]
fn fifty_at_once_on_a_stale_name() {
    let scratch = Scratch::new();
    stale(&scratch, "x");
    fifty_starts(&scratch);
}

#[test]
fn anothers_socket_under_our_name_is_not_removed() {
    let scratch = Scratch::new();
    // As .NET takes a name over: without asking.
    let server = scratch.server(["./x"]);
    fs::remove_file(scratch.path("x")).unwrap();
    let _other = UnixListener::bind(scratch.path("x")).unwrap();
    server.signal(Signal::SIGTERM);
    server.end().killed_by(Signal::SIGTERM);
    assert!(scratch.path("x").exists());
}

#[test]
fn without_keep_open_the_name_is_free_once_a_client_has_come() {
    let scratch = Scratch::new();
    let mut first = scratch.serving(["x"], Starter::open_stdin);
    let client = scratch.pipetool(["connect", "x"]).open_stdin().start();
    first.says("connected to");
    crate::harness::until("the name to be gone", || !scratch.socket("x").exists());
    let second = scratch.server(["x"]);
    first.close_stdin();
    client.end_after_stdin().ok();
    first.end().ok();
    // The first one's end left the second one's name alone.
    scratch.pipetool(["connect", "x"]).run("hi").ok();
    second.end().ok().out("hi");
}

/// A directory on a file system without locks: a clear error, and nothing removed.
#[test]
fn without_locks_a_stale_name_is_a_clear_error() {
    let scratch = Scratch::new();
    stale(&scratch, "x");
    let traced =
        ["-f", "-qq", "-o", "/dev/null", "-e", "inject=flock:error=ENOLCK", crate::harness::PIPETOOL, "serve", "./x"];
    scratch.program("strace", traced).run("").code(1).one_line(&["stale", "cannot be locked", "by hand"]);
    assert!(scratch.path("x").exists());
}
