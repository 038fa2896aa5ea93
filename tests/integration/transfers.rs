//! send and recv: what is sent arrives, whole and where it should be.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use crate::harness::{Ended, Scratch, Starter, noise, until};

/// Runs both sides to their ends.
fn transfer(scratch: &Scratch, send: &str, recv: &str) -> (Ended, Ended) {
    both(scratch.pipetool(send.split(' ')), scratch.pipetool(recv.split(' ')))
}

fn both(sender: Starter, receiver: Starter) -> (Ended, Ended) {
    let (sender, receiver) = (sender.start(), receiver.start());
    (sender.end(), receiver.end())
}

fn sizes() -> [usize; 10] {
    [0, 1, 4095, 4096, 4097, 65_535, 262_144, 262_145, 1_048_577, 20_000_003]
}

#[test]
fn files_of_all_sizes_arrive_in_a_directory() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("in")).unwrap();
    let names: Vec<String> = sizes().iter().map(|size| format!("file {size} ä")).collect();
    for (name, size) in names.iter().zip(sizes()) {
        fs::write(scratch.path(name), noise(size as u64, size)).unwrap();
    }
    let arguments = ["send", "x"].into_iter().chain(names.iter().map(String::as_str));
    let (sender, receiver) = both(scratch.pipetool(arguments), scratch.pipetool(["recv", "x", "-D", "in"]));
    assert_eq!((sender.ok().err, receiver.ok().out("").err), (String::new(), String::new()));
    for (name, size) in names.iter().zip(sizes()) {
        let got = fs::read(scratch.path(&format!("in/{name}"))).unwrap();
        assert!(got == noise(size as u64, size), "{name}: {} bytes", got.len());
    }
    assert_eq!(fs::read_dir(scratch.path("in")).unwrap().count(), names.len());
}

#[test]
fn streams_and_texts_to_stdout() {
    let scratch = Scratch::new();
    for size in sizes() {
        let receiver = scratch.pipetool(["recv", "x"]).start();
        scratch.pipetool(["send", "x"]).run(noise(7, size)).ok();
        assert!(receiver.end().ok().out == noise(7, size), "{size}");
    }
    fs::write(scratch.path("a"), "file").unwrap();
    let receiver = scratch.pipetool(["recv", "x"]).start();
    scratch.pipetool(["send", "x", "a", "-", "-t", "-text", "-t", ""]).run("stdin").ok();
    receiver.end().ok().out("-textfilestdin");
}

#[test]
fn one_file_under_another_name() {
    let scratch = Scratch::new();
    fs::write(scratch.path("a"), "new").unwrap();
    transfer(&scratch, "send x a", "recv x -o b").1.ok();
    assert_eq!(fs::read_to_string(scratch.path("b")).unwrap(), "new");
    // What was there stays, unless it is to go; and this is known before anybody comes.
    fs::write(scratch.path("b"), "old").unwrap();
    scratch.pipetool(["recv", "x", "-o", "b"]).run("").code(1).one_line(&["'b'", "there already (--force"]);
    assert_eq!(fs::read_to_string(scratch.path("b")).unwrap(), "old");
    transfer(&scratch, "send x a", "recv x -o b --force").1.ok();
    assert_eq!(fs::read_to_string(scratch.path("b")).unwrap(), "new");
    // A device takes what comes, and stays a device.
    transfer(&scratch, "send x a", "recv x -o /dev/null").1.ok();
    transfer(&scratch, "send x a", "recv x -o -").1.ok().out("new");
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
    let mut files = scratch.files();
    files.sort();
    assert_eq!(files, ["a", "b"]);
}

#[test]
fn what_is_enough() {
    let scratch = Scratch::new();
    transfer(&scratch, "send x -t a -t b", "recv x -n 2").1.ok().out("ab");
    let (sender, receiver) = transfer(&scratch, "send x -t a -t b", "recv x -n 1");
    receiver.ok().out("a");
    sender.code(1).one_line(&["'--text'", "'x'", "wants no more"]);
    let (sender, receiver) = transfer(&scratch, "send x -t a -t b", "recv x -n 3");
    sender.ok();
    receiver.code(1).out("ab").one_line(&["3 items", "ended after 2"]);
}

