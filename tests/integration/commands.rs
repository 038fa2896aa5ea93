//! -- COMMAND: what the program gets, for one client or many, and what its end means.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use nix::sys::signal::Signal;

use crate::harness::{PIPETOOL, Scratch, Side, Starter, noise, until};

#[test]
fn its_stdin_and_stdout_are_the_pipe() {
    let scratch = Scratch::new();
    let bytes = noise(1, 1_000_000);
    let server = scratch.pipetool(["serve", "x", "--", "cat"]).start();
    assert!(scratch.pipetool(["connect", "x"]).run(&bytes).ok().out == bytes);
    server.end().ok().out("");
    let mut server = scratch.serving(["x"], Starter::open_stdin);
    let client = scratch.pipetool(["connect", "x", "--", "tr", "a-z", "A-Z"]).start();
    server.write("shout");
    server.end_after_stdin().ok().out("SHOUT");
    client.end().ok().out("");
}

/// The process becomes the command: same pid, and the pipe's socket itself on both its ends.
#[test]
fn nothing_stands_between() {
    let scratch = Scratch::new();
    for role in ["serve", "connect"] {
        let listener = (role == "connect").then(|| scratch.server(["./x"]));
        let script = "echo $$ > pid; in=$(readlink /proc/$$/fd/0); out=$(readlink /proc/$$/fd/1); echo $in $out > ends";
        let side = scratch.pipetool([role, "./x", "--", "sh", "-c", script]).start();
        let pid = side.child.id();
        let other = listener.unwrap_or_else(|| scratch.pipetool(["connect", "./x"]).start());
        side.end().ok();
        other.end().ok();
        let read = |name| fs::read_to_string(scratch.path(name)).unwrap();
        assert_eq!(read("pid").trim(), pid.to_string());
        let ends = read("ends");
        let (stdin, stdout) = ends.trim().split_once(' ').unwrap();
        assert_eq!(stdin, stdout);
        assert!(stdin.starts_with("socket:"), "{stdin}");
    }
}

#[test]
fn it_inherits_0_to_2_and_nothing_else() {
    let scratch = Scratch::new();
    // ls opens the directory itself, as its 3.
    for options in ["", "--stats", "-k"] {
        let script = format!(
            "exec 5</dev/null 9>/dev/null; exec $PIPETOOL serve -v {options} --ready-fd 9 x -- ls /proc/self/fd"
        );
        let server = scratch.shell(&script).start();
        server.says("listening on");
        scratch.pipetool(["connect", "x"]).run("").ok().out("0\n1\n2\n3\n");
    }
}

#[test]
fn with_a_direction_it_gets_one_end_only() {
    let scratch = Scratch::new();
    for option in ["-v", "--stats"] {
        let server = scratch.server(["-d", "in", option, "x", "--", "sh", "-c", "cat; echo from the command"]);
        scratch.pipetool(["connect", "x"]).run("in;").ok().out("");
        server.end().ok().out("in;from the command\n");
        let server = scratch.serving(["-d", "out", option, "x", "--", "cat"], Starter::open_stdin);
        let client = scratch.pipetool(["connect", "x"]).start();
        let mut server = server;
        server.write("from its stdin");
        server.end_after_stdin().ok();
        client.end().ok().out("from its stdin");
    }
}

#[test]
fn it_knows_its_peer() {
    let scratch = Scratch::new();
    let script = "echo $PIPETOOL_PEER_UID $PIPETOOL_PEER_GID $PIPETOOL_PEER_PID";
    let server = scratch.pipetool(["serve", "x", "--", "sh", "-c", script]).start();
    let client = scratch.pipetool(["connect", "x"]).start();
    let pid = client.child.id();
    client.end().ok().out(format!("0 0 {pid}\n"));
    server.end().ok();
    // A FIFO does not say: no variable, not even an inherited one.
    let server = scratch
        .pipetool(["serve", "-d", "in", "fifo:f", "--", "sh", "-c", "cat; echo \"<$PIPETOOL_PEER_PID>\""])
        .env("PIPETOOL_PEER_PID", "1")
        .start();
    scratch.shell("until [ -p f ]; do :; done; printf 'hi ' > f").run("").ok();
    server.end().ok().out("hi <>\n");
}

