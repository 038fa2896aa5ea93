//! Every end of data: a test for each line of the table above src/bridge.rs, and for DESIGN section 5.
//! The peers here are plain sockets, so that two mistakes of ours cannot cancel each other out.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use nix::sys::signal::Signal;

use crate::harness::{Scratch, Side, Starter, is_asleep, noise, until, until_steady};

/// A client of ours, and the other end of its pipe.
fn client<'a>(scratch: &Scratch, options: impl IntoIterator<Item = &'a str>) -> (Side, UnixStream) {
    let listener = UnixListener::bind(scratch.path("x")).unwrap();
    let side = scratch.pipetool(["connect", "./x"].into_iter().chain(options)).open_stdin().start();
    let (peer, _) = listener.accept().unwrap();
    fs::remove_file(scratch.path("x")).unwrap();
    (side, peer)
}

fn all_of(mut peer: &UnixStream) -> Vec<u8> {
    let mut got = Vec::new();
    peer.read_to_end(&mut got).unwrap();
    got
}

/// Bytes are there for `peer` to read, and stay unread.
fn has_unread(peer: &UnixStream) {
    until("bytes to arrive", || rustix::io::ioctl_fionread(peer).unwrap() > 0);
}

fn terminal(scratch: &Scratch, mode: &str, script: &str) -> Starter {
    let helper = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/terminal.py");
    scratch.program("python3", [helper, mode, "sh", "-c", script]).env("PIPETOOL", crate::harness::PIPETOOL)
}

#[test]
fn stdin_ends_and_we_go_on_receiving() {
    let scratch = Scratch::new();
    let (mut side, mut peer) = client(&scratch, []);
    side.write("question");
    side.close_stdin();
    assert_eq!(all_of(&peer), b"question");
    peer.write_all(b"answer").unwrap();
    drop(peer);
    side.end().ok().out("answer");
}

#[test]
fn finish_never_keeps_stdins_end_from_the_peer() {
    let scratch = Scratch::new();
    let (mut side, mut peer) = client(&scratch, ["--finish", "never"]);
    side.write("question");
    side.close_stdin();
    peer.read_exact(&mut [0; 8]).unwrap();
    peer.write_all(b"answer").unwrap();
    side.prints("answer");
    peer.set_nonblocking(true).unwrap();
    assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    drop(peer);
    side.end().ok();
}

#[test]
fn the_peer_finishes_and_we_go_on_sending() {
    let scratch = Scratch::new();
    let (mut side, peer) = client(&scratch, []);
    (&peer).write_all(b"all I have").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    side.prints("all I have");
    side.write("something else");
    side.close_stdin();
    assert_eq!(all_of(&peer), b"something else");
    side.end().ok();
}

/// Whoever reads our stdout sees its end as soon as the peer has finished, though we stay.
#[test]
fn the_peers_finish_is_passed_on_to_stdout() {
    let scratch = Scratch::new();
    let listener = UnixListener::bind(scratch.path("x")).unwrap();
    let mut side = scratch.shell("$PIPETOOL connect ./x | (cat; echo ' and the end' >&2)").open_stdin().start();
    let (peer, _) = listener.accept().unwrap();
    (&peer).write_all(b"answer").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    side.says(" and the end");
    side.write("more");
    side.close_stdin();
    assert_eq!(all_of(&peer), b"more");
    side.end().ok();
}

#[test]
fn a_terminal_user_is_back_at_the_prompt_when_the_peer_has_said_its_part() {
    let scratch = Scratch::new();
    let server = terminal(&scratch, "foreground", "$PIPETOOL serve -v x").start();
    server.prints("listening on");
    scratch.pipetool(["connect", "x"]).run("hi\n").ok().out("");
    let ended = server.end().ok();
    assert!(String::from_utf8_lossy(&ended.out).contains("hi\r\n"), "{ended:?}");
}

#[test]
fn either_may_be_first_in_two_terminals() {
    let scratch = Scratch::new();
    let client = terminal(&scratch, "foreground", "echo hi | $PIPETOOL connect x").start();
    client.prints("waiting for a server");
    let server = terminal(&scratch, "foreground", "$PIPETOOL serve x").start();
    client.end().ok();
    assert!(server.end().ok().out.starts_with(b"hi"));
}

