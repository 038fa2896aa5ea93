//! A service manager's sockets (LISTEN_FDS) and its wish to know when we are ready (NOTIFY_SOCKET).

use std::io::Write;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::time::Duration;

use crate::harness::{PIPETOOL, Scratch, Side, Starter};

/// A parent that gives away what Python's `sockets` makes, as systemd does: the same process becomes PIPETOOL.
const PARENT: &str = r#"
import os, socket, sys
sockets, names, arguments = eval(sys.argv[1]), sys.argv[2], sys.argv[3:]
for number, given in enumerate(sockets, 3):
    os.dup2(given.fileno(), 100 + number)
for number, _ in enumerate(sockets, 3):
    os.dup2(100 + number, number); os.close(100 + number)
os.environ.update(LISTEN_FDS=str(len(sockets)), LISTEN_PID=str(os.getpid()))
if names: os.environ["LISTEN_FDNAMES"] = names
os.execv(os.environ["PIPETOOL"], [os.environ["PIPETOOL"]] + arguments)
"#;

/// A listening socket for it.
fn at(path: &str, kind: &str) -> String {
    format!("(lambda s: (s.bind({path:?}), s.listen(), s)[2])(socket.socket(socket.AF_UNIX, socket.SOCK_{kind}))")
}

fn given<'a>(
    scratch: &Scratch,
    sockets: &'a str,
    names: &'a str,
    arguments: impl IntoIterator<Item = &'a str>,
) -> Starter {
    let command = ["-c", PARENT, sockets, names].into_iter().chain(arguments);
    scratch.program("python3", command).env("PIPETOOL", PIPETOOL)
}

fn listening(side: Starter) -> Side {
    let side = side.open_stdin().start();
    side.says("listening on");
    side
}

#[test]
fn systemd_hands_its_socket_over() {
    let scratch = Scratch::new();
    let path = scratch.path("x");
    let activator = ["-l", path.to_str().unwrap(), PIPETOOL, "serve", "-v", path.to_str().unwrap()];
    let server = scratch.program("systemd-socket-activate", activator).start();
    server.says("Listening on");
    scratch.pipetool(["connect", "./x"]).run("hello").ok();
    let ended = server.end().ok().out("hello");
    assert!(ended.err.contains(&format!("listening on '{}', from LISTEN_FDS", path.display())), "{}", ended.err);
    assert!(path.exists(), "the file is its maker's");
}

/// The same, for many clients at once, with the name that systemd gives the socket.
#[test]
fn systemds_name_for_it_is_enough() {
    let scratch = Scratch::new();
    let path = scratch.path("x");
    let activator =
        ["--fdname=jobs", "-l", path.to_str().unwrap(), PIPETOOL, "serve", "-k", "--hub=relay", "-v", "jobs"];
    let server = scratch.program("systemd-socket-activate", activator).start();
    server.says("Listening on");
    let mut one = scratch.pipetool(["connect", "./x"]).open_stdin().start();
    server.says("client #1 connected");
    let two = scratch.pipetool(["connect", "./x"]).open_stdin().start();
    server.says("client #2 connected");
    one.write("hello\n");
    two.prints("hello\n");
    server.prints("hello\n");
}

#[test]
fn of_several_the_one_that_is_meant_is_taken() {
    let scratch = Scratch::new();
    let sockets = format!("[{}, {}]", at("one", "STREAM"), at("two", "STREAM"));
    let server = listening(given(&scratch, &sockets, "", ["serve", "-v", "-k", "-d", "in", "./two"]));
    scratch.pipetool(["connect", "./two"]).run("for two").ok();
    server.prints("for two");
    // The other is closed: nobody listens there any more.
    assert!(UnixStream::connect(scratch.path("one")).is_err());
    drop(server);
    let sockets = format!("[{}, {}]", at("3", "STREAM"), at("4", "SEQPACKET"));
    let server =
        listening(given(&scratch, &sockets, "three:four", ["serve", "-v", "-d", "in", "-m", "message", "four"]));
    scratch.pipetool(["connect", "./4"]).run("a message\n").ok();
    server.end_after_stdin().ok().out("a message\n");
    let name = format!("@{}", scratch.path("a").display());
    let socket = at(&name, "STREAM").replace("\"@", "\"\\0");
    let sockets = format!("[{socket}]");
    let server = listening(given(&scratch, &sockets, "", ["serve", "-v", "-d", "in", &name]));
    scratch.pipetool(["connect", &name]).run("abstract").ok();
    server.end_after_stdin().ok().out("abstract");
}