#[test]
fn permissions_and_times() {
    let scratch = Scratch::new();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    fs::write(scratch.path("a"), "x").unwrap();
    fs::set_permissions(scratch.path("a"), fs::Permissions::from_mode(0o4751)).unwrap();
    File::options().write(true).open(scratch.path("a")).unwrap().set_modified(long_ago).unwrap();
    for (options, mode) in [("", 0o640), ("--preserve", 0o751)] {
        let receiver = scratch.shell(&format!("umask 027; exec $PIPETOOL recv x -o b --force {options}"));
        both(scratch.pipetool(["send", "x", "a"]), receiver).1.ok();
        let found = fs::metadata(scratch.path("b")).unwrap();
        assert_eq!(found.mode() & 0o7777, mode, "{options}");
        assert_eq!(found.modified().unwrap() == long_ago, !options.is_empty());
    }
}

#[test]
fn holes_stay_holes() {
    let scratch = Scratch::new();
    let mut file = File::create(scratch.path("a")).unwrap();
    file.write_all(b"begin").unwrap();
    file.seek(SeekFrom::Start(8 << 20)).unwrap();
    file.write_all(&noise(1, 5000)).unwrap();
    file.set_len(16 << 20).unwrap();
    transfer(&scratch, "send x a", "recv x -o b").1.ok();
    assert!(fs::read(scratch.path("a")).unwrap() == fs::read(scratch.path("b")).unwrap());
    assert!(fs::metadata(scratch.path("b")).unwrap().blocks() * 512 < 2 << 20);
}

/// The files of /proc say that they are empty, and a FIFO has no size.
#[test]
fn files_that_do_not_say_how_long_they_are() {
    let scratch = Scratch::new();
    let (sender, receiver) = transfer(&scratch, "send x /proc/version", "recv x -o version");
    sender.ok();
    receiver.ok();
    assert_eq!(fs::read(scratch.path("version")).unwrap(), fs::read("/proc/version").unwrap());
    rustix::fs::mkfifoat(rustix::fs::CWD, scratch.path("fifo"), rustix::fs::Mode::RWXU).unwrap();
    let writer = scratch.shell("echo through > fifo").start();
    transfer(&scratch, "send x fifo", "recv x").1.ok().out("through\n");
    writer.end().ok();
}

#[test]
fn what_is_said_of_it() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("in")).unwrap();
    fs::write(scratch.path("a\u{1b}[1m"), "four").unwrap();
    fs::write(scratch.path("b"), noise(1, 3 << 20)).unwrap();
    let (sender, receiver) = transfer(&scratch, "send x b -v --stats", "recv x -D in -v --stats=json --print-names");
    sender.ok().says(&["connected to user root", "sent 'b', 3145728 bytes", "1 item, sent 3.00 MiB, received 0 B in"]);
    let receiver = receiver.ok().out("in/b\n").says(&["received 'b', 3145728 bytes as 'in/b'"]);
    let line = receiver.err.lines().find(|line| line.starts_with('{')).unwrap();
    let said: serde_json::Value = serde_json::from_str(line).unwrap();
    let expected = serde_json::json!([{ "name": "b", "bytes": 3 << 20, "path": "in/b" }]);
    assert_eq!((&said["items"], &said["received"], &said["confirmed"]), (&expected, &(3 << 20).into(), &true.into()));
    // Without being asked, nothing; and what a name holds harms no terminal.
    let (sender, receiver) = both(scratch.pipetool(["send", "x", "a\u{1b}[1m"]), scratch.pipetool(["recv", "x"]));
    assert_eq!((sender.ok().err, receiver.ok().err), (String::new(), String::new()));
    let (sender, _) = both(scratch.pipetool(["send", "x", "-v", "a\u{1b}[1m"]), scratch.pipetool(["recv", "x"]));
    assert!(sender.ok().says(&["sent 'a\\u{1b}[1m'"]).err.chars().all(|c| !c.is_control() || c == '\n'));
}

