//! Messages: kept apart by the pipe itself (--mode message), or delimited in its bytes (--framing).

#[cfg(unix)]
use std::{
    fs,
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
};

use crate::harness::{MESSAGES, Scratch, Starter};
#[cfg(unix)]
use crate::harness::{is_asleep, noise, until};

/// Every framing that the tests walk over.
fn framings() -> Vec<&'static str> {
    [&pipetool::framing::NAMES[..], &["u32le@4", "u16le@2-4", "u32be@1-4"]].concat()
}

#[test]
fn a_message_pipe_keeps_messages_apart_and_empty_ones_too() {
    let scratch = Scratch::new();
    // Abstract names are Linux's.
    for &pipe in if cfg!(unix) { &["x", "./x", "@"][..] } else { &["x"] } {
        let pipe = if pipe == "@" { format!("@{}", scratch.path("x").display()) } else { pipe.to_owned() };
        let server = scratch.serving(["-m", "message", "-x", &pipe], Starter::open_stdin);
        // On Unix it finds the mode by itself.
        let mut client = scratch.pipetool([&["connect"], MESSAGES, &[&pipe]].concat()).open_stdin().start();
        client.write("one\n\nthree\n");
        server.prints("one\n\nthree\n");
        server.says(" #1 < 0 bytes");
        let mut server = server;
        server.write("answer\n");
        client.prints("answer\n");
        server.close_stdin();
        client.end_after_stdin().ok();
        server.end().ok();
    }
    assert!(scratch.files().is_empty());
}

#[cfg(unix)]
const PYTHON_ECHO: &str = r#"
import array, socket
listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); listener.bind("x"); listener.listen()
pipe, _ = listener.accept()
for length in 0, 5, 100_000:
    message = pipe.recv(1 << 20)
    assert len(message) == length, len(message)
    # A descriptor that is passed along must not get through.
    with open("/dev/null") as null: pipe.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null.fileno()]))])
assert pipe.recv(1) == b""
"#;

#[cfg(unix)] // a Unix peer
#[test]
fn pythons_seqpacket_is_the_peer() {
    let scratch = Scratch::new();
    let echo = scratch.program("python3", ["-c", PYTHON_ECHO]).start();
    let long = "x".repeat(100_000);
    let input = format!("\n12345\n{long}\n");
    scratch.pipetool(["connect", "-m", "message", "-n", "3", "./x"]).run(&input).ok().out(&input);
    echo.end().ok();
}

#[cfg(unix)]
const PYTHON_TALKER: &str = r#"
import select, socket
listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); listener.bind("x"); listener.listen()
pipe, _ = listener.accept()
def wait_for(event): poll = select.poll(); poll.register(pipe, event); poll.poll()
wait_for(select.POLLIN)
for message in b"one", b"", b"more": pipe.send(message)
wait_for(0)
assert pipe.recv(100) == b"question"
"#;

#[cfg(unix)] // a Unix peer
#[test]
fn what_we_leave_unread_does_not_cost_the_peer_our_last_words() {
    let scratch = Scratch::new();
    let talker = scratch.program("python3", ["-c", PYTHON_TALKER]).start();
    scratch.pipetool(["connect", "-m", "message", "-n", "1", "./x"]).run("question").ok().out("one\n");
    talker.end().ok();
}

#[cfg(unix)] // Windows has no greatest message
#[test]
fn a_message_larger_than_the_kernel_takes_is_one_clear_error() {
    let scratch = Scratch::new();
    let server = scratch.server(["-m", "message", "x"]);
    let client = scratch.pipetool(["connect", "--stdio", "whole", "x"]).run(vec![b'x'; 20_000_000]);
    client.code(1).one_line(&["20000000 bytes is more than the kernel takes (", "--framing"]);
    server.end().ok().out("");
    // What fits is whole.
    let server = scratch.server(["-m", "message", "--stdio", "whole", "y"]);
    let bytes = noise(4, 180_000);
    scratch.pipetool(["connect", "--stdio", "whole", "y"]).run(&bytes).ok();
    assert!(server.end().ok().out == bytes);
}

