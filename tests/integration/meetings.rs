//! How the two sides of a transfer find each other: in either order, one pair at a time, and not with others.

use std::fs;
use std::os::unix::net::UnixListener;

use crate::harness::{Ended, Scratch, Side, noise, until};

fn send(scratch: &Scratch, name: &str, text: &str) -> Side {
    scratch.pipetool(["send", name, "-t", text]).start()
}

fn recv(scratch: &Scratch, name: &str) -> Side {
    scratch.pipetool(["recv", name]).start()
}

/// Has the one who serves `name` come?
fn is_served(scratch: &Scratch, name: &str) {
    until("a server", || scratch.socket(name).exists());
}

#[test]
fn either_may_come_first() {
    let scratch = Scratch::new();
    for receiver_first in [true, false] {
        let (one, other): (Side, Side) = if receiver_first {
            let receiver = recv(&scratch, "x");
            is_served(&scratch, "x");
            (receiver, send(&scratch, "x", "hi"))
        } else {
            let sender = send(&scratch, "x", "hi");
            is_served(&scratch, "x");
            (recv(&scratch, "x"), sender)
        };
        one.end().ok().out("hi");
        other.end().ok().out("");
        assert!(scratch.files().is_empty());
    }
}

#[test]
fn two_hundred_pairs_that_start_at_once() {
    let scratch = Scratch::new();
    let sides: Vec<(Side, Side)> = (0..200)
        .map(|number| {
            let name = format!("x{number}");
            (send(&scratch, &name, &name), recv(&scratch, &name))
        })
        .collect();
    for (number, (sender, receiver)) in sides.into_iter().enumerate() {
        sender.end().ok();
        receiver.end().ok().out(format!("x{number}"));
    }
    assert!(scratch.files().is_empty());
}

#[test]
fn twenty_of_each_under_one_name_make_twenty_pairs() {
    let scratch = Scratch::new();
    let sides: Vec<(Side, Side)> =
        (0..20).map(|number| (send(&scratch, "x", &format!("<{number}>")), recv(&scratch, "x"))).collect();
    let mut got: Vec<Vec<u8>> = Vec::new();
    for (sender, receiver) in sides {
        sender.end().ok();
        got.push(receiver.end().ok().out);
    }
    got.sort();
    let mut sent: Vec<Vec<u8>> = (0..20).map(|number| format!("<{number}>").into_bytes()).collect();
    sent.sort();
    assert_eq!(got, sent);
    assert!(scratch.files().is_empty());
}

#[test]
fn two_of_a_kind_go_on_waiting() {
    let scratch = Scratch::new();
    let first = send(&scratch, "x", "one");
    is_served(&scratch, "x");
    let second = scratch.pipetool(["send", "-w", "600", "x", "-t", "two"]).start();
    until("the second to wait", || crate::harness::is_asleep(second.child.id()));
    let mut got = [recv(&scratch, "x").end().ok().out, recv(&scratch, "x").end().ok().out];
    got.sort();
    assert_eq!(got, [b"one".to_vec(), b"two".to_vec()]);
    first.end().ok();
    second.end().ok();
    // One that waits beside another can be over before.
    let waiting = recv(&scratch, "x");
    is_served(&scratch, "x");
    scratch.pipetool(["recv", "-w", "50ms", "x"]).run("").code(124).one_line(&["'x'", "nobody came within 50ms"]);
    send(&scratch, "x", "three").end().ok();
    waiting.end().ok().out("three");
}

#[test]
fn a_role_can_be_forced() {
    let scratch = Scratch::new();
    let sender = scratch.pipetool(["send", "--connect", "-v", "x", "-t", "hi"]).start();
    sender.says("waiting for a receiver at");
    assert!(!scratch.socket("x").exists());
    let receiver = scratch.pipetool(["recv", "--serve", "-v", "x"]).start();
    receiver.says("listening on");
    receiver.end().ok().out("hi");
    sender.end().ok();
    let receiver = recv(&scratch, "x");
    is_served(&scratch, "x");
    scratch.pipetool(["send", "--serve", "x", "-t", "hi"]).run("").code(1).one_line(&["'x'", "already served by pid"]);
    send(&scratch, "x", "hi").end().ok();
    receiver.end().ok().out("hi");
    scratch.pipetool(["send", "--serve", "--connect", "x"]).run("").code(2).one_line(&["--serve", "--connect"]);
}

