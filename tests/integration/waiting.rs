//! Waiting for the other side: how long, how dear, and what is said meanwhile.

#[cfg(unix)]
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    os::unix::net::{UnixDatagram, UnixListener},
    time::{Duration, Instant},
};

#[cfg(unix)]
use rustix::net::listen;

use crate::harness::Scratch;

#[test]
fn the_client_may_come_first() {
    let scratch = Scratch::new();
    let client = scratch.pipetool(["connect", "x"]).start();
    client.says("waiting for a server at");
    let server = scratch.server(["x"]);
    client.end().ok();
    server.end().ok();
}

#[cfg(unix)] // /proc, and a socket as the peer
#[test]
fn a_client_is_there_within_20_ms_of_its_server_and_costs_next_to_nothing() {
    let scratch = Scratch::new();
    let client = scratch.pipetool(["connect", "x"]).start();
    client.says("waiting for a server at");
    let spent_by = |process: &str| {
        let schedstat = fs::read_to_string(format!("/proc/{process}/schedstat")).unwrap();
        Duration::from_nanos(schedstat.split(' ').next().unwrap().parse().unwrap())
    };
    let spent = || spent_by(&client.child.id().to_string());
    let (before, start) = (spent(), Instant::now());
    // On an idle virtual machine waking up is dear by itself: what do as many naps cost that do nothing?
    let naps = std::thread::spawn(move || {
        (0..66).for_each(|_| std::thread::sleep(Duration::from_millis(15)));
        spent_by("thread-self")
    });
    // Another one's notice comes after a second: so long we look.
    scratch.pipetool(["connect", "y"]).start().says("waiting for a server at");
    let (spent, waited) = (spent().saturating_sub(before), start.elapsed());
    let naps = naps.join().unwrap();
    let is_next_to_nothing = spent * 100 < waited || spent < naps * 3;
    assert!(is_next_to_nothing, "{spent:?} of processor time in {waited:?}, and {naps:?} for naps");
    // The best of several, because the machine may be busy with other tests.
    let best = (0..10).map(|round| {
        let name = format!("x{round}");
        let client = scratch.pipetool(["connect", &name]).start();
        client.says("waiting for a server at");
        let listener = UnixListener::bind(scratch.socket(&name)).unwrap();
        let start = Instant::now();
        listener.accept().unwrap();
        start.elapsed()
    });
    let best = best.min().unwrap();
    assert!(best < Duration::from_millis(20), "connected after {best:?}");
}

#[cfg(unix)] // stale sockets; windows.rs has its like
#[test]
fn wait_bounds_it_whatever_is_there() {
    let scratch = Scratch::new();
    for wait in ["0", "50ms"] {
        scratch.pipetool(["connect", "-w", wait, "x"]).run("").code(124).one_line(&["'x'", "no such pipe"]);
        scratch.pipetool(["serve", "-w", wait, "x"]).run("").code(124).one_line(&["'x'", "no client came"]);
        drop(UnixListener::bind(scratch.path("stale")).unwrap());
        scratch.pipetool(["connect", "-w", wait, "./stale"]).run("").code(124).one_line(&["stale"]);
        fs::remove_file(scratch.path("stale")).unwrap();
    }
    assert!(scratch.files().is_empty());
}

#[cfg(unix)] // sockets; windows.rs has its like
#[test]
fn a_full_backlog_is_waited_for() {
    let scratch = Scratch::new();
    let listener = UnixListener::bind(scratch.path("x")).unwrap();
    listen(&listener, 0).unwrap();
    let _first = std::os::unix::net::UnixStream::connect(scratch.path("x")).unwrap();
    scratch.pipetool(["connect", "-w", "50ms", "./x"]).run("").code(124).one_line(&["busy"]);
    let client = scratch.pipetool(["connect", "./x"]).start();
    client.says("busy with other clients");
    drop(listener.accept().unwrap());
    drop(listener.accept().unwrap());
    client.end().ok();
}

#[cfg(unix)] // files and sockets
#[test]
fn what_waiting_cannot_mend_ends_it_at_once() {
    let scratch = Scratch::new();
    fs::write(scratch.path("file"), "data").unwrap();
    fs::create_dir(scratch.path("dir")).unwrap();
    let _datagrams = UnixDatagram::bind(scratch.path("datagrams")).unwrap();
    for (pipe, reason) in [
        ("./nowhere/x", "there is no directory './nowhere'"),
        ("./file", "a regular file is there, no socket"),
        ("/dev/null", "a device is there, no socket"),
        ("./dir", "a directory is there"),
        ("./datagrams", "carries datagrams"),
        ("./file/x", "directory"),
    ] {
        scratch.pipetool(["connect", pipe]).run("").code(1).one_line(&[pipe, reason]);
    }
    for (pipe, reason) in [("./nowhere/x", "there is no directory './nowhere'"), ("./file/x", "directory")] {
        scratch.pipetool(["serve", pipe]).run("").code(1).one_line(&[pipe, reason]);
    }
    assert_eq!(fs::read(scratch.path("file")).unwrap(), b"data");
}

#[cfg(unix)] // users
#[test]
fn a_socket_that_may_not_be_opened_ends_it_at_once() {
    let scratch = Scratch::new();
    fs::set_permissions(scratch.path(""), Permissions::from_mode(0o755)).unwrap();
    let _listener = UnixListener::bind(scratch.path("x")).unwrap();
    fs::set_permissions(scratch.path("x"), Permissions::from_mode(0o600)).unwrap();
    let pipetool = crate::users::as_nobody(&scratch, ["connect", "./x"]);
    pipetool.run("").code(1).one_line(&["'./x'", "Permission denied"]);
}

#[cfg(unix)] // files and sockets
#[test]
fn the_notice_says_where_and_what_is_seen() {
    let scratch = Scratch::new();
    let waiting = |pipe: &str, text: &str| {
        let client = scratch.pipetool(["connect", pipe]).start();
        client.says(text);
    };
    let nothing = format!("waiting for a server at '{}': nothing is there yet", scratch.socket("x").display());
    waiting("x", &nothing);
    drop(UnixListener::bind(scratch.path("stale")).unwrap());
    waiting("./stale", "a stale socket is there");
    let _here = UnixListener::bind(scratch.path("here")).unwrap();
    waiting("here", "did you mean './here'?");
    let elsewhere = Scratch::new();
    let _listener = UnixListener::bind(elsewhere.socket("moved")).unwrap();
    waiting("moved", &format!("did you mean '{}'?", elsewhere.socket("moved").display()));
}