#[cfg(unix)] // a socket as the peer; windows.rs has its like
#[test]
fn modes_that_do_not_fit_say_which_does() {
    let scratch = Scratch::new();
    let _bytes = UnixListener::bind(scratch.path("bytes")).unwrap();
    let _messages = scratch.server(["-m", "message", "-k", "./messages"]);
    for (line, reason) in [
        ("connect -m message ./bytes", "carries bytes, not messages"),
        ("connect -m byte ./messages", "carries messages, not bytes"),
        ("connect -f u8 ./messages", "carries messages, not bytes"),
    ] {
        scratch.pipetool(line.split(' ')).run("").code(1).one_line(&[reason]);
    }
    for (line, reason) in [
        ("connect -n 1 ./bytes", "a '--framing' tells them apart"),
        ("connect --stdio hex ./bytes", "a '--framing' tells them apart"),
    ] {
        scratch.pipetool(line.split(' ')).run("").code(2).one_line(&[reason]);
    }
    // A live server is not taken for a stale one, whatever its mode.
    for mode in ["byte", "message"] {
        scratch.pipetool(["serve", "-m", mode, "./messages"]).run("").code(1).one_line(&["already served by pid"]);
    }
}

#[cfg(unix)] // sockets
#[test]
fn datagrams_are_sent_one_a_message() {
    let scratch = Scratch::new();
    let socket = std::os::unix::net::UnixDatagram::bind(scratch.path("log")).unwrap();
    scratch.pipetool(["connect", "-m", "message", "./log"]).run("READY=1\nSTATUS=fine\n").ok();
    let mut buffer = [0; 100];
    for expected in [&b"READY=1"[..], b"STATUS=fine"] {
        let length = socket.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], expected);
    }
    scratch.pipetool(["connect", "./log"]).run("").code(1).one_line(&["carries datagrams"]);
}

#[test]
fn every_framing_goes_there_and_back() {
    let scratch = Scratch::new();
    for framing in framings() {
        // Four bytes are a header where one is asked for.
        let messages = "aaaa\nbbbbbbbb\ncccc\n";
        let server = scratch.server(["-f", framing, "--stdio", "hex", "./x"]);
        scratch.pipetool(["connect", "-f", framing, "./x"]).run(messages).ok();
        server.end().ok().out("61616161\n6262626262626262\n63636363\n");
    }
}

/// A peer that sends byte by byte, and one that sends all at once.
#[cfg(unix)] // a socket as the peer
#[test]
fn however_the_kernel_cuts_them() {
    let scratch = Scratch::new();
    let wire = b"\x02\0\0\0hi\0\0\0\0\x05\0\0\0world";
    for at_once in [false, true] {
        let server = scratch.server(["-f", "length", "./x"]);
        let mut peer = UnixStream::connect(scratch.path("x")).unwrap();
        if at_once {
            peer.write_all(wire).unwrap();
        } else {
            for &byte in wire {
                peer.write_all(&[byte]).unwrap();
                until("it to be taken", || is_asleep(server.child.id()));
            }
        }
        drop(peer);
        server.end().ok().out("hi\n\nworld\n");
    }
}

