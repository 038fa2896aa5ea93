//! connect -k comes back; --client-timeout ends a client, whatever its COMMAND has started.

#[cfg(unix)]
use std::fs;
use std::io::{Read, Write};
#[cfg(unix)]
use std::os::unix::net::UnixListener;
#[cfg(unix)]
use std::time::{Duration, Instant};

#[cfg(unix)]
use nix::sys::signal::Signal;

use crate::harness::{Scratch, Starter, plain_client, until};

#[test]
fn it_comes_back_when_the_server_does() {
    let scratch = Scratch::new();
    let mut client = scratch.pipetool(["connect", "-v", "-k", "x"]).open_stdin().start();
    for round in ["one", "two", "three"] {
        let mut server = scratch.serving(["x"], Starter::open_stdin);
        server.says("connected to");
        server.write(format!("server {round}\n"));
        client.prints(format!("server {round}\n"));
        client.write(format!("client {round}\n"));
        server.prints(format!("client {round}\n"));
        server.child.kill().unwrap();
        server.end();
    }
    client.end_by_the_system();
}

/// What was taken from stdin and has not gone whole goes to the next server, from its beginning.
#[cfg(unix)] // a socket as the peer
#[test]
fn messages_that_were_not_sent_are_kept_whole() {
    let scratch = Scratch::new();
    let listener = UnixListener::bind(scratch.path("x")).unwrap();
    let mut client = scratch.pipetool(["connect", "-k", "-f", "u32le", "--stdio", "lines", "./x"]).open_stdin().start();
    let (mut first, _) = listener.accept().unwrap();
    let long = "x".repeat(1_000_000);
    client.write(format!("short\n{long}\n"));
    let mut head = [0; 9];
    first.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"\x05\0\0\0short");
    // It goes in the middle of the long one; all that had come is read, so that it is no reset.
    let mut some = vec![0; 100_000];
    first.read_exact(&mut some).unwrap();
    first.shutdown(std::net::Shutdown::Both).unwrap();
    let _ = first.read_to_end(&mut some);
    drop(first);
    let (mut second, _) = listener.accept().unwrap();
    let mut whole = vec![0; 4 + long.len()];
    second.read_exact(&mut whole).unwrap();
    assert_eq!(whole[..4], 1_000_000_u32.to_le_bytes());
    assert!(whole[4..] == *long.as_bytes());
}

#[test]
fn wait_bounds_each_wait_for_the_server() {
    let scratch = Scratch::new();
    let mut server = scratch.server(["x"]);
    let client = scratch.pipetool(["connect", "-k", "-w", "300ms", "x"]).open_stdin().start();
    server.says("connected to");
    server.child.kill().unwrap();
    client.end().code(124).says(&["could not connect to 'x'", "after 300ms"]);
}

/// A server that closes at once is tried more and more slowly: 20 ms, 40, … a second.
#[cfg(unix)] // a socket as the peer
#[test]
fn it_does_not_hurry() {
    let scratch = Scratch::new();
    let listener = UnixListener::bind(scratch.path("x")).unwrap();
    let _client = scratch.pipetool(["connect", "-k", "./x"]).open_stdin().start();
    let times: Vec<Instant> = (0..7)
        .map(|_| {
            drop(listener.accept().unwrap());
            Instant::now()
        })
        .collect();
    let took = times[6] - times[0];
    assert!(took >= Duration::from_millis(20 + 40 + 80 + 160 + 320 + 640), "{took:?}");
}

#[cfg(unix)] // a shell, and a name that is taken over
#[test]
fn what_ends_it() {
    let scratch = Scratch::new();
    // One way: when all has been said.
    let server = scratch.server(["-k", "x"]);
    scratch.pipetool(["connect", "-k", "-d", "out", "x"]).run("all of it\n").ok();
    server.prints("all of it\n");
    // -q after stdin's end.
    scratch.pipetool(["connect", "-k", "-q", "0", "x"]).run("").ok();
    drop(server);
    // Nobody reads its stdout, be it while it waits.
    let script = "mkfifo in; exec 3<>in; $PIPETOOL connect -v -k x <&3 | head -1; echo ${PIPESTATUS[0]}";
    let reader = scratch.shell(script).start();
    let mut server = scratch.serving(["--replace", "x"], Starter::open_stdin);
    server.write("first\n");
    reader.prints("first\n");
    reader.end().ok().out("first\n141\n");
    server.signal(Signal::SIGKILL);
    server.end();
    // After the end of stdin it is still there for what servers say.
    let listener = scratch.pipetool(["connect", "-v", "-k", "x"]).start();
    for round in ["one\n", "two\n"] {
        scratch.pipetool(["serve", "--replace", "x"]).run(round).ok();
        listener.prints(round);
    }
}