#[test]
fn its_end_is_ours() {
    let scratch = Scratch::new();
    let run = |role: &str, options: &[&str], script: &str| {
        let other = if role == "serve" { "connect" } else { "serve" };
        let arguments = [&[role], options, &["x", "--", "sh", "-c", script]].concat();
        let side = scratch.pipetool(arguments).start();
        let other = scratch.pipetool([other, "x"]).start();
        let ended = side.end();
        other.end();
        ended
    };
    for role in ["serve", "connect"] {
        run(role, &[], "exit 7").code(7);
        run(role, &["--stats"], "exit 7").code(7);
        run(role, &[], "kill -9 $$").killed_by(Signal::SIGKILL);
        run(role, &["--stats"], "kill -9 $$").code(137);
    }
}

#[test]
fn what_cannot_be_started_is_126_or_127() {
    let scratch = Scratch::new();
    fs::write(scratch.path("no-program"), "").unwrap();
    for options in [&["./x"][..], &["--stats", "./x"]] {
        for (command, code, reason) in [
            ("./nowhere", 127, "'./nowhere': No such file"),
            ("./no-program", 126, "'./no-program': Permission denied"),
        ] {
            let arguments = [&["serve"], options, &["--", command]].concat();
            let server = scratch.pipetool(arguments).start();
            scratch.pipetool(["connect", "./x"]).run("").out("");
            server.end().code(code).one_line(&[reason]);
        }
    }
}

#[test]
fn one_for_each_of_200_clients_at_once() {
    let scratch = Scratch::new();
    fs::write(scratch.path("handler.sh"), "read line; echo \"$PIPETOOL_PEER_PID said $line\"").unwrap();
    let server = scratch.server(["-k", "x", "--", "sh", "handler.sh"]);
    let clients: Vec<Side> = (0..200).map(|_| scratch.pipetool(["connect", "x"]).open_stdin().start()).collect();
    // All are connected before the first says anything.
    until("200 commands", || children(&server) == 200);
    for mut client in clients {
        let pid = client.child.id();
        client.write("hi\n");
        client.end_after_stdin().ok().out(format!("{pid} said hi\n"));
    }
    until("all to be reaped", || children(&server) == 0);
    server.signal(Signal::SIGTERM);
    server.end().killed_by(Signal::SIGTERM);
    assert_eq!(scratch.files(), ["handler.sh"]);
}

fn children(side: &Side) -> usize {
    let pid = side.child.id();
    fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .filter_map(|task| fs::read_to_string(task.unwrap().path().join("children")).ok())
        .map(|children| children.split_whitespace().count())
        .sum()
}

#[test]
fn max_clients_lets_the_others_wait() {
    let scratch = Scratch::new();
    let server = scratch.server(["-k", "--max-clients", "2", "x", "--", "cat"]);
    let mut clients: Vec<Side> = (0..3).map(|_| scratch.pipetool(["connect", "x"]).open_stdin().start()).collect();
    until("two commands", || children(&server) == 2);
    for client in &mut clients {
        client.write("hi");
    }
    let answered = |clients: &[Side]| clients.iter().filter(|client| client.has_printed("hi")).count();
    until("two answers", || answered(&clients) == 2);
    let late = clients.iter().position(|client| !client.has_printed("hi")).unwrap();
    let late = clients.remove(late);
    assert!(!late.has_printed("hi"));
    clients.pop().unwrap().end_after_stdin().ok();
    late.prints("hi");
    late.end_after_stdin().ok();
}

/// Clients that leave at once, and a command that cannot start: the next one is served.
#[test]
fn a_server_survives_everything_that_clients_do() {
    let scratch = Scratch::new();
    let server = scratch.server(["-k", "./x", "--", "./handler"]);
    for _ in 0..50 {
        let mut rude = UnixStream::connect(scratch.path("x")).unwrap();
        let _ = rude.write_all(b"unread");
    }
    server.says("could not run './handler'");
    // By another process: a handle of ours would be a forked child's too for a moment (ETXTBSY).
    scratch.shell(r"printf '#!/bin/sh\necho served\n' > new && chmod 755 new && mv new handler").run("").ok();
    scratch.pipetool(["connect", "./x"]).run("").ok().out("served\n");
}