#[cfg(unix)] // a socket as the peer
#[test]
fn a_lie_is_one_line_and_what_was_before_it_is_delivered() {
    let scratch = Scratch::new();
    for (framing, wire, reason) in [
        (
            "u32le",
            &b"\x02\0\0\0hi\xff\xff\xff\x7f"[..],
            "2147483647 bytes, more than 67108864 (--max-message) at byte 6",
        ),
        ("u16le", b"\x02\0hi\x05\0abc", "the end of data after 5 bytes of a 'u16le' message at byte 9"),
        ("netstring", b"2:hi,3:abcX", "no comma after a netstring at byte 10"),
        ("varint", b"\x02hi\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "a varint that does not end"),
    ] {
        let server = scratch.server(["-f", framing, "./x"]);
        let mut peer = UnixStream::connect(scratch.path("x")).unwrap();
        peer.write_all(wire).unwrap();
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        server.end().code(1).out("hi\n").says(&["could not read from './x': ", reason]);
    }
    let server = scratch.server(["-f", "u32le", "--max-message", "4", "./x"]);
    scratch.pipetool(["connect", "-f", "u32le", "./x"]).run("1234\n12345\n");
    server.end().code(1).out("1234\n").says(&["a message of 5 bytes, more than 4 (--max-message)"]);
}

#[test]
fn what_a_side_cannot_say_is_refused_and_never_split() {
    let scratch = Scratch::new();
    let server = scratch.server(["-f", "u32le", "./x"]);
    scratch.pipetool(["connect", "-f", "u32le", "--stdio", "nul", "./x"]).run("fine\0two\nlines\0").out("");
    server.end().code(1).out("fine\n").says(&["could not write to 'stdout': message 2 holds a newline"]);
    let server = scratch.server(["-f", "u8", "--stdio", "whole", "./x"]);
    let long = "x".repeat(300);
    let client = scratch.pipetool(["connect", "-f", "u8", "./x"]).run(format!("short\n{long}\n"));
    client.code(1).one_line(&["could not write to '", "x': message 2 is 300 bytes long, which 'u8' cannot say"]);
    server.end().ok().out("short");
    let server = scratch.server(["-k", "-f", "u8", "./x"]);
    scratch
        .pipetool(["connect", "-f", "u8", "--stdio", "hex", "./x"])
        .run("6869\nxx\n")
        .code(1)
        .one_line(&["'stdin': line 2"]);
    server.prints("hi\n");
}

#[cfg(unix)] // a socket as the peer
#[test]
fn count_is_one_question_one_answer_and_out() {
    let scratch = Scratch::new();
    // A server that drops a client which finishes first, and stays after its answer.
    let listener = UnixListener::bind(scratch.path("x")).unwrap();
    let client = scratch.pipetool(["connect", "-f", "u8", "-n", "1", "./x"]);
    let serving = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let mut question = [0; 4];
        peer.read_exact(&mut question).unwrap();
        peer.set_nonblocking(true).unwrap();
        assert_eq!(
            peer.read(&mut [0; 1]).unwrap_err().kind(),
            std::io::ErrorKind::WouldBlock,
            "no finish before the answer"
        );
        peer.set_nonblocking(false).unwrap();
        peer.write_all(b"\x02hi\x04more").unwrap();
        assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0);
    });
    client.run("who\n").ok().out("hi\n");
    serving.join().unwrap();
    // Fewer than were wanted are a failure.
    let server = scratch.server(["-f", "u8", "-n", "3", "./y"]);
    scratch.pipetool(["connect", "-f", "u8", "./y"]).run("1\n2\n").ok();
    server.end().code(1).out("1\n2\n").says(&["could not receive 3 messages from './y': the peer ended after 2"]);
}

#[cfg(unix)] // a Unix peer
#[test]
fn ssh_agent_answers_every_time() {
    let scratch = Scratch::new();
    let agent = scratch.program("ssh-agent", ["-D", "-a", "agent"]).start();
    for _ in 0..100 {
        let asked = ["connect", "-f", "u32be", "--stdio", "whole", "-n", "1", "./agent"];
        scratch.pipetool(asked).run([11]).ok().out(b"\x0c\0\0\0\0");
    }
    drop(agent);
}

/// Models of protocols with a header: what they call a message goes there and comes back.
#[cfg(unix)]
const PYTHON_MODELS: &str = r#"
import socket, struct, sys
listener = socket.socket(socket.AF_UNIX); listener.bind("x"); listener.listen()
pipe, _ = listener.accept()
def take(count):
    got = b""
    while len(got) < count: got += pipe.recv(count - len(got)) or sys.exit("too short")
    return got
