//! Every pair of files that bytes go between, be it that the kernel moves them or that we do
//! (src/os/unix/ways.rs; .ci/run has these tests run a second time with PIPETOOL_PLAIN_IO).

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;
use std::thread::{self, JoinHandle};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::fs::{CWD, Mode, mkfifoat};

use crate::harness::{Scratch, Side, Starter, is_asleep, noise, until};

/// On both sides of what a page holds, and of what a pipe does.
const SIZES: [usize; 6] = [0, 1, 4095, 4096, 4097, 65537];
/// Many times what any buffer on the way holds.
const MUCH: usize = 100_000_003;
/// More than all of them together.
const SOME: usize = 3_000_001;

const KINDS: [Kind; 5] = [Kind::File, Kind::Appended, Kind::Pipe, Kind::Fifo, Kind::Socket];

/// What stdin or stdout may be.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    File,
    /// A file that only grows (`>>`).
    Appended,
    Pipe,
    Fifo,
    Socket,
}

/// So many bytes, no two MiB of them alike.
fn bytes(length: usize) -> Vec<u8> {
    const BLOCK: usize = 1 << 20;
    let mut all = noise(7, BLOCK).repeat(length.div_ceil(BLOCK));
    for (number, block) in all.chunks_mut(BLOCK).enumerate() {
        block[..8].copy_from_slice(&number.to_le_bytes());
    }
    all.truncate(length);
    all
}

/// Compared by checksum: a hundred megabytes are no message for people.
#[track_caller]
fn assert_same(got: &[u8], expected: &[u8], what: &str) {
    let sum = |bytes: &[u8]| (bytes.len(), crc32fast::hash(bytes));
    assert_eq!(sum(got), sum(expected), "{what}");
}

/// Two ends of something that bytes go through: what the program gets, and what we keep.
fn ends(scratch: &Scratch, kind: Kind, is_stdin: bool) -> (File, File) {
    let (reader, writer): (OwnedFd, OwnedFd) = match kind {
        Kind::Pipe => {
            let (reader, writer) = std::io::pipe().unwrap();
            (reader.into(), writer.into())
        }
        Kind::Fifo => {
            let path = scratch.path("fifo");
            let _ = fs::remove_file(&path);
            mkfifoat(CWD, &path, Mode::RWXU).unwrap();
            let both = File::options().read(true).write(true).open(&path).unwrap();
            let reader = File::open(&path).unwrap();
            let writer = File::options().write(true).open(&path).unwrap();
            drop(both);
            (reader.into(), writer.into())
        }
        Kind::Socket => {
            let (ours, given) = UnixStream::pair().unwrap();
            return (OwnedFd::from(given).into(), OwnedFd::from(ours).into());
        }
        Kind::File | Kind::Appended => {
            let path = scratch.path("file");
            let _ = fs::remove_file(&path);
            let given = File::options().create(true).append(true).open(&path).unwrap();
            let plain = File::options().read(true).write(true).open(&path).unwrap();
            return if kind == Kind::Appended { (given, plain) } else { (plain.try_clone().unwrap(), plain) };
        }
    };
    if is_stdin { (reader.into(), writer.into()) } else { (writer.into(), reader.into()) }
}

/// Who writes what did not fit at once.
struct Feeding(Option<JoinHandle<()>>);

impl Feeding {
    fn ends(self) {
        if let Some(thread) = self.0 {
            thread.join().unwrap();
        }
    }
}

/// A stdin of that kind with these bytes in it, or on the way into it.
fn stdin_with(scratch: &Scratch, kind: Kind, data: &[u8]) -> (File, Feeding) {
    let (given, mut ours) = ends(scratch, kind, true);
    if kind == Kind::File {
        ours.write_all(data).unwrap();
        return (File::open(scratch.path("file")).unwrap(), Feeding(None));
    }
    let data = data.to_owned();
    // Nobody may be there who reads it all.
    (given, Feeding(Some(thread::spawn(move || drop(ours.write_all(&data))))))
}

fn client(scratch: &Scratch, prepare: impl FnOnce(Starter) -> Starter) -> (Side, UnixStream) {
    let listener = UnixListener::bind(scratch.path("x")).unwrap();
    let side = prepare(scratch.pipetool(["connect", "./x"])).start();
    let (peer, _) = listener.accept().unwrap();
    fs::remove_file(scratch.path("x")).unwrap();
    (side, peer)
}

/// In pieces of odd sizes, the smaller the more of them there are.
fn read_slowly(mut from: impl Read) -> Vec<u8> {
    let (mut all, mut piece) = (Vec::new(), [0; 7919]);
    loop {
        let most = 1 + all.len() % piece.len();
        match from.read(&mut piece[..most]).unwrap() {
            0 => return all,
            read => all.extend_from_slice(&piece[..read]),
        }
    }
}