#[test]
fn wait_bounds_it() {
    let scratch = Scratch::new();
    let _silent = UnixListener::bind(scratch.path("silent")).unwrap();
    for wait in ["0", "50ms"] {
        for command in ["send", "recv"] {
            let run = |pipe, more: &str| {
                let arguments = [command, "-w", wait, pipe, more];
                scratch.pipetool(arguments.iter().filter(|text| !text.is_empty())).run("").code(124)
            };
            run("x", "").one_line(&["'x'", "nobody came"]);
            run("x", "--connect").one_line(&["'x'"]);
            run("./silent", "").one_line(&["'./silent'", "nobody took us on"]);
        }
    }
    assert_eq!(scratch.files(), ["silent"]);
}

/// Who is there already is met, however short the patience; and who says nothing is no obstacle for long.
#[test]
fn one_try_is_enough_where_somebody_waits() {
    let scratch = Scratch::new();
    for (waits, comes, out) in [
        (["recv", "x", "-n", "1"], ["send", "-w", "0", "x"], "hi"),
        (["send", "x", "-t", "hi"], ["recv", "-w", "0", "x"], ""),
    ] {
        let waiting = scratch.pipetool(waits).start();
        is_served(&scratch, "x");
        scratch.pipetool(comes).run("hi").ok();
        waiting.end().ok().out(out);
    }
    let receiver = scratch.pipetool(["recv", "-k", "-n", "1", "x"]).start();
    is_served(&scratch, "x");
    let _silent = std::os::unix::net::UnixStream::connect(scratch.socket("x")).unwrap();
    let sender = send(&scratch, "x", "hi");
    receiver.says("has said nothing, and is let go");
    sender.end().ok();
    receiver.end().ok().out("hi");
}

/// A server that waits for a client's hello sleeps until the client's time is over.
#[test]
fn a_silent_client_costs_no_processor_time() {
    let scratch = Scratch::new();
    for arguments in [&["recv", "x"][..], &["send", "x", "-t", "hi"]] {
        let server = scratch.pipetool(arguments).start();
        is_served(&scratch, "x");
        let mut silent = std::os::unix::net::UnixStream::connect(scratch.socket("x")).unwrap();
        // The first byte of a hello alone.
        std::io::Write::write_all(&mut silent, b"p").unwrap();
        server.says("has said nothing, and is let go");
        let used = processor_time(server.child.id());
        assert!(used <= 50, "{arguments:?}: {used} hundredths of a second");
        drop(server);
        let _ = fs::remove_file(scratch.socket("x"));
    }
}

/// What a process has used, in ticks of 10 ms: utime and stime of proc_pid_stat(5).
fn processor_time(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields = stat.rsplit(") ").next().unwrap().split(' ').skip(11);
    fields.take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

#[test]
fn what_is_waited_for_is_said() {
    let scratch = Scratch::new();
    let waiting = |command: &str, text: String| scratch.pipetool([command, "x"]).start().says(&text);
    waiting("send", format!("waiting for a receiver at '{}'", scratch.socket("x").display()));
    waiting("recv", format!("waiting for a sender at '{}'", scratch.socket("x").display()));
    let _silent = UnixListener::bind(scratch.path("silent")).unwrap();
    scratch.pipetool(["recv", "./silent"]).start().says("no word from the other side of './silent' yet");
}

/// A server that ends while we wait in its queue has taken nothing from us.
#[test]
fn a_reset_before_the_hello_is_no_failure() {
    let scratch = Scratch::new();
    for command in [&["send", "x", "-t", "hi"][..], &["recv", "x"]] {
        let listener = UnixListener::bind(scratch.socket("x")).unwrap();
        let side = scratch.pipetool(command).start();
        until("a client in the queue", || has_client(&listener));
        fs::remove_file(scratch.socket("x")).unwrap();
        drop(listener);
        let (sender, receiver) = match command[0] {
            "send" => (side, recv(&scratch, "x")),
            _ => (send(&scratch, "x", "hi"), side),
        };
        sender.end().ok();
        receiver.end().ok().out("hi");
    }
}

fn has_client(listener: &UnixListener) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&Timespec::default())) == Ok(1)
}