model = sys.argv[1]
if model == "i3":
    magic, length, kind = struct.unpack("<6sII", take(14))
    assert magic == b"i3-ipc" and kind == 7 and take(length) == b"ping"
    pipe.sendall(b"i3-ipc" + struct.pack("<II", 4, 7) + b"pong")
elif model == "discord":
    kind, length = struct.unpack("<II", take(8))
    assert kind == 1 and take(length) == b"{}"
    pipe.sendall(struct.pack("<II", 2, 4) + b"pong")
elif model == "dotnet":
    magic, size = struct.unpack("<14sH", take(16))
    assert magic == b"DOTNET_IPC_V1\0" and take(size - 16) == b"\x04\x01\0\0"
    pipe.sendall(magic + struct.pack("<H", 20) + b"\xff\0\0\0")
elif model == "postgresql":
    kind, size = struct.unpack(">cI", take(5))
    assert kind == b"Q" and take(size - 4) == b"SELECT"
    pipe.sendall(struct.pack(">cI", b"Z", 5) + b"I")
elif model == "netstring":
    assert take(8) == b"5:hello,"
    pipe.sendall(b"0:,4:pong,")
"#;

#[cfg(unix)] // Unix peers
#[test]
fn headers_of_other_protocols() {
    let scratch = Scratch::new();
    for (model, framing, count, question, answer) in [
        ("i3", "u32le@6+4", "1", &b"i3-ipc\x07\0\0\0ping"[..], &b"i3-ipc\x07\0\0\0pong"[..]),
        ("discord", "u32le@4", "1", b"\x01\0\0\0{}", b"\x02\0\0\0pong"),
        ("dotnet", "u16le@14-16", "1", b"DOTNET_IPC_V1\0\x04\x01\0\0", b"DOTNET_IPC_V1\0\xff\0\0\0"),
        ("postgresql", "u32be@1-4", "1", b"QSELECT", b"ZI"),
        ("netstring", "netstring", "2", b"hello", b"pong"),
    ] {
        let peer = scratch.program("python3", ["-c", PYTHON_MODELS, model]).start();
        let arguments = ["connect", "-f", framing, "--stdio", "whole", "-n", count, "./x"];
        let ended = scratch.pipetool(arguments).run(question).ok();
        assert_eq!(ended.out, answer, "{model}");
        peer.end().ok();
        fs::remove_file(scratch.path("x")).unwrap();
    }
}

/// The editor listens, the language server connects, with Microsoft's own code for the protocol.
#[cfg(unix)] // no Node under Wine
#[test]
fn a_language_server_over_vscode_jsonrpc() {
    let scratch = Scratch::new();
    let modules = concat!(env!("CARGO_TARGET_TMPDIR"), "/node");
    let script = r#"
const rpc = require("vscode-jsonrpc/node");
rpc.createClientPipeTransport; // the other side's; a language server started with --pipe connects:
const [reader, writer] = rpc.createServerPipeTransport("x");
const connection = rpc.createMessageConnection(reader, writer);
connection.onRequest("add", (a, b) => a + b);
connection.onClose(() => process.exit(0));
connection.listen();
"#;
    let installed = scratch.program(
        "npm",
        ["install", "--silent", "--no-audit", "--no-fund", "--prefix", modules, "vscode-jsonrpc@8.2.1"],
    );
    installed.run("").ok();
    let editor = scratch.pipetool(["serve", "-v", "-f", "content-length", "-n", "1", "./x"]).open_stdin().start();
    editor.says("listening on");
    let server = scratch.program("node", ["-e", script]).env("NODE_PATH", format!("{modules}/node_modules")).start();
    let mut editor = editor;
    editor.write("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"add\",\"params\":[2,3]}\n");
    editor.end_after_stdin().ok().out("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":5}\n");
    drop(server);
}