fn read_all(mut from: impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    from.read_to_end(&mut all).unwrap();
    all
}

fn send_from(kind: Kind, length: usize, read: fn(UnixStream) -> Vec<u8>, once: impl FnOnce(&Side)) {
    let (scratch, data) = (Scratch::new(), bytes(length));
    let (stdin, feeding) = stdin_with(&scratch, kind, &data);
    let (side, peer) = client(&scratch, |starter| starter.stdin(stdin));
    once(&side);
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    assert_same(&read(peer), &data, &format!("{length} bytes from {kind:?}"));
    feeding.ends();
    side.end().ok();
}

fn receive_into(kind: Kind, length: usize, read: fn(File) -> Vec<u8>, once: impl FnOnce(&Side)) {
    let (scratch, data) = (Scratch::new(), bytes(length));
    let (stdout, mut ours) = ends(&scratch, kind, false);
    if kind == Kind::Appended {
        ours.write_all(b"before").unwrap();
    }
    let (side, peer) = client(&scratch, |starter| starter.stdout(stdout));
    let sending = thread::spawn({
        let data = data.clone();
        move || (&peer).write_all(&data).unwrap()
    });
    once(&side);
    let got = match kind {
        Kind::File | Kind::Appended => {
            side.end().ok();
            fs::read(scratch.path("file")).unwrap()
        }
        Kind::Pipe | Kind::Fifo | Kind::Socket => {
            let got = read(ours);
            side.end().ok();
            got
        }
    };
    let before: &[u8] = if kind == Kind::Appended { b"before" } else { b"" };
    assert_same(&got, &[before, &data].concat(), &format!("{length} bytes into {kind:?}"));
    sending.join().unwrap();
}

#[test]
fn from_whatever_stdin_is_all_arrives() {
    for kind in KINDS.into_iter().filter(|&kind| kind != Kind::Appended) {
        for size in SIZES {
            send_from(kind, size, read_all, |_| {});
        }
        send_from(kind, MUCH, read_all, |_| {});
    }
}

#[test]
fn into_whatever_stdout_is_all_arrives() {
    for kind in KINDS {
        for size in SIZES {
            receive_into(kind, size, read_all, |_| {});
        }
        receive_into(kind, MUCH, read_all, |_| {});
    }
}

/// The reader begins when all that is before it stands still, and takes small pieces.
#[test]
fn a_slow_reader_gets_all() {
    let stands_still = |side: &Side| until("all to stand still", || is_asleep(side.child.id()));
    for kind in [Kind::File, Kind::Pipe, Kind::Fifo, Kind::Socket] {
        send_from(kind, SOME, read_slowly, stands_still);
    }
    for kind in [Kind::Pipe, Kind::Fifo, Kind::Socket] {
        receive_into(kind, SOME, read_slowly, stands_still);
    }
}

/// What goes to /dev/null is counted.
#[test]
fn what_is_thrown_away_is_counted() {
    let scratch = Scratch::new();
    let server = scratch.serving(["--stats=json", "x"], |starter| starter.stdout(Stdio::null()));
    scratch.pipetool(["connect", "x"]).run(bytes(SOME)).ok();
    server.end().ok().says(&[&format!("\"received\":{SOME}")]);
}

/// Files and pipes to a child's pipes, and from them.
#[test]
fn a_childs_pipes_carry_all() {
    let scratch = Scratch::new();
    let script = "
        $PIPETOOL spawn-child --pipe a=in:data --pipe b=out:copy -- sh -c 'cat <&{a} >&{b}' && cmp data copy
        cat data | $PIPETOOL spawn-child -- sh -c 'cat <&{in} >&{out}' | cat > copy && cmp data copy
        cat data | $PIPETOOL spawn-child -- sh -c 'cat <&{in} >&{out}' > copy && cmp data copy
        $PIPETOOL spawn-child -- sh -c 'cat <&{in} >&{out}' < data > copy && cmp data copy";
    for size in SIZES.into_iter().chain([MUCH]) {
        fs::write(scratch.path("data"), bytes(size)).unwrap();
        scratch.shell(&format!("set -e -o pipefail\n{script}")).run("").ok();
    }
}