#[test]
fn sigterm_lets_those_finish_that_run_and_a_second_one_does_not() {
    let scratch = Scratch::new();
    for times in [1, 2] {
        let server = scratch.server(["-k", "./x", "--", "cat"]);
        let mut client = UnixStream::connect(scratch.path("x")).unwrap();
        client.write_all(b"one").unwrap();
        client.read_exact(&mut [0; 3]).unwrap();
        server.signal(Signal::SIGTERM);
        until("the name to go", || !scratch.path("x").exists());
        client.write_all(b"two").unwrap();
        client.read_exact(&mut [0; 3]).unwrap();
        if times == 2 {
            server.signal(Signal::SIGTERM);
            server.end().killed_by(Signal::SIGTERM);
            // The command was told to end, too.
            assert_eq!(client.read_to_end(&mut Vec::new()).unwrap(), 0);
            continue;
        }
        client.shutdown(Shutdown::Write).unwrap();
        client.read_to_end(&mut Vec::new()).unwrap();
        server.end().killed_by(Signal::SIGTERM);
    }
}

#[test]
fn children_get_the_old_limit_of_open_files() {
    let scratch = Scratch::new();
    let script = "ulimit -S -n 200; exec $PIPETOOL serve -v -k x -- sh -c 'ulimit -S -n'";
    let server = scratch.shell(script).start();
    server.says("listening on");
    scratch.pipetool(["connect", "x"]).run("").ok().out("200\n");
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.child.id())).unwrap();
    let limit: Vec<&str> =
        limits.lines().find(|line| line.starts_with("Max open files")).unwrap().split_whitespace().collect();
    assert_eq!(limit[3], limit[4], "{limits}");
}

/// A command that does not listen any more may go on talking.
#[test]
fn a_command_that_closes_its_stdin_talks_on() {
    let scratch = Scratch::new();
    for option in ["-v", "--stats"] {
        let script = "read line; exec <&-; echo closed; sleep 0.2; echo \"heard $line\"";
        let server = scratch.server([option, "./x", "--", "sh", "-c", script]);
        let mut client = scratch.pipetool(["connect", "./x"]).open_stdin().start();
        client.write("first\n");
        client.prints("closed\nheard first\n");
        server.end().ok();
        client.end();
    }
}

#[test]
fn time_limits_end_the_command_too() {
    let scratch = Scratch::new();
    for (option, code) in [("-i", 124), ("-q", 0)] {
        let server = scratch
            .pipetool(["serve", option, "200ms", "./x", "--", "sh", "-c", "echo $$ > pid; exec sleep 600"])
            .start();
        let client = scratch.pipetool(["connect", "./x"]).run("");
        server.end().code(code);
        drop(client);
        let pid = fs::read_to_string(scratch.path("pid")).unwrap();
        until("the command to end", || !fs::exists(format!("/proc/{}", pid.trim())).unwrap());
    }
}

/// What runs us may be killed: nothing of ours stays.
#[test]
fn under_a_socat_that_is_killed_nothing_stays_behind() {
    let scratch = Scratch::new();
    let server = scratch.server(["./x"]);
    let mut socat = scratch.program("socat", ["-", &format!("EXEC:{PIPETOOL} connect -v ./x")]).open_stdin().start();
    server.says("connected");
    socat.write("hi");
    server.prints("hi");
    socat.signal(Signal::SIGKILL);
    socat.end().killed_by(Signal::SIGKILL);
    // Its client has gone with it: else the server would wait for ever.
    server.end().ok().out("hi");
}

/// Its place is free only when it has ended, be it by force.
#[test]
fn a_command_that_ignores_its_end_is_ended_and_keeps_its_place_until_then() {
    let scratch = Scratch::new();
    let script = "trap '' TERM; echo $$ >> pids; exec 2>&-; while :; do sleep 0.1; done";
    let server = scratch.server(["-k", "--max-clients", "1", "-q", "50ms", "./x", "--", "sh", "-c", script]);
    for _ in 0..2 {
        scratch.pipetool(["connect", "./x"]).run("");
    }
    let pids = || fs::read_to_string(scratch.path("pids")).unwrap_or_default();
    until("both commands", || pids().lines().count() == 2);
    let first = pids().lines().next().unwrap().to_owned();
    assert!(!fs::exists(format!("/proc/{first}")).unwrap(), "the first had to end before the second");
    until("both to be reaped", || children(&server) == 0);
}

#[test]
fn count_lets_a_command_answer() {
    let scratch = Scratch::new();
    let server = scratch.server(["-f", "lines", "-n", "1", "./x", "--", "tr", "a-z", "A-Z"]);
    scratch.pipetool(["connect", "./x"]).run("hello\n").ok().out("HELLO\n");
    server.end().ok();
}