#[cfg(unix)] // Unix programs; windows.rs has its like
#[test]
fn a_command_may_speak_lines_to_a_peer_that_frames() {
    let scratch = Scratch::new();
    let server = scratch.server(["-f", "u32le", "./x", "--", "sed", "-u", "s/^/got /"]);
    scratch.pipetool(["connect", "-f", "u32le", "-n", "2", "./x"]).run("one\ntwo\n").ok().out("got one\ngot two\n");
    server.end().ok();
    let server = scratch.server(["-m", "message", "./x", "--", "sed", "-u", "s/^/got /"]);
    scratch.pipetool(["connect", "-n", "1", "./x"]).run("one\n").ok().out("got one\n");
    server.end().ok();
}

#[test]
fn the_next_client_gets_whole_messages() {
    let scratch = Scratch::new();
    let mut server = scratch.serving(["-k", "-f", "u8", "./x"], Starter::open_stdin);
    let first = scratch.pipetool(["connect", "-v", "-f", "u8", "-n", "1", "./x"]).open_stdin().start();
    first.says("connected");
    // Half a message is there when the first leaves.
    server.write("one\nhal");
    first.end().ok().out("one\n");
    server.write("f\n");
    server.close_stdin();
    scratch.pipetool(["connect", "-f", "u8", "./x"]).run("").ok().out("half\n");
}

/// What is wrong with one message is no reason to keep the others back.
#[test]
fn behind_a_refused_message_the_next_client_goes_on_at_once() {
    let scratch = Scratch::new();
    let mut server = scratch.serving(["-k", "-f", "lines", "--stdio", "hex", "./x"], Starter::open_stdin);
    server.write("zz\n6869\nyy\n");
    for (out, line) in [("", "line 1: "), ("hi\n", "line 3: ")] {
        scratch.pipetool(["connect", "-d", "in", "./x"]).run("").out(out);
        server.says(line);
    }
}

/// No other client, and no other server, could be served with it.
#[test]
fn with_k_a_stdin_that_is_no_such_messages_ends_us() {
    let scratch = Scratch::new();
    let server = scratch.server(["-k", "-f", "lines", "./x"]);
    let client = scratch.pipetool(["connect", "-k", "-f", "lines", "--stdio", "netstring", "./x"]);
    client.run("2:hi,xyz").code(1).one_line(&["'stdin'", "no netstring"]);
    server.prints("hi\n");
    // On Windows it has asked for messages, and is not let in without.
    let code = if cfg!(windows) { 1 } else { 2 };
    scratch.pipetool(["connect", "-k", "--stdio", "hex", "./x"]).run("").code(code).one_line(&["x'", "--framing"]);
    server.end_by_the_system();
}

/// What was too much of one message is not the rest of another's.
#[test]
#[cfg(unix)] // a FIFO
fn a_whole_stdin_that_is_too_large_ends_a_server_of_many() {
    let scratch = Scratch::new();
    let options = ["-k", "-f", "u8", "--stdio", "whole", "--max-message", "10", "./x"];
    let mut server = scratch.serving(options, Starter::open_stdin);
    let client = scratch.pipetool(["connect", "-f", "u8", "./x"]).start();
    server.says("connected");
    server.write("12345678");
    until("it to be taken", || is_asleep(server.child.id()));
    server.write("LOST");
    server.end().code(1).says(&["more than 10 bytes"]);
    client.end();
}

/// After stdin's end each client is told so at once, whatever is written there later.
#[test]
#[cfg(unix)] // a FIFO
fn with_messages_too_an_end_of_stdin_is_for_all_clients() {
    let scratch = Scratch::new();
    let script = "mkfifo in; exec $PIPETOOL serve -k -v -f lines ./x < in";
    let server = scratch.shell(script).start();
    until("its stdin", || scratch.path("in").exists());
    drop(fs::OpenOptions::new().write(true).open(scratch.path("in")).unwrap());
    scratch.pipetool(["connect", "./x"]).run("").ok();
    let _again = fs::OpenOptions::new().write(true).open(scratch.path("in")).unwrap();
    scratch.pipetool(["connect", "./x"]).run("").ok();
    server.signal(nix::sys::signal::Signal::SIGTERM);
    server.end();
}