/// A call that is refused, the first or a later one, and calls that signals interrupt: the same bytes.
#[test]
fn refusals_and_signals_lose_nothing() {
    let data = bytes(SOME);
    let injections = ["error=EINVAL:when=1", "error=EINVAL:when=2", "error=EPERM:when=5", "error=EINTR:when=2+3"];
    for injection in injections {
        for (stdin, stdout) in [(Kind::File, Kind::Pipe), (Kind::Pipe, Kind::File), (Kind::Socket, Kind::Socket)] {
            let scratch = Scratch::new();
            let calls = format!("inject=splice,sendfile,sendto,recvfrom,preadv2,pwritev2:{injection}");
            let calls = if injection.contains("EINTR") { calls } else { format!("inject=splice,sendfile:{injection}") };
            let (stdin, feeding) = stdin_with(&scratch, stdin, &data);
            let traced = ["-f", "-qq", "-o", "log", "-e", &calls, crate::harness::PIPETOOL, "connect", "./x"];
            let listener = UnixListener::bind(scratch.path("x")).unwrap();
            let echo = thread::spawn(move || {
                let (peer, _) = listener.accept().unwrap();
                let mut sending = peer.try_clone().unwrap();
                std::io::copy(&mut &peer, &mut sending).unwrap();
            });
            let (given, ours) = ends(&scratch, stdout, false);
            let side = scratch.program("strace", traced).stdin(stdin).stdout(given).start();
            let got = if stdout == Kind::File { Vec::new() } else { read_all(ours) };
            side.end().ok();
            let got = if stdout == Kind::File { fs::read(scratch.path("file")).unwrap() } else { got };
            assert_same(&got, &data, &format!("{injection}, {stdout:?}"));
            feeding.ends();
            echo.join().unwrap();
            let log = fs::read_to_string(scratch.path("log")).unwrap();
            let is_plain = std::env::var_os("PIPETOOL_PLAIN_IO").is_some();
            assert!(log.contains("(INJECTED)") || (is_plain && !injection.contains("EINTR")), "{log}");
        }
    }
}

/// The tests above would pass if nothing were left to the kernel.
#[test]
fn the_kernel_moves_what_it_can() {
    let scratch = Scratch::new();
    let (data, is_plain) = (bytes(SOME), std::env::var_os("PIPETOOL_PLAIN_IO").is_some());
    for (kind, by) in [(Kind::File, "sendfile("), (Kind::Pipe, "splice("), (Kind::Socket, "splice(")] {
        let (stdin, feeding) = stdin_with(&scratch, kind, &data);
        let traced = ["-f", "-qq", "-o", "log", "-e", "trace=splice,sendfile,sendto", crate::harness::PIPETOOL];
        let server = scratch.serving(["./x"], |starter| starter.stdout(Stdio::null()));
        scratch.program("strace", traced.into_iter().chain(["connect", "./x"])).stdin(stdin).start().end().ok();
        server.end().ok();
        feeding.ends();
        let log = fs::read_to_string(scratch.path("log")).unwrap();
        let (kernels, ours) = (log.contains(by), log.contains("sendto("));
        assert_eq!((kernels, ours), (!is_plain, is_plain), "{kind:?}: {log}");
    }
}

/// It goes in mid-stream: what it was not handed is the next client's, from the very byte.
#[test]
fn the_next_client_gets_what_the_last_one_was_not_handed() {
    let data = bytes(SOME);
    for kind in [Kind::File, Kind::Pipe, Kind::Socket] {
        let scratch = Scratch::new();
        let (stdin, feeding) = stdin_with(&scratch, kind, &data);
        let server = scratch.serving(["-k", "./x"], |starter| starter.stdin(stdin));
        let first = UnixStream::connect(scratch.path("x")).unwrap();
        let handed = || usize::try_from(rustix::io::ioctl_fionread(&first).unwrap()).unwrap();
        until("its queue to be full", || handed() > 100_000 && is_asleep(server.child.id()));
        let handed = handed();
        drop(first);
        let second = UnixStream::connect(scratch.path("x")).unwrap();
        second.shutdown(std::net::Shutdown::Write).unwrap();
        assert_same(&read_all(&second), &data[handed..], &format!("{kind:?}, {handed} bytes were handed over"));
        feeding.ends();
        drop(second);
        server.signal(Signal::SIGTERM);
        server.end().killed_by(Signal::SIGTERM);
    }
}

