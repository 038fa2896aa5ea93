//! What a hub does where clients can end one half alone, and what only a shell, other programs and /proc can show.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::harness::{PIPETOOL, Scratch, Starter, is_asleep, until};
use crate::hub::{Client, hub, join, relay};

fn finish(client: &Client) {
    client.pipe().shutdown(Shutdown::Write).unwrap();
}

pub fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

pub fn status(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn stdin_waits_for_the_first_client_and_its_end_comes_to_all() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &[]);
    hub.write("before anybody came\n");
    let mut one = join(&scratch, &hub, 1);
    one.hears("before anybody came\n");
    hub.close_stdin();
    assert!(one.rest().is_empty(), "the end comes behind what was said");
    // A later client gets its finish at once, and is still heard.
    let late = join(&scratch, &hub, 2);
    late.says("late\n");
    hub.prints("late\n");
    assert!(late.rest().is_empty());
}

#[test]
fn finish_never_keeps_the_end_back() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &["--finish", "never"]);
    let mut one = join(&scratch, &hub, 1);
    hub.write("all\n");
    hub.close_stdin();
    one.hears("all\n");
    one.says("and still\n");
    hub.prints("and still\n");
    one.pipe().set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut more = String::new();
    assert!(one.reader.read_line(&mut more).is_err(), "no end, nothing: it would block");
}

#[test]
fn a_client_that_has_finished_goes_on_hearing() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &[]);
    let mut one = join(&scratch, &hub, 1);
    one.says("question\n");
    finish(&one);
    hub.prints("question\n");
    hub.write("answer\n");
    one.hears("answer\n");
}

#[test]
fn with_a_direction_one_way_is_ended() {
    let scratch = Scratch::new();
    let collecting = hub(&scratch, &["-d", "in"]);
    let (one, two) = (join(&scratch, &collecting, 1), join(&scratch, &collecting, 2));
    one.says("a\n");
    two.says("b\n");
    collecting.prints("a\n");
    collecting.prints("b\n");
    assert!(one.rest().is_empty());
    drop(collecting);
    let mut telling = hub(&scratch, &["-d", "out"]);
    let mut three = join(&scratch, &telling, 1);
    until("the receiving half to be shut", || three.pipe().write_all(b"unheard\n").is_err());
    telling.write("heard\n");
    three.hears("heard\n");
    telling.close_stdin();
    assert!(three.rest().is_empty());
    telling.says("client #1 closed");
}

/// In a relay too.
#[test]
fn who_has_finished_is_left_after_quit_after() {
    let scratch = Scratch::new();
    let quitting = relay(&scratch, &["-q", "0"]);
    let (one, _two) = (join(&scratch, &quitting, 1), join(&scratch, &quitting, 2));
    one.says("said\n");
    finish(&one);
    quitting.prints("said\n");
    assert!(one.rest().is_empty());
    quitting.says("client #1 closed");
    assert!(!quitting.stdout_has_ended());
}

/// What was counted is said by a dying hub too.
#[test]
fn a_signal_ends_it_with_its_figures() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &["--stats"]);
    let mut one = join(&scratch, &hub, 1);
    hub.write("out\n");
    one.hears("out\n");
    one.says("in\n");
    hub.prints("in\n");
    hub.signal(Signal::SIGINT);
    hub.end()
        .killed_by(Signal::SIGINT)
        .says(&["1 client, 0 of them disconnected as too slow: sent 4 B", "1 sent, 1 received"]);
}

#[test]
fn max_clients_lets_the_others_wait() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &["--max-clients", "2"]);
    let (one, _two) = (join(&scratch, &hub, 1), join(&scratch, &hub, 2));
    let third = UnixStream::connect(scratch.path("x")).unwrap();
    hub.write("to the two\n");
    until("the hub to rest", || is_asleep(hub.child.id()));
    drop(one);
    hub.says("client #3 connected");
    hub.write("to the third\n");
    let mut line = String::new();
    BufReader::new(third).read_line(&mut line).unwrap();
    assert_eq!(line, "to the third\n");
}

