//! serve -k --hub where a pipe has no half-close and no backlog; a bus of more clients than one can wait for by
//! their handles (64); and --client-timeout with a COMMAND.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::windows::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use super::{peer, win32};
use crate::harness::{Scratch, Starter, noise, plain_client, until};
use crate::hub::{Client, hub, join, relay};

#[test]
fn when_it_only_sends_stdins_end_comes_to_all() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &["-d", "out"]);
    hub.write("before anybody came\n");
    let mut one = join(&scratch, &hub, 1);
    one.hears("before anybody came\n");
    hub.close_stdin();
    assert!(one.rest().is_empty());
    // No later client could get or send anything.
    hub.end().ok();
}

/// More than the pipe's buffer holds, so that the last of it is on its way for as long as nobody reads.
#[test]
fn what_is_on_its_way_arrives_before_the_end() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &["-d", "out"]);
    let one = join(&scratch, &hub, 1);
    let line = format!("{}\n", "x".repeat(999));
    hub.write(line.repeat(100));
    hub.close_stdin();
    // Long enough for it to be taken for done.
    thread::sleep(Duration::from_millis(500));
    assert!(one.rest() == line.repeat(100).as_bytes(), "not all of it");
    hub.says("messages: 100 sent, 0 received, 0 dropped");
}

/// Nothing can tell them of it, unless they are left.
#[test]
fn both_ways_stdins_end_ends_nothing_but_quit_after_does() {
    let scratch = Scratch::new();
    let mut talking = hub(&scratch, &[]);
    let one = join(&scratch, &talking, 1);
    talking.close_stdin();
    one.says("still here\n");
    talking.prints("still here\n");
    let late = join(&scratch, &talking, 2);
    late.says("and I\n");
    talking.prints("and I\n");
    drop(talking);
    let mut quitting = hub(&scratch, &["-q", "200ms"]);
    let one = join(&scratch, &quitting, 1);
    quitting.write("bye\n");
    quitting.close_stdin();
    assert_eq!(one.rest(), b"bye\n");
    quitting.says("client #1 closed");
}

#[test]
fn when_it_only_receives_clients_may_send_only() {
    let scratch = Scratch::new();
    let collecting = hub(&scratch, &["-d", "in"]);
    let (one, two) = (join(&scratch, &collecting, 1), join(&scratch, &collecting, 2));
    one.says("a\n");
    two.says("b\n");
    collecting.prints("a\n");
    collecting.prints("b\n");
    drop(one);
    collecting.says("client #1 closed");
}

/// Instances are what there is in place of a backlog: others find the pipe busy.
#[test]
fn max_clients_are_instances() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &["--max-clients", "2"]);
    let (mut one, _two) = (join(&scratch, &hub, 1), join(&scratch, &hub, 2));
    scratch.pipetool(["connect", "-w", "0", "x"]).run("").code(124).one_line(&["busy with other clients"]);
    let third = scratch.pipetool(["connect", "x"]).open_stdin().start();
    hub.write("to the two\n");
    one.hears("to the two\n");
    drop(one);
    hub.says("client #3 connected");
    hub.write("to the third\n");
    third.prints("to the third\n");
    assert!(!third.has_printed("to the two"));
}

#[test]
fn large_messages_are_whole_and_too_large_ones_refused() {
    let scratch = Scratch::new();
    let options = ["-m", "message", "--stdio", "whole", "--max-message", "2MB"];
    let hub = scratch.server(["-k", "--hub=relay", "x"].iter().chain(&options));
    let client = |number: usize| {
        let arguments = ["connect", "-m", "message", "--stdio", "whole", "-n", "1", "x"];
        let client = scratch.pipetool(arguments).open_stdin().start();
        hub.says(&format!("client #{number} connected"));
        client
    };
    let (mut speaker, listener) = (client(1), client(2));
    let large = noise(7, 1_500_000);
    speaker.write(&large);
    speaker.close_stdin();
    assert!(listener.end().ok().out == large);
    let mut rude = client(3);
    rude.write(noise(8, 2_500_000));
    rude.close_stdin();
    hub.says("could not take what client #3 of 'x' sent: a message of more than 2000000 bytes");
}

/// The peer in C, with messages: an empty one is one.
#[test]
fn a_peer_of_windows_own_calls_is_a_client_too() {
    let scratch = Scratch::new();
    let hub = relay(&scratch, &["-m", "message", "--label"]);
    let steps = ["client", "x", "message", "line", "write:one", "empty", "write:two", "one"];
    let mut talker = win32(&scratch, &steps).open_stdin().start();
    hub.says("client #1 connected");
    let listener = win32(&scratch, &["client", "x", "message", "one", "one", "one", "write:answer"]).start();
    hub.says("client #2 connected");
    talker.write("\n");
    listener.end().ok().out("[one][][two]");
    talker.end().ok().out("[answer]");
    hub.prints("#1 one\n#1 \n#1 two\n#2 answer\n");
    let _caller = win32(&scratch, &["call", "x", "ping"]).start();
    hub.prints("#3 ping\n");
}