/// Whoever is stopped at one end: all others sleep (state S; D could not be killed), and go when they are told to.
#[test]
fn with_a_stopped_reader_all_others_stay_killable() {
    let scratch = Scratch::new();
    let mut reader = scratch.program("cat", [""; 0]).stdin(Stdio::piped()).stdout(Stdio::null()).start_raw();
    let stopped = Stdio::from(reader.stdin.take().unwrap());
    kill(Pid::from_raw(reader.id().cast_signed()), Signal::SIGSTOP).unwrap();
    let mut downstream = scratch.program("cat", [""; 0]).stdin(Stdio::piped()).stdout(stopped).start_raw();
    let server = scratch.serving(["./x"], |starter| starter.stdout(downstream.stdin.take().unwrap()));
    let mut upstream = scratch.program("cat", ["/dev/zero"]).start_raw();
    let client = scratch.pipetool(["connect", "./x"]).stdin(upstream.stdout.take().unwrap()).start();
    let all = [upstream.id(), client.child.id(), server.child.id(), downstream.id()];
    server.says("connected");
    until("all to stand still", || all.into_iter().all(is_asleep));
    downstream.kill().unwrap();
    downstream.wait().unwrap();
    server.end().killed_by(Signal::SIGPIPE);
    client.end().code(1);
    upstream.wait().unwrap();
    reader.kill().unwrap();
    reader.wait().unwrap();
}

/// Towards a socket that others made, and that blocks, no splice may go: it would sleep with the pipe's lock.
#[test]
fn a_blocking_socket_holds_up_nobody_else() {
    let scratch = Scratch::new();
    let script = r#"
import os, socket, subprocess, time
ours, given = socket.socketpair()
upstream = subprocess.Popen(["cat", "/dev/zero"], stdout=subprocess.PIPE)
address = f"fd:{given.fileno()}"
client = subprocess.Popen([os.environ["PIPETOOL"], "connect", address], stdin=upstream.stdout, pass_fds=[given.fileno()])
def states(pid):
    for task in os.listdir(f"/proc/{pid}/task"):
        yield open(f"/proc/{pid}/task/{task}/stat").read().rsplit(") ", 1)[1][0]
for _ in range(5000):
    if {*states(upstream.pid), *states(client.pid)} == {"S"}: break
    time.sleep(0.002)
else: raise SystemExit(f"{[*states(upstream.pid)]}, {[*states(client.pid)]}")
assert os.get_blocking(given.fileno())
upstream.kill(); upstream.wait(10)
client.terminate(); assert client.wait(10) == -15
"#;
    scratch.program("python3", ["-c", script]).env("PIPETOOL", crate::harness::PIPETOOL).run("").ok();
}

/// No call waits: what has no room is left where it is when time is over.
#[test]
fn idle_timeout_ends_what_waits_for_room() {
    let (scratch, data) = (Scratch::new(), bytes(SOME));
    for kind in [Kind::File, Kind::Pipe, Kind::Socket] {
        let (stdin, feeding) = stdin_with(&scratch, kind, &data);
        let listener = UnixListener::bind(scratch.path("x")).unwrap();
        let side = scratch.pipetool(["connect", "-i", "200ms", "./x"]).stdin(stdin).start();
        let _peer = listener.accept().unwrap();
        side.end().code(124);
        fs::remove_file(scratch.path("x")).unwrap();
        feeding.ends();
    }
    for kind in [Kind::Pipe, Kind::Fifo, Kind::Socket] {
        let (stdout, _ours) = ends(&scratch, kind, false);
        let listener = UnixListener::bind(scratch.path("x")).unwrap();
        let side = scratch.pipetool(["connect", "-i", "200ms", "./x"]).stdout(stdout).open_stdin().start();
        let (peer, _) = listener.accept().unwrap();
        let sending = thread::spawn(move || drop((&peer).write_all(&bytes(SOME))));
        side.end().code(124);
        sending.join().unwrap();
        fs::remove_file(scratch.path("x")).unwrap();
    }
}

/// However much has moved; and pipes are larger then, but not before.
#[test]
fn memory_does_not_grow_and_pipes_do() {
    let scratch = Scratch::new();
    let (given, mut ours) = ends(&scratch, Kind::Pipe, true);
    let (side, peer) = client(&scratch, |starter| starter.stdin(given));
    let size_of = |pipe: &File| rustix::pipe::fcntl_getpipe_size(pipe).unwrap();
    let reading = thread::spawn(move || {
        let count = std::io::copy(&mut (&peer).take(MUCH as u64), &mut std::io::sink()).unwrap();
        (count, peer)
    });
    ours.write_all(&[b'x'; 1000]).unwrap();
    until("it to be passed on", || rustix::io::ioctl_fionread(&ours).unwrap() == 0 && is_asleep(side.child.id()));
    assert_eq!(size_of(&ours), 64 * 1024);
    ours.write_all(&vec![b'x'; MUCH - 1000]).unwrap();
    let (count, peer) = reading.join().unwrap();
    assert_eq!((count, size_of(&ours)), (MUCH as u64, 256 * 1024));
    let status = fs::read_to_string(format!("/proc/{}/status", side.child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < 16 * 1024, "{kib} KiB");
    drop((ours, peer));
    side.end().ok();
}