/// Its end is the end of a filter: clients are told, the name is gone.
#[test]
fn nobody_reads_stdout() {
    let scratch = Scratch::new();
    let server = scratch.shell("$PIPETOOL serve -v -k --hub ./x | head -1; echo ${PIPESTATUS[0]}").start();
    server.says("listening on");
    let one = join(&scratch, &server, 1);
    one.says("first\n");
    server.prints("first\n");
    assert!(one.rest().is_empty());
    server.end().ok().out("first\n141\n");
    assert!(scratch.files().is_empty());
}

/// A stdout that takes nothing holds back those who talk to it, and nobody who listens.
#[test]
fn a_stopped_stdout_holds_back_who_talks_to_it() {
    let scratch = Scratch::new();
    let mut child = scratch.pipetool(["serve", "-k", "--hub", "--ready-fd", "2", "./x"]).open_stdin().start_raw();
    until("the hub to listen", || UnixStream::connect(scratch.path("x")).is_ok());
    let talker = UnixStream::connect(scratch.path("x")).unwrap();
    let mut listener = BufReader::new(UnixStream::connect(scratch.path("x")).unwrap());
    let talking = std::thread::spawn(move || (&talker).write_all(&b"talk\n".repeat(4_000_000)).map(|()| talker));
    // Asleep at every look, and not all taken: it does not wait for a moment only.
    let mut looks = 0;
    until("the talk to stop", || {
        looks = if is_asleep(child.id()) && !talking.is_finished() { looks + 1 } else { 0 };
        looks == 100
    });
    child.stdin.as_mut().unwrap().write_all(b"listen\n").unwrap();
    let mut line = String::new();
    listener.read_line(&mut line).unwrap();
    assert_eq!(line, "listen\n");
    assert!(!talking.is_finished(), "all of it was taken");
    let mut out = child.stdout.take().unwrap();
    let mut all = vec![0; 20_000_000];
    out.read_exact(&mut all).unwrap();
    assert!(all.chunks(5).all(|line| line == b"talk\n"));
    talking.join().unwrap().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn without_descriptors_clients_wait() {
    let scratch = Scratch::new();
    let command = ["--nofile=4096", PIPETOOL, "serve", "-v", "-k", "--hub", "./x"];
    let mut hub = scratch.program("prlimit", command).open_stdin().start();
    hub.says("listening on");
    let mut one = join(&scratch, &hub, 1);
    let pid = hub.child.id().to_string();
    let limit =
        |soft: usize| scratch.program("prlimit", ["--pid", &pid, &format!("--nofile={soft}:4096")]).run("").ok();
    limit(4);
    let waiting = UnixStream::connect(scratch.path("x")).unwrap();
    hub.write("meanwhile\n");
    one.hears("meanwhile\n");
    limit(1024);
    hub.says("client #2 connected");
    drop(waiting);
    hub.says("client #2 closed");
}

#[test]
fn peer_replace_and_ready_fd_work_as_elsewhere() {
    let scratch = Scratch::new();
    let old = scratch.server(["-k", "--hub", "x"]);
    scratch.pipetool(["serve", "-k", "--hub", "x"]).run("").code(1).one_line(&["already served"]);
    let new = scratch
        .shell("exec $PIPETOOL serve -v -k --hub --replace --peer root --permissions 660 --ready-fd 1 x")
        .start();
    new.prints("\n");
    scratch.pipetool(["connect", "x"]).run("to the new one").ok();
    new.prints("to the new one\n");
    assert!(!old.has_printed("to the new one"));
}

/// Terminals: what one types, the others read; a client without a name is a `connect`.
#[test]
fn other_programs_chat_too() {
    let scratch = Scratch::new();
    let hub = relay(&scratch, &[]);
    let mut socat = scratch.program("socat", ["-", "UNIX-CONNECT:x"]).open_stdin().start();
    hub.says("client #1 connected");
    let mut ncat = scratch.program("ncat", ["-U", "x"]).open_stdin().start();
    hub.says("client #2 connected");
    let mut nc = scratch.program("nc", ["-U", "x"]).open_stdin().start();
    hub.says("client #3 connected");
    socat.write("from socat\n");
    ncat.prints("from socat\n");
    nc.prints("from socat\n");
    nc.write("from nc\n");
    socat.prints("from nc\n");
    ncat.write("from ncat\n");
    socat.prints("from ncat\n");
}

/// Ten thousand come and go: no descriptor, thread, child or memory is left of them.
#[test]
fn nothing_is_left_of_those_who_came_and_went() {
    const TIMES: usize = 10_000;
    let scratch = Scratch::new();
    let hub = scratch.serving(["-k", "--hub", "./x"], Starter::open_stdin);
    let pid = hub.child.id();
    let round = |count: usize| {
        for _ in 0..count {
            let mut pipe = UnixStream::connect(scratch.path("x")).unwrap();
            pipe.write_all(b"x\n").unwrap();
        }
    };
    let quiet = |clients: usize| {
        until("the last to be gone", || hub.has_said(&format!("client #{clients} closed")) && is_asleep(pid));
    };
    round(200);
    quiet(200);
    let before = (open_files(pid), status(pid, "Threads:"), status(pid, "VmRSS:"));
    round(TIMES);
    quiet(200 + TIMES);
    let after = (open_files(pid), status(pid, "Threads:"), status(pid, "VmRSS:"));
    let _ =
        writeln!(std::io::stderr(), "{TIMES} clients: open files, threads, KiB: {before:?} before, {after:?} after");
    assert_eq!((before.0, before.1), (after.0, after.1));
    assert!(after.2 < before.2 + 1024, "{} KiB became {} KiB", before.2, after.2);
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    assert!(children.is_empty());
}

/// A hub's own trouble ends it, with one line.
#[test]
fn a_stdout_that_is_full_ends_it() {
    let scratch = Scratch::new();
    let server = scratch.shell("$PIPETOOL serve -v -k --hub ./x > /dev/full").start();
    server.says("listening on");
    let one = join(&scratch, &server, 1);
    one.says("unwritable\n");
    server.end().code(1).says(&["could not write to 'stdout'", "No space left"]);
    assert!(scratch.files().is_empty());
}

/// All clients have one thread, which does not wait for whoever does not read what is said on stderr.
#[test]
fn a_full_stderr_holds_nobody_up() {
    let scratch = Scratch::new();
    let script = "mkfifo err; exec 9<>err; exec $PIPETOOL serve -k --hub -v ./x 2>err";
    let hub = scratch.shell(script).open_stdin().start();
    until("a server", || UnixStream::connect(scratch.path("x")).is_ok());
    for _ in 0..800 {
        drop(UnixStream::connect(scratch.path("x")).unwrap());
    }
    let client = UnixStream::connect(scratch.path("x")).unwrap();
    (&client).write_all(b"still here\n").unwrap();
    hub.prints("still here\n");
    let said = std::fs::File::open(scratch.path("err")).unwrap();
    let mut said = BufReader::new(said).lines().map(Result::unwrap);
    // Once there is room, the next line says what is missing.
    drop(client);
    assert!(said.any(|line| line.contains("stderr was full: ") && line.contains(" lines are missing here")));
    hub.signal(Signal::SIGTERM);
    hub.end();
}

#[test]
fn an_incomplete_log_is_told_of_while_the_hub_goes_on() {
    let scratch = Scratch::new();
    let hub = hub(&scratch, &["-v", "--log", "/dev/full"]);
    let client = join(&scratch, &hub, 1);
    client.says("hi\n");
    hub.prints("hi\n");
    drop(client);
    hub.says("could not write all to '/dev/full'");
    hub.signal(Signal::SIGTERM);
    hub.end();
}