/// A .NET server with direction In finishes right after its accept: no reason to leave.
#[test]
fn a_terminal_user_stays_while_the_peer_has_said_nothing() {
    let scratch = Scratch::new();
    let listener = UnixListener::bind(scratch.path("x")).unwrap();
    let side = terminal(&scratch, "foreground", "$PIPETOOL connect -v -q 300ms ./x").start();
    let (peer, _) = listener.accept().unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    // It leaves by --quit-after alone, not at once.
    let start = std::time::Instant::now();
    side.end().ok();
    assert!(start.elapsed() >= std::time::Duration::from_millis(290));
}

#[test]
fn a_background_job_never_reads_the_terminal() {
    let scratch = Scratch::new();
    let server = terminal(&scratch, "background", "exec $PIPETOOL serve -v x").start();
    server.says("listening on");
    let data = noise(3, 3_000_000);
    scratch.pipetool(["connect", "x"]).run(&data).ok();
    let ended = server.end().ok();
    assert!(ended.out == data, "{} of {} bytes", ended.out.len(), data.len());
}

#[test]
fn a_peer_that_reads_no_more_is_still_received_from() {
    let scratch = Scratch::new();
    let (mut side, peer) = client(&scratch, []);
    peer.shutdown(Shutdown::Read).unwrap();
    side.write("nobody wants this");
    // stdin is let go: whoever writes to it learns that nobody reads.
    until("stdin to be let go", || side.try_write("more").is_err());
    (&peer).write_all(b"but this comes").unwrap();
    drop(peer);
    side.end()
        .code(1)
        .out("but this comes")
        .one_line(&["could not deliver everything to './x'", "bytes from stdin are lost"]);
}

#[test]
fn a_peer_that_reads_no_more_and_is_sent_nothing_is_no_failure() {
    let scratch = Scratch::new();
    let (side, peer) = client(&scratch, []);
    peer.shutdown(Shutdown::Read).unwrap();
    (&peer).write_all(b"one way").unwrap();
    drop(peer);
    side.end().ok().out("one way");
}

#[test]
fn when_the_peer_has_gone_we_leave_though_stdin_blocks() {
    let scratch = Scratch::new();
    let (side, peer) = client(&scratch, []);
    (&peer).write_all(b"bye").unwrap();
    drop(peer);
    // Its stdin stays open until it has ended.
    side.end().ok().out("bye");
}

#[test]
fn what_the_peer_did_not_read_is_a_failure_and_its_last_words_are_kept() {
    let scratch = Scratch::new();
    let (mut side, peer) = client(&scratch, []);
    side.write("unread");
    has_unread(&peer);
    (&peer).write_all(b"last words").unwrap();
    drop(peer);
    side.end().code(1).out("last words").one_line(&["'./x'", "left without reading"]);
}

#[test]
fn a_client_that_was_never_accepted_is_told() {
    let scratch = Scratch::new();
    let listener = UnixListener::bind(scratch.path("x")).unwrap();
    let side = scratch.pipetool(["connect", "-v", "./x"]).open_stdin().start();
    side.says("connected");
    drop(listener);
    side.end().code(1).says(&["never took us on"]);
}

#[test]
fn bytes_that_were_taken_and_not_handed_over_are_a_failure() {
    let scratch = Scratch::new();
    let (mut side, peer) = client(&scratch, []);
    let (pid, stdin) = (side.child.id(), side.stdin_handle());
    let writer = std::thread::spawn(move || {
        let _ = side.try_write(noise(1, 2_000_000));
        side
    });
    // Its stdin is full and it sleeps: it has something in hand that the socket does not take.
    until_steady("all to stand still", || rustix::io::ioctl_fionread(&stdin).unwrap() == 65536 && is_asleep(pid));
    drop(stdin);
    // Read all that is there and no more, so that it is no reset.
    peer.shutdown(Shutdown::Both).unwrap();
    all_of(&peer);
    drop(peer);
    writer.join().unwrap().end().code(1).one_line(&["bytes from stdin are lost"]);
}