#[test]
fn who_speaks_something_else_is_known_at_its_first_bytes() {
    let scratch = Scratch::new();
    let refused = |ended: Ended| ended.code(1).one_line(&["'./x'", "knows no transfers", "'-f none'"]);
    for command in ["send", "recv"] {
        // It serves.
        let server = scratch.server(["./x"]);
        refused(scratch.pipetool([command, "./x"]).run(""));
        drop(server);
        let server = scratch.program("socat", ["UNIX-LISTEN:x,unlink-early", "EXEC:echo HTTP/1.1"]).start();
        until("socat to listen", || scratch.path("x").exists());
        refused(scratch.pipetool([command, "--connect", "./x"]).run(""));
        drop(server);
        let _ = fs::remove_file(scratch.path("x"));
        // It connects.
        let side = scratch.pipetool([command, "./x"]).start();
        until("a server", || scratch.path("x").exists());
        scratch.pipetool(["connect", "./x"]).run("GET / HTTP/1.1\r\n\r\n");
        refused(side.end());
    }
}

/// Who looks whether somebody is there, and leaves, is none to talk to.
#[test]
fn a_client_that_leaves_without_a_word_does_not_end_the_wait() {
    let scratch = Scratch::new();
    let receiver = scratch.pipetool(["recv", "./x"]).start();
    until("a server", || scratch.path("x").exists());
    scratch.program("socat", ["-u", "/dev/null", "UNIX-CONNECT:x"]).run("").ok();
    scratch.pipetool(["send", "./x", "-t", "hi"]).run("").ok();
    receiver.end().ok().out("hi");
}

#[test]
fn one_sender_after_another() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("in")).unwrap();
    let receiver = scratch.pipetool(["recv", "-k", "-v", "-n", "4", "-D", "in", "--print-names", "x"]).start();
    is_served(&scratch, "x");
    fs::write(scratch.path("a"), "a").unwrap();
    fs::write(scratch.path("b"), noise(1, 300_000)).unwrap();
    scratch.pipetool(["send", "x", "a"]).run("").ok();
    // One that fails ends alone.
    scratch.pipetool(["send", "x", "a"]).run("").code(1).one_line(&["'a'", "there already"]);
    receiver.says("there already");
    scratch.pipetool(["send", "x", "b", "-t", "text"]).run("").ok();
    scratch.pipetool(["send", "x"]).run("stream").ok();
    receiver.end().ok().out("in/a\nin/item-2\nin/b\nin/item-4\n");
    assert_eq!(fs::read(scratch.path("in/b")).unwrap(), noise(1, 300_000));
    assert_eq!(fs::read(scratch.path("in/item-4")).unwrap(), b"stream");
    // Many at once take their turns.
    let receiver = scratch.pipetool(["recv", "-k", "-n", "30", "x"]).start();
    is_served(&scratch, "x");
    let senders: Vec<Side> = (0..30).map(|_| send(&scratch, "x", ".")).collect();
    for sender in senders {
        sender.end().ok();
    }
    receiver.end().ok().out(".".repeat(30));
    // One that speaks something else is refused alone.
    let receiver = scratch.pipetool(["recv", "-k", "-n", "1", "x"]).start();
    is_served(&scratch, "x");
    scratch.pipetool(["connect", "x"]).run("GET / HTTP/1.1\r\n\r\n");
    receiver.says("knows no transfers");
    send(&scratch, "x", "hi").end().ok();
    receiver.end().ok().out("hi");
}

/// Another user's server gets nothing.
#[test]
fn another_users_server_gets_nothing() {
    let scratch = Scratch::new();
    let theirs =
        crate::users::as_nobody(&scratch, ["serve", "-v", "--peer", "any", "--permissions", "666", "x"]).start();
    theirs.says("listening on");
    scratch.pipetool(["send", "x", "-t", "secret"]).run("").code(1).one_line(&["'x'", "user nobody (uid 65534)"]);
    theirs.end().ok().out("");
}