/// The bus of the issue, smaller: clients leave in the middle, the others get every message in order.
#[test]
fn a_bus_of_a_hundred_and_fifty() {
    const MESSAGES: usize = 1000;
    let scratch = Scratch::new();
    let mut hub = relay(&scratch, &["--on-slow", "block", "-w", "5s", "--stats"]);
    let hear = |mut client: Client, most: usize| {
        thread::spawn(move || {
            for number in 0..most {
                client.hears(&format!("message {number}\n"));
            }
        })
    };
    let clients: Vec<_> = (1..=150)
        .map(|number| hear(join(&scratch, &hub, number), if number % 10 == 0 { MESSAGES / 2 } else { MESSAGES }))
        .collect();
    for first in (0..MESSAGES).step_by(10) {
        let ten: Vec<String> = (first..first + 10).map(|number| format!("message {number}\n")).collect();
        hub.write(ten.concat());
    }
    for client in clients {
        client.join().unwrap();
    }
    hub.end().code(124).says(&["150 clients, 0 of them disconnected as too slow"]);
}

/// As they are for a child of a program that can wait for them itself.
#[test]
fn overlapped_pipes_are_stdin_and_stdout() {
    let overlapped = |name: &str| {
        let mut ways = File::options();
        ways.read(true).write(true).custom_flags(0x4000_0000);
        ways.open(format!(r"\\.\pipe\{name}")).unwrap()
    };
    let scratch = Scratch::new();
    let (mut feeder, collector) = (scratch.serving(["in"], Starter::open_stdin), scratch.server(["out"]));
    let hub = scratch.serving(["-k", "--hub", "x"], |hub| hub.stdin(overlapped("in")).stdout(overlapped("out")));
    let mut one = join(&scratch, &hub, 1);
    for round in ["one\n", "two\n"] {
        feeder.write(round);
        one.hears(round);
        one.says(round);
        collector.prints(round);
    }
    // Its end is seen too.
    drop(collector);
    hub.end().code(1);
}

#[test]
fn nobody_reads_stdout() {
    let scratch = Scratch::new();
    let mut hub = scratch.pipetool(["serve", "-k", "--hub", "x"]).open_stdin().start_raw();
    let mut one = BufReader::new(plain_client(&scratch, "x"));
    one.get_ref().write_all(b"first\n").unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(hub.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "first\n");
    drop(stdout);
    assert!(one.read_to_string(&mut line).is_ok(), "its end comes, and no error");
    assert_eq!(hub.wait().unwrap().code(), Some(1));
}

/// A stdout that takes nothing holds back those who talk to it, and nobody who listens.
#[test]
fn a_stopped_stdout_holds_back_who_talks_to_it() {
    const LINES: usize = 400_000;
    let scratch = Scratch::new();
    let mut hub = scratch.pipetool(["serve", "-k", "--hub", "x"]).open_stdin().start_raw();
    let mut talker = plain_client(&scratch, "x");
    let mut listener = BufReader::new(plain_client(&scratch, "x"));
    let said = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&said);
    let talking = thread::spawn(move || {
        for _ in 0..LINES / 1000 {
            talker.write_all(&b"talk\n".repeat(1000)).unwrap();
            count.fetch_add(1000, SeqCst);
        }
        talker
    });
    let mut since = (0, Instant::now());
    until("the talk to stop", || {
        let now = said.load(SeqCst);
        since = if now == since.0 && now > 0 { since } else { (now, Instant::now()) };
        since.1.elapsed() > Duration::from_millis(500)
    });
    hub.stdin.as_mut().unwrap().write_all(b"listen\n").unwrap();
    let mut line = String::new();
    listener.read_line(&mut line).unwrap();
    assert_eq!(line, "listen\n");
    assert!(!talking.is_finished(), "all of it was taken");
    let mut all = vec![0; 5 * LINES];
    hub.stdout.as_mut().unwrap().read_exact(&mut all).unwrap();
    assert!(all.chunks(5).all(|line| line == b"talk\n"));
    drop(talking.join().unwrap());
    hub.kill().unwrap();
    hub.wait().unwrap();
}

/// A COMMAND that would wait for ever is ended, and what it had with it: its own pipe.
#[test]
fn a_clients_time_ends_its_command() {
    let scratch = Scratch::new();
    let command = [&peer(), "server", "y", "byte"];
    let server = scratch.server(["-k", "--client-timeout", "1s", "x", "--"].iter().chain(&command));
    for _ in 0..2 {
        // Its time is its own, and the COMMAND has the name alone.
        let client = scratch.pipetool(["connect", "x"]).open_stdin().start();
        client.end().ok();
    }
    scratch.pipetool(["connect", "-w", "0", "y"]).run("").code(124).one_line(&["there is no such pipe"]);
    server.says("listening\n");
    server.says("the client's time of 1s is over");
}

#[test]
fn a_command_that_ends_in_time_has_its_own_code() {
    let scratch = Scratch::new();
    let command = [&peer(), "exit", "7"];
    let server =
        scratch.serving(["-k", "--client-timeout", "1h", "x", "--"].iter().chain(&command), Starter::open_stdin);
    scratch.pipetool(["connect", "x"]).run("").ok();
    server.says("ended: exit code: 7");
}