#[test]
fn without_a_reader_of_stdout_we_end_as_filters_do() {
    let scratch = Scratch::new();
    // A busy server.
    let server = scratch.shell("yes | $PIPETOOL serve -v x; echo ${PIPESTATUS[*]}").start();
    server.says("listening on");
    scratch.shell("$PIPETOOL connect x | head -c 1; echo ${PIPESTATUS[*]}").run("").ok().out("y141 0\n");
    server.end();
    // A silent one: it says one byte, and then nothing comes that could fail to be written.
    let mut server = scratch.serving(["x"], Starter::open_stdin);
    let client = scratch.shell("$PIPETOOL connect x </dev/null | head -c 1; echo ${PIPESTATUS[*]}").start();
    server.write("y");
    client.end().ok().out("y141 0\n");
    server.end().ok();
}

#[test]
fn a_stdout_on_a_full_disk_is_one_clear_line() {
    let scratch = Scratch::new();
    let listener = UnixListener::bind(scratch.path("x")).unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let side = scratch.pipetool(["connect", "./x"]).stdout(full).open_stdin().start();
    let (peer, _) = listener.accept().unwrap();
    (&peer).write_all(b"data").unwrap();
    assert_eq!(all_of(&peer), b"");
    side.end().code(1).one_line(&["could not write to 'stdout'", "No space left on device"]);
}

#[test]
fn a_stdin_that_cannot_be_read_is_one_clear_line() {
    let scratch = Scratch::new();
    let _listener = UnixListener::bind(scratch.path("x")).unwrap();
    let side = scratch.pipetool(["connect", "./x"]).stdin(File::open(scratch.path("")).unwrap()).start();
    side.end().code(1).one_line(&["could not read 'stdin'", "Is a directory"]);
}

/// A close with unread bytes would give the peer ECONNRESET in place of our last bytes.
#[test]
fn we_leave_without_harm_to_a_peer_that_still_sends() {
    let scratch = Scratch::new();
    for options in [&["-q", "0"][..], &["-d", "out"], &["-d", "out", "--finish", "never"]] {
        let (mut side, peer) = client(&scratch, options.iter().copied());
        side.write("our last words");
        peer.set_nonblocking(true).unwrap();
        // As much as it takes, or none where it said at once that it receives nothing.
        while (&peer).write(&[b'x'; 4096]).is_ok() {}
        peer.set_nonblocking(false).unwrap();
        side.close_stdin();
        assert_eq!(all_of(&peer), b"our last words", "{options:?}");
        side.end().ok();
    }
}

/// inetd, socat's nofork, Node's children: one socket is both stdin and stdout.
#[test]
fn one_socket_as_stdin_and_stdout_is_finished_by_shutdown() {
    let scratch = Scratch::new();
    let listener = UnixListener::bind(scratch.path("x")).unwrap();
    let (local, given) = UnixStream::pair().unwrap();
    let starter = scratch.pipetool(["connect", "./x"]);
    let side = starter.stdin(OwnedFd::from(given.try_clone().unwrap())).stdout(OwnedFd::from(given)).start();
    let (peer, _) = listener.accept().unwrap();
    (&peer).write_all(b"from peer").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(all_of(&local), b"from peer");
    (&local).write_all(b"to peer").unwrap();
    local.shutdown(Shutdown::Write).unwrap();
    assert_eq!(all_of(&peer), b"to peer");
    side.end().ok();
}

#[test]
fn a_closed_stdin_is_empty_and_a_closed_stdout_discards() {
    let scratch = Scratch::new();
    let server = scratch.shell("exec $PIPETOOL serve -v x <&- >&-").start();
    server.says("listening on");
    scratch.pipetool(["connect", "x"]).run("hi").ok().out("");
    server.end().ok().out("");
    let server = scratch.server(["x"]);
    scratch.shell("exec $PIPETOOL connect x <&- 2>&-").run("").ok();
    server.end().ok().out("");
}

#[test]
fn each_direction_ends_the_other_half_at_once() {
    let scratch = Scratch::new();
    let (mut side, peer) = client(&scratch, ["-d", "in"]);
    assert_eq!(all_of(&peer), b"", "in: it finishes at once");
    side.write("never read");
    (&peer).write_all(b"received").unwrap();
    drop(peer);
    side.end().ok().out("received");

    let (mut side, peer) = client(&scratch, ["-d", "out"]);
    until("our writes to fail", || (&peer).write(b"x").is_err());
    side.write("sent");
    side.close_stdin();
    assert_eq!(all_of(&peer), b"sent");
    side.end().ok().out("");
}