#[cfg(unix)] // a shell, and a name that is taken over
#[test]
fn with_a_command_each_connection_has_its_own() {
    let scratch = Scratch::new();
    let client =
        scratch.pipetool(["connect", "-v", "-k", "x", "--", "sh", "-c", "read line; echo got $line; exit 3"]).start();
    for round in ["one", "two"] {
        scratch.pipetool(["serve", "--replace", "x"]).run(format!("{round}\n")).ok().out(format!("got {round}\n"));
    }
    client.says("ended: exit status: 3");
    drop(client);
    let server = scratch.server(["--replace", "-k", "x"]);
    scratch.pipetool(["connect", "-k", "x", "--", "./nothing"]).run("").code(127).one_line(&["'./nothing'"]);
    drop(server);
}

#[cfg(unix)] // there are none on Windows
#[test]
fn fifos_come_back_too() {
    let scratch = Scratch::new();
    scratch.program("mkfifo", ["f"]).run("").ok();
    let reader = scratch.pipetool(["connect", "-v", "-k", "-d", "in", "./f"]).start();
    for round in ["one\n", "two\n"] {
        fs::write(scratch.path("f"), round).unwrap();
        reader.prints(round);
        // Who writes into a FIFO that is just being closed has written for nobody.
        reader.says("closed");
    }
}

/// Both the command and what it has left behind let go of the client.
#[cfg(unix)] // a shell; windows.rs has its like
#[test]
fn a_clients_time_ends_its_command() {
    let scratch = Scratch::new();
    let script = "sleep 1000 & echo $! >> left; echo started; read never; echo not reached";
    let server = scratch.server(["-k", "--client-timeout", "500ms", "./x", "--", "sh", "-c", script]);
    let client = scratch.pipetool(["connect", "./x"]).open_stdin().start();
    client.end().ok().out("started\n");
    server.says("the client's time of 500ms is over");
    // The next one has a time of its own.
    let next = scratch.pipetool(["connect", "./x"]).open_stdin().start();
    next.prints("started\n");
    next.end().ok().out("started\n");
    scratch.shell("kill $(cat left); true").run("").ok();
}

#[cfg(unix)] // a shell; windows.rs has its like
#[test]
fn a_command_that_ends_in_time_has_its_own_code() {
    let scratch = Scratch::new();
    let server = scratch.server(["-k", "--client-timeout", "1h", "./x", "--", "sh", "-c", "cat; exit 7"]);
    scratch.pipetool(["connect", "./x"]).run("in time").ok().out("in time");
    server.says("ended: exit status: 7");
    // The same where pipetool stands between.
    let server = scratch.server([
        "-k",
        "--stats",
        "--client-timeout",
        "400ms",
        "./y",
        "--",
        "sh",
        "-c",
        "echo hi; exec sleep 1000",
    ]);
    let client = scratch.pipetool(["connect", "./y"]).open_stdin().start();
    client.end().ok().out("hi\n");
    server.says("the client's time of 400ms is over");
}

#[test]
fn one_after_another_nobody_keeps_the_next_waiting() {
    let scratch = Scratch::new();
    let server = scratch.serving(["-k", "--client-timeout", "400ms", "./x"], Starter::open_stdin);
    let listener = plain_client(&scratch, "x");
    server.says("connected to");
    (&listener).write_all(b"a word;").unwrap();
    scratch.pipetool(["connect", "./x"]).open_stdin().start().end().ok();
    server.says("the client's time of 400ms is over");
    server.prints("a word;");
    until("the first to be let go", || (&listener).read(&mut [0; 10]).is_ok_and(|read| read == 0));
}

/// Both sides that only send end once all is sent. What an earlier session lost makes the exit code 1.
#[cfg(unix)] // a peer that resets the connection
#[test]
fn what_an_earlier_session_lost_is_not_forgotten() {
    let scratch = Scratch::new();
    let listener = UnixListener::bind(scratch.path("x")).unwrap();
    let mut client = scratch.pipetool(["connect", "-k", "-d", "out", "./x"]).open_stdin().start();
    client.write("line1\n");
    let (mut peer, _) = listener.accept().unwrap();
    Read::read_exact(&mut peer, &mut [0]).unwrap();
    fs::remove_file(scratch.path("x")).unwrap();
    drop((peer, listener));
    client.says("could not");
    let server = scratch.server(["-d", "in", "./x"]);
    client.write("line2\n");
    server.prints("line2\n");
    client.end_after_stdin().code(1);
    server.end().ok().out("line2\n");

    let mut server = scratch.serving(["-k", "-d", "out", "./y"], Starter::open_stdin);
    let mut peer = std::os::unix::net::UnixStream::connect(scratch.path("y")).unwrap();
    server.write("line1\n");
    Read::read_exact(&mut peer, &mut [0]).unwrap();
    drop(peer);
    server.says("could not");
    let client = scratch.pipetool(["connect", "-d", "in", "./y"]).start();
    server.write("line2\n");
    client.prints("line2\n");
    server.end_after_stdin().code(1);
    client.end().ok().out("line2\n");
}
