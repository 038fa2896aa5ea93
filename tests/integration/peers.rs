//! Programs that are not ours. They are part of what pipetool promises, so one that is missing is a
//! failure and no reason to skip (.ci/run installs them).

use std::fs;

use crate::harness::{Scratch, Side, Starter, noise};

/// Larger than all kernel buffers on the way.
const SOME: usize = 1_000_000;

const PYTHON_CLIENT: &str = r#"
import socket, sys, threading
pipe = socket.socket(socket.AF_UNIX); pipe.connect("x")
def send():
    pipe.sendall(sys.stdin.buffer.read()); pipe.shutdown(socket.SHUT_WR)
threading.Thread(target=send).start()
while piece := pipe.recv(65536): sys.stdout.buffer.write(piece)
"#;

const PYTHON_SERVER: &str = r#"
import socket, sys, threading
listener = socket.socket(socket.AF_UNIX); listener.bind("x"); listener.listen()
pipe, _ = listener.accept()
def send():
    pipe.sendall(sys.stdin.buffer.read()); pipe.shutdown(socket.SHUT_WR)
threading.Thread(target=send).start()
while piece := pipe.recv(65536): sys.stdout.buffer.write(piece)
"#;

/// Two programs give each other different bytes at once, and both end by themselves.
fn exchange(server: Starter, wait_for_it: impl FnOnce(&Side), client: Starter) {
    let (from_server, from_client) = (noise(1, SOME), noise(2, SOME));
    let give = |starter: Starter, bytes: &[u8]| {
        let mut side = starter.open_stdin().start();
        let mut stdin = fs::File::from(side.stdin_handle());
        side.close_stdin();
        let bytes = bytes.to_owned();
        (side, std::thread::spawn(move || std::io::Write::write_all(&mut stdin, &bytes)))
    };
    let (server, given) = give(server, &from_server);
    wait_for_it(&server);
    let (client, also_given) = give(client, &from_client);
    let (server, client) = (server.end(), client.end());
    let (server, client) = (server.ok(), client.ok());
    for (given, side) in [(given, &server), (also_given, &client)] {
        given.join().unwrap().unwrap_or_else(|error| panic!("{side:?} did not take all: {error}"));
    }
    assert!(server.out == from_client && client.out == from_server, "bytes are missing or wrong");
}

#[test]
fn socat_nc_ncat_and_python_connect() {
    let clients: [(&str, &[&str]); 4] = [
        ("socat", &["-t60", "-", "UNIX-CONNECT:x"]),
        ("nc", &["-NU", "x"]),
        ("ncat", &["-U", "x"]),
        ("python3", &["-c", PYTHON_CLIENT]),
    ];
    for (program, arguments) in clients {
        let scratch = Scratch::new();
        let server = scratch.pipetool(["serve", "-v", "./x"]);
        exchange(server, |server| server.says("listening on"), scratch.program(program, arguments));
        assert!(scratch.files().is_empty(), "{program}");
    }
}

/// `nc -l` and `ncat -l` leave when their client finishes, whatever they still have to send.
#[test]
fn socat_nc_ncat_and_python_listen() {
    let servers: [(&str, &[&str], &str); 4] = [
        ("socat", &["-t60", "-", "UNIX-LISTEN:x"], "auto"),
        ("nc", &["-NlU", "x"], "never"),
        ("ncat", &["-lU", "x"], "never"),
        ("python3", &["-c", PYTHON_SERVER], "auto"),
    ];
    for (program, arguments, finish) in servers {
        let scratch = Scratch::new();
        let client = scratch.pipetool(["connect", "--finish", finish, "./x"]);
        exchange(scratch.program(program, arguments), |_| {}, client);
    }
}

#[test]
fn socat_in_the_abstract_namespace() {
    let scratch = Scratch::new();
    let name = scratch.path("x").display().to_string();
    let server = scratch.pipetool(["serve", "-v", &format!("@{name}")]);
    let client = scratch.program("socat", ["-t60", "-", &format!("ABSTRACT-CONNECT:{name}")]);
    exchange(server, |server| server.says("listening on"), client);
}

/// An HTTP server as Docker's is: Node drops the answer to a client that half-closes.
#[test]
fn node_answers_a_client_that_does_not_finish() {
    let scratch = Scratch::new();
    let script = r#"
require("net").createServer(pipe => pipe.on("data", data => setTimeout(() => pipe.end("answer to " + data), 50)))
    .listen("x", () => console.error("listening"));
"#;
    let server = scratch.program("node", ["-e", script]).start();
    server.says("listening");
    scratch.pipetool(["connect", "./x"]).run("nothing").out("");
    scratch.pipetool(["connect", "--finish", "never", "./x"]).run("question").ok().out("answer to question");
}

#[test]
fn node_connects() {
    let scratch = Scratch::new();
    let server = scratch.server(["./x"]);
    let script = r#"require("net").connect("x", function () { this.end("hi from node") }).pipe(process.stdout)"#;
    let client = scratch.program("node", ["-e", script]).start();
    server.end().ok().out("hi from node");
    client.end().ok();
}

#[test]
fn gpg_agent_answers() {
    let scratch = Scratch::new();
    let home = scratch.path("gnupg");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let agent = |arguments: &[&str]| {
        let starter = scratch.program("gpg-connect-agent", arguments.iter().copied()).env("GNUPGHOME", &home);
        starter.run("").ok()
    };
    agent(&["/bye"]);
    let socket = scratch.program("gpgconf", ["--list-dirs", "agent-socket"]).env("GNUPGHOME", &home).run("").ok();
    let socket = String::from_utf8(socket.out).unwrap();
    let ended = scratch.pipetool(["connect", socket.trim_end()]).run("GETINFO version\nBYE\n").ok();
    let said = String::from_utf8(ended.out).unwrap();
    agent(&["KILLAGENT", "/bye"]);
    assert!(said.starts_with("OK ") && said.contains("\nD 2.") && said.ends_with("OK closing connection\n"), "{said}");
}

#[test]
fn the_longest_name_is_the_kernels_and_one_more_is_a_mistake() {
    let scratch = Scratch::new();
    let name = "n".repeat(107 - scratch.socket("").as_os_str().len());
    let server = scratch.server([&name]);
    scratch.pipetool(["connect", &name]).run("hi").ok();
    server.end().ok().out("hi");
    for role in ["serve", "connect"] {
        scratch.pipetool([role, &format!("{name}n")]).run("").code(2).one_line(&["108 bytes long, 1 more", "(107)"]);
    }
}