#[test]
fn direction_out_is_done_when_the_peer_has_taken_all_or_has_gone() {
    let scratch = Scratch::new();
    let (mut side, peer) = client(&scratch, ["-d", "out"]);
    side.write("to be taken");
    side.close_stdin();
    has_unread(&peer);
    assert!(side.child.try_wait().unwrap().is_none(), "it waits for the peer");
    assert_eq!(all_of(&peer), b"to be taken");
    side.end().ok();

    let (mut side, peer) = client(&scratch, ["-d", "out"]);
    side.write("left unread");
    has_unread(&peer);
    drop(peer);
    side.end().code(1).one_line(&["left without reading"]);
}

#[test]
fn quit_after_leaves_with_0_whatever_is_under_way() {
    let scratch = Scratch::new();
    let (mut side, peer) = client(&scratch, ["-q", "50ms"]);
    side.write("question");
    side.close_stdin();
    assert_eq!(all_of(&peer), b"question");
    side.end().ok();
    // The peer's finish starts it too; stdin stays open.
    let (side, peer) = client(&scratch, ["-q", "50ms"]);
    peer.shutdown(Shutdown::Write).unwrap();
    side.end().ok();
}

#[test]
fn idle_timeout_counts_from_the_connection_on() {
    let scratch = Scratch::new();
    for direction in ["in", "out", "inout"] {
        let (side, _peer) = client(&scratch, ["-i", "50ms", "-d", direction]);
        side.end().code(124).one_line(&["'./x'", "no byte has moved for 50ms"]);
    }
    // Written, and never taken: that is idle as well.
    let (mut side, peer) = client(&scratch, ["-i", "100ms", "-d", "out"]);
    side.write("never taken");
    has_unread(&peer);
    side.close_stdin();
    side.end().code(124);
}

/// Another program left them so; the flag is shared, and stays as it was.
#[test]
fn non_blocking_stdio_is_waited_for_and_left_so() {
    let scratch = Scratch::new();
    let script = r#"
import os, socket, subprocess, threading
listener = socket.socket(socket.AF_UNIX); listener.bind("y"); listener.listen()
r0, w0 = os.pipe(); r1, w1 = os.pipe()
os.set_blocking(r0, False); os.set_blocking(w1, False)
child = subprocess.Popen([os.environ["PIPETOOL"], "connect", "./y"], stdin=r0, stdout=w1)
peer, _ = listener.accept()
data = os.urandom(3_000_000)
def echo():
    while piece := peer.recv(65536): peer.sendall(piece)
    peer.close()
def feed():
    with os.fdopen(w0, "wb") as stdin: stdin.write(data)
for task in (echo, feed): threading.Thread(target=task).start()
got = bytearray()
while len(got) < len(data): got += os.read(r1, 65536)
assert got == data and child.wait() == 0
assert not os.get_blocking(r0) and not os.get_blocking(w1)
"#;
    scratch.program("python3", ["-c", script]).env("PIPETOOL", crate::harness::PIPETOOL).run("").ok();
}

/// The user's other programs in the pipeline can be killed while our peer is stopped: none is in state D.
#[test]
fn with_a_stopped_peer_upstream_and_downstream_stay_killable() {
    let scratch = Scratch::new();
    let server = scratch.server(["x"]);
    let mut upstream = scratch.program("cat", ["/dev/zero"]).start_raw();
    let output = upstream.stdout.take().unwrap();
    let mut client = scratch.pipetool(["connect", "-v", "x"]).stdin(output).start();
    client.says("connected");
    server.signal(Signal::SIGSTOP);
    // State S, all of them: D would be neither killable nor counted as asleep.
    until("the pipeline to stand still", || is_asleep(upstream.id()) && is_asleep(client.child.id()));
    upstream.kill().unwrap();
    upstream.wait().unwrap();
    client.child.kill().unwrap();
    client.child.wait().unwrap();
    server.signal(Signal::SIGCONT);
}