#[test]
fn a_bar_says_what_and_how_much() {
    let scratch = Scratch::new();
    fs::write(scratch.path("big"), noise(1, 3 << 20)).unwrap();
    let (sender, receiver) = transfer(&scratch, "send x -p=always big", "recv x -p=always");
    for side in [sender.ok(), receiver.ok()] {
        // How fast it was is the machine's to say.
        side.says(&["big done: 3.00 MiB of 3.00 MiB [=====", "iB/s"]);
    }
}

#[test]
fn handles_and_fifos_go_one_way_or_two() {
    let scratch = Scratch::new();
    let file = noise(3, 3_000_000);
    fs::write(scratch.path("a"), &file).unwrap();
    // Both ways, through two pipes of our parent's.
    let script = "mkfifo there back; exec 3<>there 4<>back
        $PIPETOOL recv fd:3,4 -o b 4>back & $PIPETOOL send fd:4,3 a && wait $!";
    scratch.shell(script).run("").ok();
    assert!(fs::read(scratch.path("b")).unwrap() == file);
    let (one, other) = UnixStream::pair().unwrap();
    let inherit = |command: &str, end: UnixStream| {
        let script = format!("exec 3<&0 0</dev/null; exec $PIPETOOL {command}");
        scratch.shell(&script).stdin(std::os::fd::OwnedFd::from(end))
    };
    both(inherit("send fd:3 a", one), inherit("recv fd:3 -o c", other)).1.ok();
    assert!(fs::read(scratch.path("c")).unwrap() == file);
    // Two of a kind, of which one gives up.
    let (one, other) = UnixStream::pair().unwrap();
    let other = inherit("send fd:3 a", other).start();
    inherit("send -w 100ms fd:3 a", one).start().end().code(124);
    other.end().code(1).one_line(&["'fd:3'", "there is no other"]);
    // One way: it is said that nothing is known of its arrival.
    scratch.shell("$PIPETOOL send fd:3 a 3>&1 | $PIPETOOL recv fd:0 -o d").run("").ok();
    assert!(fs::read(scratch.path("d")).unwrap() == file);
    for (number, pipe) in ["fifo:f", "./f"].into_iter().enumerate() {
        let receiver = scratch.pipetool(["recv", "fifo:f", "-o", &format!("e{number}")]).start();
        until("a FIFO", || scratch.path("f").exists());
        let sender = scratch.pipetool(["send", pipe, "a", "-v", "--stats=json"]).run("").ok();
        sender.says(&["whether it has arrived is not known", "\"confirmed\":false"]);
        receiver.end().ok();
        assert!(fs::read(scratch.path(&format!("e{number}"))).unwrap() == file);
        assert!(!scratch.path("f").exists());
    }
    let sender = scratch.pipetool(["send", "fifo:f", "-t", "sender first"]).start();
    until("a FIFO", || scratch.path("f").exists());
    scratch.pipetool(["recv", "fifo:f"]).run("").ok().out("sender first");
    sender.end().ok();
    scratch.shell("exec 3</dev/null; exec 3< <(:); $PIPETOOL send fd:3 a").run("").code(1).one_line(&["only be read"]);
    scratch.shell("$PIPETOOL recv fd:3 3> >(cat)").run("").code(1).one_line(&["only be written to"]);
}

