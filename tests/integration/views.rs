//! What is shown of what passes: -x, --log, --progress, --stats.

#[cfg(unix)]
use std::{fs, os::unix::fs::MetadataExt};

#[cfg(unix)]
use nix::sys::signal::Signal;

#[cfg(unix)]
use crate::harness::{PIPETOOL, until};
use crate::harness::{Scratch, Starter};

#[test]
fn stats_is_one_line_for_people() {
    let scratch = Scratch::new();
    let server = scratch.pipetool(["serve", "--stats", "x"]).start();
    scratch.pipetool(["connect", "--stats", "x"]).run("hello").ok().one_line(&["sent 5 B, received 0 B in ", "/s"]);
    server.end().ok().one_line(&["sent 0 B, received 5 B in "]);
}

#[cfg(unix)] // signals
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

/// A full stderr does not keep anybody from ending it.
#[cfg(unix)] // a Unix peer
#[test]
fn stats_on_a_full_stderr_do_not_delay_the_end() {
    let scratch = Scratch::new();
    let script = r#"
import fcntl, os, signal, socket, subprocess
r, w = os.pipe()
fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 4096)
os.write(w, b"x" * 4096)
listener = socket.socket(socket.AF_UNIX); listener.bind("y"); listener.listen()
child = subprocess.Popen([os.environ["PIPETOOL"], "connect", "--stats", "./y"], stdin=subprocess.PIPE, stderr=w)
peer, _ = listener.accept()
child.stdin.write(b"hi"); child.stdin.flush()
peer.recv(2)
child.terminate()
assert child.wait() == -signal.SIGTERM
"#;
    scratch.program("python3", ["-c", script]).env("PIPETOOL", PIPETOOL).run("").ok();
}

#[cfg(unix)] // uid 0; windows.rs has its like
#[test]
fn stats_for_programs_are_json() {
    let scratch = Scratch::new();
    let server = scratch.server(["x"]);
    let ended = scratch.pipetool(["connect", "--stats=json", "x"]).run("hello").ok();
    let told: serde_json::Value = serde_json::from_str(&ended.err).unwrap();
    assert_eq!((&told["sent"], &told["received"], &told["pipe"]), (&5.into(), &0.into(), &"x".into()));
    assert_eq!((&told["peer"]["uid"], &told["peer"]["pid"]), (&0.into(), &server.child.id().into()));
    assert!(told["seconds"].as_f64().unwrap() > 0.0);
    server.end().ok();
}

#[test]
fn hex_shows_both_directions_harmlessly() {
    let scratch = Scratch::new();
    let server = scratch.serving(["-x", "x"], Starter::open_stdin);
    let mut client = scratch.pipetool(["connect", "x"]).open_stdin().start();
    client.write("hello, world!\n\x1b[31m\0");
    server.says("00000010  33 31 6d 00                                       |31m.|");
    client.write("more");
    server.says("00000014  6d 6f 72 65 ");
    client.close_stdin();
    let mut server = server;
    server.write("answer");
    server.close_stdin();
    client.end().ok().out("answer");
    let shown = server.end().ok().err;
    assert!(
        shown.contains(" #1 < 20 bytes\n00000000  68 65 6c 6c 6f 2c 20 77  6f 72 6c 64 21 0a 1b 5b  |hello"),
        "{shown}"
    );
    assert!(shown.contains(" #1 > 6 bytes\n00000000  61 6e 73 77 65 72 "), "{shown}");
    assert!(!shown.contains('\x1b'), "an escape sequence got through");
}