/// Told by the shell that watches it: the pipeline ends though nothing ever comes.
#[test]
fn nobody_who_reads_stdout_ends_even_the_wait_for_a_peer() {
    let scratch = Scratch::new();
    for command in ["serve x", "serve -k ./y", "connect z", "serve -d in fifo:f", "connect -d in fifo:g"] {
        scratch.shell(&format!("$PIPETOOL {command} | true; exit ${{PIPESTATUS[0]}}")).run("").code(141);
    }
    assert!(scratch.files().is_empty());
    // A client that comes later finds no server, and keeps its bytes.
    let server = scratch.shell("$PIPETOOL serve -k x | head -n1; exit ${PIPESTATUS[0]}").start();
    scratch.pipetool(["connect", "x"]).run("one\n").ok();
    server.end().code(141).out("one\n");
    scratch.pipetool(["connect", "-w", "0", "x"]).run("two").code(124);
}

/// It finished first, and then left without reading: both are told, only the second is an end.
#[test]
fn a_peer_that_finished_and_then_left_without_reading_is_a_failure_too() {
    let scratch = Scratch::new();
    let (mut side, peer) = client(&scratch, []);
    peer.shutdown(Shutdown::Write).unwrap();
    until("its finish to be passed on", || side.stdout_has_ended());
    side.write("never read");
    has_unread(&peer);
    drop(peer);
    side.end().code(1).one_line(&["left without reading"]);
}

#[test]
fn what_was_taken_and_is_lost_is_a_failure_even_when_time_is_over() {
    let scratch = Scratch::new();
    let (side, peer) = client(&scratch, ["-q", "300ms"]);
    let stdin = side.stdin_handle();
    let feeding = std::thread::spawn(move || drop(File::from(stdin).write_all(&noise(1, 2_000_000))));
    peer.shutdown(Shutdown::Write).unwrap();
    side.end().code(1).one_line(&["bytes from stdin are lost"]);
    feeding.join().unwrap();
}

/// Its queue is full, and it stops receiving without leaving: poll says nothing about that.
#[test]
fn a_peer_with_a_full_queue_that_reads_no_more_lets_stdin_go() {
    let scratch = Scratch::new();
    for direction in ["inout", "out"] {
        let (mut side, peer) = client(&scratch, ["-d", direction]);
        let stdin = side.stdin_handle();
        let watched = side.stdin_handle();
        let feeding = std::thread::spawn(move || File::from(stdin).write_all(&noise(1, 3_000_000)));
        // It sleeps though there is something to take: it waits for room.
        until_steady("the queue to be full", || {
            is_asleep(side.child.id()) && rustix::io::ioctl_fionread(&watched).unwrap() == 65_536
        });
        drop(watched);
        side.close_stdin();
        peer.shutdown(Shutdown::Read).unwrap();
        assert!(feeding.join().unwrap().is_err(), "stdin is let go while the peer stays");
        drop(peer);
        side.end().code(1);
    }
}

/// What the user's terminal does not take does not keep time from passing.
#[test]
fn a_terminal_that_takes_nothing_does_not_stop_the_clock() {
    let scratch = Scratch::new();
    let script = r#"
import os, pty, socket, subprocess
listener = socket.socket(socket.AF_UNIX); listener.bind("y"); listener.listen()
terminal, line = pty.openpty()
child = subprocess.Popen([os.environ["PIPETOOL"], "connect", "-i", "300ms", "./y"], stdin=subprocess.DEVNULL, stdout=line)
peer, _ = listener.accept()
peer.setblocking(False)
try:
    while peer.send(b"x" * 4096): pass
except BlockingIOError: pass
assert child.wait() == 124
"#;
    scratch.program("python3", ["-c", script]).env("PIPETOOL", crate::harness::PIPETOOL).run("").ok();
}

/// Nothing was taken, and nothing will be: whether we had come to take it would be chance.
#[test]
fn a_peer_that_closes_at_once_leaves_stdin_undelivered() {
    let scratch = Scratch::new();
    fs::write(scratch.path("file"), noise(1, 300_000)).unwrap();
    let listener = UnixListener::bind(scratch.path("x")).unwrap();
    for _ in 0..20 {
        let file = File::open(scratch.path("file")).unwrap();
        let side = scratch.pipetool(["connect", "./x"]).stdin(file).start();
        drop(listener.accept().unwrap());
        side.end().code(1).one_line(&["could not deliver everything to './x'"]);
        // There is nothing that could be lost.
        let side = scratch.pipetool(["connect", "./x"]).stdin(std::process::Stdio::null()).start();
        drop(listener.accept().unwrap());
        side.end().ok();
    }
}