/// In a FIFO two senders are one stream: the second one's words come behind the goodbye of the first.
#[test]
fn a_second_sender_in_one_fifo_is_not_lost_without_a_word() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("in")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, scratch.path("f"), rustix::fs::Mode::RWXU).unwrap();
    let words = |text: &str| {
        let listener = scratch.shell("cat f").start();
        scratch.pipetool(["send", "./f", "-t", text]).run("").ok();
        listener.end().ok().out
    };
    let (first, second) = (words("first"), words("second"));
    for (said, code) in [(first.clone(), 0), ([first, second].concat(), 1)] {
        let receiver = scratch.pipetool(["recv", "-D", "in", "--force", "./f"]).start();
        // It has the FIFO open until the receiver has left: that alone is no second sender.
        let mut fifo = File::options().read(true).write(true).open(scratch.path("f")).unwrap();
        fifo.write_all(&said).unwrap();
        let ended = receiver.end().code(code);
        assert_eq!(fs::read_to_string(scratch.path("in/item-1")).unwrap(), "first");
        if code == 1 {
            ended.one_line(&["'./f'", "more after its goodbye"]);
        }
    }
}

/// A stranger has read the README's Protocol section, and nothing else.
#[test]
fn a_stranger_speaks_the_protocol() {
    let scratch = Scratch::new();
    let stranger = |arguments: &[&str]| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/transfer.py");
        scratch.program("python3", [&[script], arguments].concat())
    };
    let receiver = scratch.pipetool(["recv", "./x", "-D", "."]).start();
    until("a server", || scratch.path("x").exists());
    stranger(&["send", "x", "dir/name", "some data"]).run("").ok();
    receiver.end().ok();
    assert_eq!(fs::read_to_string(scratch.path("name")).unwrap(), "some data");
    let serve = |answer: &str| {
        let sender = scratch.pipetool(["send", "./x", "name", "-t", "text"]).start();
        until("a server", || scratch.path("x").exists());
        let script = stranger(&["recv", "x", answer]).run("").ok();
        (sender.end(), script)
    };
    let (sender, script) = serve("saved");
    sender.ok();
    script.out("\ttext\nname\tsome data\n");
    let (sender, _) = serve("failed");
    sender.code(1).one_line(&["'--text'", "'./x'", "the receiver says: no room"]);
    let (sender, _) = serve("enough");
    sender.code(1).one_line(&["'name'", "wants no more"]);
    let (sender, _) = serve("gone");
    sender.code(1).one_line(&["'--text'", "the receiver has gone"]);
}

