//! Other users: kept out on both sides, unless they are asked in. These tests run as root.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::sys::signal::Signal;

use crate::harness::{PIPETOOL, Scratch, Starter};

const NOBODY: &str = "65534";

/// pipetool as another user, who must be able to reach the directory.
pub fn as_nobody<'a>(scratch: &Scratch, arguments: impl IntoIterator<Item = &'a str>) -> Starter {
    fs::set_permissions(scratch.path(""), Permissions::from_mode(0o777)).unwrap();
    // The build directory may be closed to others: a copy where they can read it. Another process makes it: a child that
    // is being forked by a test beside us would have our handle of it for a moment, and nobody could run it (ETXTBSY).
    let program = scratch.path("pipetool");
    if !program.exists() {
        scratch.program("cp", [Path::new(PIPETOOL), &program]).run("").ok();
    }
    let identity = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"), "--clear-groups".into()];
    let program = program.to_str().unwrap().to_owned();
    let arguments = arguments.into_iter().map(str::to_owned);
    scratch.program("setpriv", identity.into_iter().chain([program]).chain(arguments))
}

#[test]
fn a_server_lets_no_other_user_in_and_goes_on_waiting() {
    let scratch = Scratch::new();
    for (pipe, permissions) in [("x", "666"), ("@x", "")] {
        let pipe = if pipe == "@x" { format!("@{}", scratch.path("x").display()) } else { pipe.to_owned() };
        let mut arguments = vec![pipe.as_str()];
        if !permissions.is_empty() {
            arguments.extend(["--permissions", permissions]);
        }
        let server = scratch.server(&arguments);
        // Closed before a byte moved; and who has sent something learns that nobody took it.
        server.signal(Signal::SIGSTOP);
        let mut refused = as_nobody(&scratch, ["connect", "-v", "--peer", "any", &pipe]).open_stdin().start();
        refused.says("connected");
        refused.write("secret");
        refused.has_passed_on_its_stdin();
        server.signal(Signal::SIGCONT);
        server.says("refused a client: the peer is user nobody (uid 65534)");
        refused.end_after_stdin().code(1).out("").says(&["left without reading"]);
        scratch.pipetool(["connect", &pipe]).run("mine").ok();
        server.end().ok().out("mine");
    }
}

#[test]
fn a_client_sends_nothing_to_another_users_server() {
    let scratch = Scratch::new();
    let server = as_nobody(&scratch, ["serve", "-v", "--peer", "any", "--permissions", "666", "x"]).start();
    server.says("listening on");
    scratch.pipetool(["connect", "x"]).run("secret").code(1).one_line(&["'x'", "user nobody (uid 65534)", "--peer"]);
    server.end().ok().out("");
}

/// In /tmp and its like the file's permissions are those of whoever made it first.
#[test]
fn where_everybody_makes_files_a_path_is_trusted_no_more_than_a_name() {
    let scratch = Scratch::new();
    let squatter = || {
        let server = as_nobody(&scratch, ["serve", "-v", "--permissions", "666", "./x"]).start();
        server.says("listening on");
        server
    };
    let server = squatter();
    let told = &["'./x'", "user nobody (uid 65534)", "--peer"];
    scratch.pipetool(["connect", "./x"]).run("secret").code(1).one_line(told);
    server.end().ok().out("");
    let server = squatter();
    scratch.pipetool(["send", "./x", "-t", "secret"]).run("").code(1).one_line(told);
    server.end().ok().out("");
    let server = squatter();
    scratch.pipetool(["connect", "--peer", "any", "./x"]).run("hi").ok();
    server.end().ok().out("hi");
    // A FIFO does not say who is there, but who made it.
    scratch.program("mkfifo", ["-m", "666", "fifo"]).run("").ok();
    std::os::unix::fs::chown(scratch.path("fifo"), Some(65534), None).unwrap();
    let reader = || {
        let reader = scratch.program("sh", ["-c", "exec 3<>fifo; echo ready; exec head -c 3 <&3"]).start();
        reader.prints("ready\n");
        reader
    };
    let squatter_reads = reader();
    let told = &["'./fifo'", "made by user nobody (uid 65534)", "--peer"];
    scratch.pipetool(["connect", "-d", "out", "./fifo"]).run("secret").code(1).one_line(told);
    scratch.pipetool(["connect", "-d", "out", "--peer", "any", "./fifo"]).run("hi\n").ok();
    squatter_reads.end().ok().out("ready\nhi\n");
    // It is waited for as elsewhere, and what we make ourselves is ours.
    let client = scratch.pipetool(["connect", "-d", "in", "./later"]).start();
    client.says("nothing is there yet");
    scratch.pipetool(["serve", "-d", "out", "fifo:later"]).run("hi\n").ok();
    client.end().ok().out("hi\n");
    // Where they do not, who could make it is trusted.
    let server = squatter();
    fs::set_permissions(scratch.path(""), Permissions::from_mode(0o775)).unwrap();
    scratch.pipetool(["connect", "./x"]).run("hi").ok();
    server.end().ok().out("hi");
}

