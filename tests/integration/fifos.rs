//! FIFOs: those that are there already, and those that serve makes.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::PathBuf;
use std::thread;

use nix::sys::signal::Signal;

use crate::harness::{Scratch, is_asleep, noise, until};
use crate::users::as_nobody;

fn fifo(scratch: &Scratch, name: &str) -> PathBuf {
    let path = scratch.path(name);
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
    path
}

#[test]
fn connect_finds_one_and_never_removes_it() {
    let scratch = Scratch::new();
    let path = fifo(&scratch, "x");
    let bytes = noise(1, 1_000_000);
    for address in ["./x", "fifo:x"] {
        let reader = scratch.program("cat", ["x"]).start();
        scratch.pipetool(["connect", "-d", "out", address]).run(&bytes).ok();
        assert!(reader.end().ok().out == bytes);
        let client = scratch.pipetool(["connect", "-d", "in", address]).start();
        scratch.program("sh", ["-c", "cat > x"]).run(&bytes).ok();
        assert!(client.end().ok().out == bytes);
        assert!(fs::metadata(&path).unwrap().file_type().is_fifo());
    }
}

#[test]
fn it_is_waited_for_and_the_wait_can_be_bounded() {
    let scratch = Scratch::new();
    fifo(&scratch, "x");
    for (direction, reason) in [("in", "nobody writes"), ("out", "nobody reads")] {
        scratch.pipetool(["connect", "-w", "50ms", "-d", direction, "./x"]).run("").code(124).one_line(&[reason]);
        scratch.pipetool(["serve", "-w", "50ms", "-d", direction, "fifo:y"]).run("").code(124).one_line(&["no client"]);
        scratch.pipetool(["connect", "-w", "50ms", "-d", direction, "fifo:y"]).run("").code(124).one_line(&["no such"]);
    }
    let client = scratch.pipetool(["connect", "-d", "in", "fifo:late"]).start();
    client.says("nothing is there yet");
    fifo(&scratch, "late");
    scratch.shell("echo hi > late").run("").ok();
    client.end().ok().out("hi\n");
}

#[test]
fn one_that_is_removed_and_made_anew_is_waited_for() {
    let scratch = Scratch::new();
    for (direction, line) in [("in", "nobody writes"), ("out", "nobody reads")] {
        let path = fifo(&scratch, "x");
        let client = scratch.pipetool(["connect", "-v", "-d", direction, "./x"]).open_stdin().start();
        client.says(line);
        fs::remove_file(&path).unwrap();
        let server = if direction == "in" {
            let server = scratch.pipetool(["serve", "-d", "out", "fifo:x"]);
            thread::spawn(move || server.run("hi"))
        } else {
            let server = scratch.pipetool(["serve", "-d", "in", "fifo:x"]);
            thread::spawn(move || server.run(""))
        };
        client.end_after_stdin().ok();
        server.join().unwrap().ok();
    }
}

#[test]
fn serve_makes_one_and_removes_it() {
    let scratch = Scratch::new();
    let server = scratch.server(["-d", "in", "--permissions", "640", "fifo:x"]);
    let found = fs::metadata(scratch.path("x")).unwrap();
    assert!(found.file_type().is_fifo() && found.permissions().mode() & 0o777 == 0o640);
    scratch.shell("echo hi > x").run("").ok();
    server.end().ok().out("hi\n");
    assert!(scratch.files().is_empty());
    let server = scratch.server(["-d", "in", "fifo:x"]);
    assert_eq!(fs::metadata(scratch.path("x")).unwrap().permissions().mode() & 0o777, 0o600);
    server.signal(Signal::SIGTERM);
    server.end().killed_by(Signal::SIGTERM);
    assert!(scratch.files().is_empty());
}

#[test]
fn a_server_outlives_its_writers_without_a_busy_loop() {
    let scratch = Scratch::new();
    let server = scratch.server(["-k", "-d", "in", "fifo:x"]);
    for round in ["one\n", "two\n", "three\n"] {
        scratch.shell("cat > x").run(round).ok();
        server.prints(round);
    }
    let ticks = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", server.child.id())).unwrap();
        stat.rsplit(") ").next().unwrap().split(' ').skip(11).take(2).map(|n| n.parse::<u64>().unwrap()).sum::<u64>()
    };
    until("it to sleep", || is_asleep(server.child.id()));
    let before = ticks();
    scratch.shell("sleep 0.5").run("").ok();
    assert!(ticks() - before <= 2, "it spins");
    server.signal(Signal::SIGTERM);
    server.end().killed_by(Signal::SIGTERM).out("one\ntwo\nthree\n");
    assert!(scratch.files().is_empty());
}

#[test]
fn a_server_gives_to_one_reader_after_another() {
    let scratch = Scratch::new();
    let mut server = scratch.serving(["-k", "-d", "out", "fifo:x"], crate::harness::Starter::open_stdin);
    for (number, round) in [(1, "one\n"), (2, "two\n")] {
        let reader = scratch.program("head", ["-n1", "x"]).start();
        until("a reader", || server.said().matches("connected").count() == number);
        server.write(round);
        reader.end().ok().out(round);
        // Until the server has closed its end, the next reader would get the end of this session.
        until("its reader to be missed", || server.said().matches("closed: sent").count() == number);
    }
    server.close_stdin();
    scratch.program("cat", ["x"]).run("").ok().out("");
    server.end().ok();
}