#[test]
fn messages_and_raw_bytes_for_other_programs() {
    let scratch = Scratch::new();
    fs::write(scratch.path("a"), "file").unwrap();
    let server = scratch.server(["-f", "u8", "--stdio", "hex", "./x"]);
    scratch.pipetool(["send", "./x", "-f", "u8", "-t", "hi", "-t", "", "a"]).run("").ok();
    server.end().ok().out("6869\n\n66696c65\n");
    let server = scratch.server(["-m", "message", "--stdio", "hex", "./x"]);
    scratch.pipetool(["send", "./x", "-m", "message", "-t", "hi", "-t", "", "a"]).run("").ok();
    server.end().ok().out("6869\n\n66696c65\n");
    let server = scratch.server(["./x"]);
    scratch.pipetool(["send", "./x", "-f", "none", "-t", "hi", "a"]).run("").ok();
    server.end().ok().out("hifile");
    // And from them, each message as an item.
    for (how, client) in [(["-f", "u8"], "-f u8"), (["-m", "message"], "")] {
        fs::create_dir(scratch.path("in")).unwrap();
        let receiver = scratch.pipetool([&["recv", "./x", "-D", "in", "--print-names"][..], &how].concat()).start();
        until("a server", || scratch.path("x").exists());
        scratch.shell(&format!("printf '6869\\n\\n' | $PIPETOOL connect {client} --stdio hex ./x")).run("").ok();
        receiver.end().ok().out("in/item-1\nin/item-2\n");
        assert_eq!(fs::read(scratch.path("in/item-1")).unwrap(), b"hi");
        assert_eq!(fs::read(scratch.path("in/item-2")).unwrap(), b"");
        fs::remove_dir_all(scratch.path("in")).unwrap();
    }
    let receiver = scratch.pipetool(["recv", "./x", "-f", "none", "-o", "b"]).start();
    until("a server", || scratch.path("x").exists());
    scratch.program("nc", ["-NU", "x"]).run(noise(4, 1_000_000)).ok();
    receiver.end().ok();
    assert!(fs::read(scratch.path("b")).unwrap() == noise(4, 1_000_000));
    // As many as are wanted, from one that goes on and on.
    let receiver = scratch.pipetool(["recv", "./x", "-f", "lines", "-n", "2"]).start();
    until("a server", || scratch.path("x").exists());
    let endless = scratch.shell("yes | nc -U x").start();
    receiver.end().ok().out("yy");
    endless.end();
    // A last one without its end is one too.
    for framing in ["lines", "nul"] {
        let receiver = scratch.pipetool(["recv", "./x", "-f", framing, "-D", ".", "--print-names"]).start();
        until("a server", || scratch.path("x").exists());
        scratch.pipetool(["connect", "./x"]).run("last").ok();
        receiver.end().ok().out("./item-1\n");
        assert_eq!(fs::read(scratch.path("item-1")).unwrap(), b"last");
        fs::remove_file(scratch.path("item-1")).unwrap();
    }
    // A line is its message and its end.
    let server = scratch.server(["-f", "lines", "--stdio", "hex", "./x"]);
    scratch.pipetool(["send", "./x", "-f", "lines"]).run("hi\n").ok();
    server.end().ok().out("6869\n");
    // What a framing cannot say is refused.
    let server = scratch.server(["./x"]);
    let refused = scratch.pipetool(["send", "./x", "-f", "lines", "-t", "two\nlines"]).run("");
    refused.code(1).one_line(&["'--text'", "holds a newline"]);
    server.end();
    let server = scratch.server(["./x"]);
    let refused = scratch.pipetool(["send", "./x", "-f", "u32le", "--max-message", "3", "a"]).run("");
    refused.code(1).one_line(&["'a'", "more than 3 bytes (--max-message)"]);
    server.end();
}

/// An early end of ours would kill a peer that is still answering.
#[test]
fn a_plain_peer_may_finish_its_answer() {
    let scratch = Scratch::new();
    let script = r#"
import socket
listener = socket.socket(socket.AF_UNIX); listener.bind("x"); listener.listen(); print("ready", flush=True)
pipe, _ = listener.accept()
while pipe.recv(65536): pass
pipe.sendall(bytes(3000000)); print("answered")
"#;
    let server = scratch.program("python3", ["-c", script]).start();
    server.prints("ready");
    scratch.pipetool(["send", "-f", "none", "./x", "-t", "question"]).run("").ok().out("");
    server.end().ok().out("ready\nanswered\n");
    // One that never ends is not waited for any longer than told.
    let server = scratch.serving(["-k", "./y"], Starter::open_stdin);
    scratch.pipetool(["send", "-f", "none", "-q", "50ms", "./y", "-t", "x"]).run("").ok();
    server.prints("x");
}

#[test]
fn a_large_stream_needs_little_memory() {
    let scratch = Scratch::new();
    let most = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let receiver = scratch.pipetool(["recv", "x", "-o", "/dev/null"]).start();
    let mut sender = scratch.pipetool(["send", "x"]).open_stdin().start();
    let block = noise(1, 1 << 20);
    for _ in 0..200 {
        sender.write(&block);
    }
    // All of it is KiB; the program itself needs some, too.
    assert!(most(sender.child.id()) < 12_000 && most(receiver.child.id()) < 12_000);
    sender.end_after_stdin().ok();
    receiver.end().ok();
    // Nor do many items.
    let receiver = scratch.pipetool(["recv", "./y", "-f", "lines", "-k"]).stdout(Stdio::null()).start();
    until("a server", || scratch.path("y").exists());
    scratch.shell("yes | head -c 3000000 | nc -NU y").run("").ok();
    assert!(most(receiver.child.id()) < 12_000);
}