#[test]
fn those_who_are_asked_in_come_in() {
    let scratch = Scratch::new();
    for peer in ["any", "nobody", NOBODY] {
        let server = scratch.server(["--permissions", "666", "--peer", peer, "x"]);
        as_nobody(&scratch, ["connect", "--peer", "root", "x"]).run("hi").ok();
        server.end().ok().out("hi");
    }
    scratch.pipetool(["serve", "--peer", "no-such-user", "x"]).run("").code(2).one_line(&["no user 'no-such-user'"]);
}

#[test]
fn root_may_always_come_in() {
    let scratch = Scratch::new();
    let server = as_nobody(&scratch, ["serve", "-v", "x"]).start();
    server.says("listening on");
    scratch.pipetool(["connect", "--peer", "nobody", "x"]).run("hi").ok();
    server.end().ok().out("hi");
}

#[test]
fn with_a_path_its_permissions_decide() {
    let scratch = Scratch::new();
    let server = scratch.server(["--permissions", "666", "./x"]);
    as_nobody(&scratch, ["connect", "./x"]).run("hi").ok();
    server.end().ok().out("hi");
}

#[test]
fn permissions_are_exact_whatever_the_umask() {
    let scratch = Scratch::new();
    for (umask, told, expected) in [
        ("022", "", 0o600),
        ("0", "", 0o600),
        ("0777", "", 0o600),
        ("077", "--permissions=666", 0o666),
        ("0", "--permissions=400", 0o400),
    ] {
        let server = scratch.shell(&format!("umask {umask}; exec $PIPETOOL serve -v {told} ./x")).start();
        server.says("listening on");
        let found = fs::metadata(scratch.path("x")).unwrap().mode() & 0o777;
        assert_eq!(found, expected, "umask {umask} {told}");
        scratch.pipetool(["connect", "./x"]).run("").ok();
        server.end().ok();
    }
}

#[test]
fn the_socket_is_given_to_a_group() {
    let scratch = Scratch::new();
    for group in ["nogroup", NOBODY] {
        let server = scratch.server(["--group", group, "--permissions", "660", "x"]);
        let found = fs::metadata(scratch.socket("x")).unwrap();
        assert_eq!((found.gid(), found.mode() & 0o777), (65534, 0o660));
        scratch.pipetool(["connect", "x"]).run("").ok();
        server.end().ok();
    }
    scratch.pipetool(["serve", "--group", "no-such-group", "x"]).run("").code(2).one_line(&["no group"]);
    for option in ["--group=nogroup", "--permissions=660"] {
        scratch.pipetool(["serve", option, "@x"]).run("").code(2).one_line(&["an abstract socket has no file"]);
    }
}

/// The order of the system calls is the proof that no moment exists in which others could connect.
#[test]
fn the_socket_is_private_before_it_has_a_name() {
    let scratch = Scratch::new();
    let traced =
        scratch.program("strace", ["-f", "-e", "trace=socket,fchmod,bind,listen", PIPETOOL, "serve", "-w", "0", "x"]);
    let ended = traced.run("").code(124);
    let at = |call: &str| ended.err.find(call).unwrap_or_else(|| panic!("no {call} in {}", ended.err));
    assert!(at("fchmod(") < at("bind(") && at("0600") < at("bind(") && at("bind(") < at("listen("), "{}", ended.err);
}

/// Another user's socket in a shared directory is neither trusted nor removed.
#[test]
fn another_users_stale_socket_stays_where_it_may_not_be_removed() {
    let scratch = Scratch::new();
    drop(UnixListener::bind(scratch.socket("x")).unwrap());
    as_nobody(&scratch, ["--version"]).run("").ok();
    fs::set_permissions(scratch.path(""), Permissions::from_mode(0o1777)).unwrap();
    fs::set_permissions(scratch.socket("x"), Permissions::from_mode(0o600)).unwrap();
    let program = scratch.path("pipetool").to_str().unwrap().to_owned();
    let arguments = ["--reuid=65534", "--regid=65534", "--clear-groups", &program, "serve", "-w", "0", "x"];
    scratch.program("setpriv", arguments).run("").code(1).one_line(&["'x'", "another user's socket is there"]);
    assert!(scratch.socket("x").exists());
}