#[test]
fn what_does_not_fit_is_said() {
    let scratch = Scratch::new();
    let pair = "list(socket.socketpair())[:1]";
    for (sockets, arguments, reason) in [
        (format!("[{}]", at("a", "STREAM")), "serve ./b", "hands over 'a', and that is not this pipe"),
        (format!("[{}]", at("b", "SEQPACKET")), "serve ./b", "say '--mode message'"),
        (format!("[{}]", at("c", "STREAM")), "serve -m message ./c", "leave '--mode message' out"),
        (
            format!("[{}]", at("d", "STREAM")),
            "serve --replace ./d",
            "leave '--permissions', '--group' and '--replace' out",
        ),
        (format!("[{}]", at("e", "STREAM")), "serve --permissions 660 ./e", "leave '--permissions'"),
        (format!("[{}]", at("f", "STREAM")), "serve --ready-fd 3 ./f", "that is a socket of LISTEN_FDS"),
        (
            format!("[{}, {}]", at("g", "STREAM"), at("h", "STREAM")),
            "serve ./b",
            "hands over 'g' and 'h', and none of them",
        ),
    ] {
        given(&scratch, &sockets, "", arguments.split(' ')).run("").code(2).one_line(&[reason]);
    }
    given(&scratch, pair, "x", ["serve", "x"]).run("").code(2).one_line(&["does not listen", "connect fd:N"]);
    let broken = |variable: &str| format!("LISTEN_PID=$$ {variable} exec $PIPETOOL serve ./x 3<&-");
    scratch.shell(&broken("LISTEN_FDS=many")).run("").code(2).one_line(&["LISTEN_FDS is no number"]);
    scratch.shell(&broken("LISTEN_FDS=1")).run("").code(1).one_line(&["LISTEN_FDS", "Bad file"]);
    // Another process's are not ours.
    let server = scratch.shell("LISTEN_PID=1 LISTEN_FDS=1 exec $PIPETOOL serve -v ./x").start();
    server.says("listening on");
}

/// Neither the variables nor the sockets reach a COMMAND, which is the very process that they were for.
#[test]
fn a_command_gets_nothing_of_it() {
    let scratch = Scratch::new();
    for options in [&["-v"][..], &["-v", "-k"]] {
        let script = "env | grep -c -e LISTEN_ -e NOTIFY_; ls /proc/self/fd | tr '\\n' ' '";
        let command = ["./x", "--", "sh", "-c", script];
        let arguments = ["serve"].into_iter().chain(options.iter().copied()).chain(command);
        let sockets = format!("[{}]", at("x", "STREAM"));
        let server = listening(given(&scratch, &sockets, "", arguments).env("NOTIFY_SOCKET", ""));
        scratch.pipetool(["connect", "./x"]).run("").ok().out("0\n0 1 2 3 ");
        drop(server);
        std::fs::remove_file(scratch.path("x")).unwrap();
    }
}

#[test]
fn readiness_is_told_once_clients_can_connect() {
    let scratch = Scratch::new();
    let manager = UnixDatagram::bind(scratch.path("manager")).unwrap();
    let name = format!("@{}", scratch.path("manager").display());
    let address = <std::os::unix::net::SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(
        &name.as_bytes()[1..],
    );
    let abstract_manager = UnixDatagram::bind_addr(&address.unwrap()).unwrap();
    for (manager, address) in [(manager, scratch.path("manager").display().to_string()), (abstract_manager, name)] {
        manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let server = scratch.pipetool(["serve", "./x"]).env("NOTIFY_SOCKET", &address).start();
        let mut told = [0; 100];
        let length = manager.recv(&mut told).unwrap();
        assert_eq!(&told[..length], b"READY=1\n");
        scratch.pipetool(["connect", "-w", "0", "./x"]).run("at once").ok();
        server.end().ok().out("at once");
    }
    // One who does not listen, or has not for long, is told about, and no reason not to serve.
    let _busy = UnixDatagram::bind(scratch.path("busy")).unwrap();
    let others = UnixDatagram::unbound().unwrap();
    others.set_nonblocking(true).unwrap();
    while others.send_to(b"READY=1\n", scratch.path("busy")).is_ok() {}
    for address in ["/nowhere/at/all", "busy"] {
        let server = scratch.pipetool(["serve", "./x"]).env("NOTIFY_SOCKET", address).start();
        server.says("could not tell NOTIFY_SOCKET");
        UnixStream::connect(scratch.path("x")).unwrap().write_all(b"hi").unwrap();
        server.end().ok().out("hi");
    }
}

/// A server of one client leaves the others to its successor: they are not reset.
#[test]
fn the_queue_stays_for_the_next() {
    let scratch = Scratch::new();
    let listener = UnixListener::bind(scratch.path("x")).unwrap();
    let mut clients: Vec<UnixStream> = (0..2).map(|_| UnixStream::connect(scratch.path("x")).unwrap()).collect();
    for (index, client) in clients.iter_mut().enumerate() {
        let server = inheriting(&scratch, &listener, &["serve", "-v", "./x"]);
        server.says("connected to");
        client.write_all(format!("client {index}").as_bytes()).unwrap();
        client.shutdown(std::net::Shutdown::Both).unwrap();
        server.end().ok().out(format!("client {index}"));
    }
}

/// pipetool with a listening socket of the test's own, as its fd 3.
fn inheriting(scratch: &Scratch, listener: &UnixListener, arguments: &[&str]) -> Side {
    let script = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$PIPETOOL\" \"$@\"";
    let command = ["-c", script, "sh"].into_iter().chain(arguments.iter().copied());
    let socket: std::os::fd::OwnedFd = listener.try_clone().unwrap().into();
    scratch.program("bash", command).env("PIPETOOL", PIPETOOL).stdin(socket).start()
}

/// Who is in the queue already has come, however short the wait is.
#[test]
fn no_wait_at_all_is_time_enough_for_who_is_there() {
    let scratch = Scratch::new();
    let queued = r#"[(lambda l, c: (l.bind("x"), l.listen(), c.connect("x"), c.sendall(b"hello\n"), l)[-1])(
        socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX))]"#;
    for options in [&["-k"][..], &["-k", "--hub"]] {
        let command = [&["serve", "-w", "0"], options, &["./x"]].concat();
        given(&scratch, queued, "", command).run("").code(124).out("hello\n");
        std::fs::remove_file(scratch.path("x")).unwrap();
    }
}