#[test]
fn a_server_that_has_said_all_leaves_who_keeps_the_fifo_open() {
    let scratch = Scratch::new();
    let server = scratch.server(["-k", "-d", "out", "fifo:x"]);
    let reader = OpenOptions::new().read(true).open(scratch.path("x")).unwrap();
    server.end().ok();
    drop(reader);
    assert!(scratch.files().is_empty());
}

#[test]
fn the_way_is_that_of_the_one_that_is_no_terminal() {
    let scratch = Scratch::new();
    fifo(&scratch, "x");
    scratch.pipetool(["connect", "./x"]).run("").code(2).one_line(&["'-d in' or '-d out'"]);
    scratch.pipetool(["serve", "fifo:y"]).run("").code(2).one_line(&["'-d in' or '-d out'"]);
    let helper = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/terminal.py");
    let on_terminal = |script: &str| {
        scratch
            .program("python3", [helper, "foreground", "sh", "-c", script])
            .env("PIPETOOL", crate::harness::PIPETOOL)
            .start()
    };
    let reader = scratch.program("cat", ["x"]).start();
    on_terminal("echo out | $PIPETOOL connect ./x").end().ok();
    reader.end().ok().out("out\n");
    let client = on_terminal("$PIPETOOL connect ./x > got");
    scratch.shell("echo in > x").run("").ok();
    client.end().ok();
    assert_eq!(fs::read(scratch.path("got")).unwrap(), b"in\n");
}

#[test]
fn what_is_there_stays_unless_it_may_be_replaced() {
    let scratch = Scratch::new();
    fifo(&scratch, "x");
    fs::write(scratch.path("file"), "").unwrap();
    for (pipe, reason) in [("fifo:x", "a FIFO is there: 'connect' uses it"), ("fifo:file", "a regular file is there")] {
        scratch.pipetool(["serve", "-d", "in", pipe]).run("").code(1).one_line(&[reason]);
    }
    scratch
        .pipetool(["connect", "-d", "in", "fifo:file"])
        .run("")
        .code(1)
        .one_line(&["a regular file is there, no FIFO"]);
    scratch.pipetool(["connect", "-d", "in", "--peer", "any", "./x"]).start().signal(Signal::SIGTERM);
    let server = scratch.server(["--replace", "-d", "in", "fifo:x"]);
    let mut writer = OpenOptions::new().write(true).open(scratch.path("x")).unwrap();
    writer.write_all(b"hi").unwrap();
    drop(writer);
    server.end().ok().out("hi");
}

/// Before a byte is read that would be lost.
#[test]
fn what_a_fifo_cannot_is_refused_wherever_one_is_found() {
    let scratch = Scratch::new();
    fifo(&scratch, "x");
    for (line, reason) in [
        ("recv -k -D . ./x", "a FIFO's senders are one stream"),
        ("connect -d in -m message ./x", "this pipe carries bytes"),
        ("connect -k -d in ./x -- cat", "cannot tell its clients apart"),
    ] {
        scratch.pipetool(line.split(' ')).run("").code(2).one_line(&[reason]);
    }
}

/// The kernel refuses a size that is less than what the pipe holds (EBUSY): no reason to lose a byte.
#[test]
fn a_buffer_that_cannot_be_made_smaller_stays_as_it_is() {
    let scratch = Scratch::new();
    let bytes = noise(2, 60_000);
    fifo(&scratch, "held");
    let held = OpenOptions::new().read(true).write(true).open(scratch.path("held")).unwrap();
    (&held).write_all(&bytes).unwrap();
    let client = scratch.pipetool(["connect", "-v", "-d", "in", "--buffer-size", "4KiB", "./held"]).start();
    client.says("could not set the pipe's buffer to 4096 bytes, it stays at 65536: it holds more data than that");
    drop(held);
    assert!(client.end().ok().out == bytes);
    // The same for a pipe that was inherited.
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&bytes).unwrap();
    drop(writer);
    let client = scratch.pipetool(["connect", "-d", "in", "--buffer-size", "4KiB", "fd:0"]).stdin(reader).start();
    assert!(client.end().ok().says_nothing().out == bytes);
}

/// So does one that would be larger than this user may have (EPERM).
#[test]
fn a_buffer_that_cannot_be_made_larger_stays_as_it_is() {
    let scratch = Scratch::new();
    let path = fifo(&scratch, "x");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let says =
        "could not set the pipe's buffer to 1073741824 bytes, it stays at 65536: this user may not have that much";
    let line = ["connect", "-v", "-d", "in", "--peer", "any", "--buffer-size", "1GiB", "./x"];
    let client = as_nobody(&scratch, line).start();
    scratch.shell("echo hi > x").run("").ok();
    client.end().ok().out("hi\n").says(&[says]);
    let line = ["spawn-child", "-v", "--buffer-size", "1GiB", "--", "sh", "-c", "cat <&$0", "{in}"];
    as_nobody(&scratch, line).run("hi").ok().out("hi").says(&[says]);
}