#[cfg(unix)] // permission bits, /dev/full
#[test]
fn a_log_is_private_numbers_its_connections_and_is_no_obstacle() {
    let scratch = Scratch::new();
    let server = scratch.server(["-k", "--log", "log", "x"]);
    for round in ["one", "two"] {
        scratch.pipetool(["connect", "x"]).run(round).ok();
        server.prints(round);
    }
    let logged = || fs::read_to_string(scratch.path("log")).unwrap();
    until("the second connection to be logged", || logged().contains("|two|"));
    assert!(logged().contains(" #1 < 3 bytes\n") && logged().contains(" #2 < 3 bytes\n"), "{}", logged());
    assert_eq!(fs::metadata(scratch.path("log")).unwrap().mode() & 0o777, 0o600);
    // The bytes come first; that the log is not whole is a failure all the same.
    let server = scratch.server(["./y"]);
    scratch
        .pipetool(["connect", "--log", "/dev/full", "./y"])
        .run("all of it")
        .code(1)
        .one_line(&["'/dev/full'", "No space"]);
    server.end().ok().out("all of it");
    scratch.pipetool(["connect", "--log", "no/log", "./y"]).run("").code(1).one_line(&["'no/log'", "No such file"]);
}

/// Looking at the traffic of two other programs: the recipe of the README.
#[cfg(unix)] // Unix peers
#[test]
fn between_two_other_programs() {
    let scratch = Scratch::new();
    let back = scratch.program("socat", ["UNIX-LISTEN:back", "EXEC:rev"]).start();
    let between = scratch.shell("exec $PIPETOOL serve -v -x ./front -- $PIPETOOL connect ./back").start();
    between.says("listening on");
    let front = scratch.program("socat", ["-t60", "-", "UNIX-CONNECT:front"]).run("olleh\n").ok();
    assert_eq!(front.out, b"hello\n");
    between.end().ok().says(&["|olleh.|", "|hello.|"]);
    back.end().ok();
}

#[cfg(unix)] // a shell; windows.rs has its like
#[test]
fn a_bar_is_drawn_where_it_is_wanted() {
    let scratch = Scratch::new();
    fs::write(scratch.path("file"), vec![0; 5_000_000]).unwrap();
    let file = || fs::File::open(scratch.path("file")).unwrap();
    let receive = || scratch.shell("exec $PIPETOOL serve -v ./x >/dev/null").start();
    let server = receive();
    server.says("listening");
    let ended = scratch.pipetool(["connect", "--progress=always", "./x"]).stdin(file()).start().end().ok();
    assert!(ended.err.contains("4.77 MiB of 4.77 MiB [====="), "{}", ended.err);
    server.end().ok();
    // Not on a stderr that is no terminal, nor for what is over at once.
    for progress in ["-p", "--progress=auto", "--progress=never"] {
        let server = receive();
        server.says("listening");
        let ended = scratch.pipetool(["connect", progress, "./x"]).stdin(file()).start().end().ok();
        assert_eq!(ended.err, "", "{progress}");
        server.end().ok();
    }
    let server = receive();
    server.says("listening");
    let client = scratch.pipetool(["connect", "--progress=always", "./x"]).open_stdin().start();
    client.says("sent 0 B, received 0 B");
    server.signal(Signal::SIGTERM);
    server.end();
    client.end();
}

#[cfg(unix)] // a terminal
#[test]
fn a_bar_keeps_to_one_line_of_a_narrow_terminal() {
    let scratch = Scratch::new();
    fs::write(scratch.path("a-file-with-a-long-name"), vec![0; 5_000_000]).unwrap();
    let helper = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/terminal.py");
    let send = "stty rows 24 cols 40; exec $PIPETOOL send --progress=always ./x a-file-with-a-long-name 2>&1";
    let sender = scratch.program("python3", [helper, "foreground", "sh", "-c", send]);
    let sender = sender.env("PIPETOOL", PIPETOOL).start();
    scratch.pipetool(["recv", "./x"]).run("").ok();
    let shown = String::from_utf8(sender.end().ok().out).unwrap();
    let lines: Vec<&str> = shown.split("\r\x1b[2K").collect();
    assert!(lines.iter().all(|line| line.len() <= 40), "{shown:?}");
    assert!(lines.iter().any(|line| line.starts_with("100% ") && line.contains(" a-file-with")), "{shown:?}");
}
