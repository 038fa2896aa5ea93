//! Programs that are not ours. They are part of what pipetool promises, so one that is missing is a
//! failure and no reason to skip (.ci/run installs them).

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use crate::harness::{Scratch, Side, Starter, noise, until};

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

/// .NET's own code (tests/peers/dotnet.cs), compiled once.
pub static DOTNET: LazyLock<String> = LazyLock::new(|| {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("dotnet-{}.exe", std::process::id()));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/dotnet.cs");
    let out = format!("-out:{}", program.display());
    let compiled = Command::new("mcs").args(["-r:System.Core.dll", "-r:System.dll", &out, source]).status();
    assert!(compiled.expect("mcs is installed").success(), "{source} does not compile");
    let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dotnet.exe");
    fs::rename(&program, &shared).unwrap();
    shared.display().to_string()
});

/// `dotnet.cs ROLE NAME DIRECTION None STEPS`.
pub fn dotnet(scratch: &Scratch, role: &str, name: &str, direction: &str, steps: &[&str]) -> Starter {
    let arguments = [DOTNET.as_str(), role, name, direction, "None"];
    scratch.program("mono", arguments.iter().chain(steps))
}

pub fn dotnet_server(scratch: &Scratch, name: &str, direction: &str, steps: &[&str]) -> Side {
    let server = dotnet(scratch, "server", name, direction, steps).open_stdin().start();
    server.says("listening");
    server
}

/// The exchange of the textbooks: the server sends the byte 100, the client answers 200.
#[test]
fn dotnet_has_the_textbook_exchange_in_both_roles() {
    let scratch = Scratch::new();
    let server = dotnet_server(&scratch, "testpipe", "InOut", &["byte:100", "readbyte"]);
    let mut client = scratch.pipetool(["connect", "testpipe"]).open_stdin().start();
    client.prints([100]);
    client.write([200]);
    server.end().ok().out("200");
    client.end().ok().out([100]);

    let mut server = scratch.serving(["testpipe"], Starter::open_stdin);
    server.write([100]);
    let client = dotnet(&scratch, "client", "testpipe", "InOut", &["readbyte", "byte:200"]).run("").ok();
    assert_eq!(client.out, b"100");
    server.end().ok().out([200]);
}

#[test]
fn dotnet_in_one_direction() {
    let scratch = Scratch::new();
    for (theirs, ours) in [("Out", "in"), ("Out", "inout"), ("InOut", "in")] {
        let server = dotnet_server(&scratch, "x", theirs, &["write:from the server"]);
        scratch.pipetool(["connect", "-d", ours, "x"]).run("").ok().out("from the server");
        server.end().ok();
        let server = scratch.server(["-d", ours, "x"]);
        dotnet(&scratch, "client", "x", theirs, &["write:from the client"]).run("").ok();
        server.end().ok().out("from the client");
    }
    for (theirs, ours) in [("In", "out"), ("In", "inout"), ("InOut", "out")] {
        let server = dotnet_server(&scratch, "x", theirs, &["read"]);
        scratch.pipetool(["connect", "-d", ours, "x"]).run("to the server").ok().out("");
        server.end().ok().out("to the server");
        let mut server = scratch.serving(["-d", ours, "x"], Starter::open_stdin);
        let client = dotnet(&scratch, "client", "x", theirs, &["read"]).start();
        server.write("to the client");
        server.end_after_stdin().ok();
        client.end().ok().out("to the client");
    }
}

/// It shuts its unused half right after the connection: that must not be taken for its leaving.
#[test]
fn a_dotnet_server_with_direction_in_takes_a_megabyte_that_starts_late() {
    let scratch = Scratch::new();
    let server = dotnet_server(&scratch, "x", "In", &["count"]);
    let mut client = scratch.pipetool(["connect", "x"]).open_stdin().start();
    until("its finish to have been seen, and passed on", || client.stdout_has_ended());
    client.write(noise(3, 1 << 20));
    client.end_after_stdin().ok();
    server.end().ok().out("1048576");
}

#[test]
fn dotnet_answers_after_our_finish() {
    let scratch = Scratch::new();
    let server = dotnet_server(&scratch, "x", "InOut", &["read", "write:got it"]);
    scratch.pipetool(["connect", "x"]).run("question").ok().out("got it");
    server.end().ok().out("question");
}

#[test]
fn a_dotnet_server_disconnects_and_serves_on() {
    let scratch = Scratch::new();
    let server = dotnet_server(&scratch, "x", "InOut", &["read", "wait", "read"]);
    scratch.pipetool(["connect", "x"]).run("one,").ok();
    scratch.pipetool(["connect", "x"]).run("two").ok();
    server.end().ok().out("one,two");
}

#[test]
fn a_dotnet_peer_that_disposes_without_reading() {
    let scratch = Scratch::new();
    let mut server = dotnet_server(&scratch, "x", "InOut", &["write:last words", "line"]);
    let mut client = scratch.pipetool(["connect", "x"]).open_stdin().start();
    client.prints("last words");
    client.write("never read");
    client.has_passed_on_its_stdin();
    server.write("\n");
    server.end().ok();
    client.end().code(1).out("last words").one_line(&["'x'", "left without reading"]);

    let mut server = scratch.serving(["x"], Starter::open_stdin);
    let mut client = dotnet(&scratch, "client", "x", "InOut", &["write:last words", "line"]).open_stdin().start();
    server.prints("last words");
    server.write("never read");
    server.has_passed_on_its_stdin();
    client.write("\n");
    client.end().ok();
    server.end().code(1).out("last words").says(&["left without reading"]);
}

/// .NET takes a name that begins with '/' for a path; and everything else is just a name.
#[test]
fn dotnet_finds_the_same_names() {
    let scratch = Scratch::new();
    let path = scratch.path("y").display().to_string();
    let longest = {
        // mono's own limit is a byte below the kernel's 107.
        let prefix = scratch.socket("").as_os_str().len();
        "n".repeat(106 - prefix)
    };
    for name in [&path, &longest, r"a b:c\d", "-x", "..", "ümläut", r"\\.\pipe\x"] {
        // .NET has no Windows spelling on Unix: it takes \\.\pipe\x as it stands, and so the same
        // text is another pipe for us. With the prefix any name can be said.
        let other_form = name.starts_with(r"\\") || name.starts_with('-');
        let ours = if other_form { format!("//./pipe/{name}") } else { name.to_owned() };
        let server = dotnet_server(&scratch, name, "InOut", &["read"]);
        scratch.pipetool(["connect", &ours]).run("to them").ok();
        server.end().ok().out("to them");
        let server = scratch.server([&ours]);
        dotnet(&scratch, "client", name, "Out", &["write:to us"]).run("").ok();
        server.end().ok().out("to us");
    }
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

#[test]
fn dotnet_with_current_user_only() {
    let scratch = Scratch::new();
    let arguments = |role| [DOTNET.as_str(), role, "x", "InOut", "CurrentUserOnly"];
    let server = scratch.program("mono", arguments("server").iter().chain(&["read"])).start();
    server.says("listening");
    scratch.pipetool(["connect", "x"]).run("to them").ok();
    server.end().ok().out("to them");
    let server = scratch.server(["x"]);
    scratch.program("mono", arguments("client").iter().chain(&["write:to us"])).run("").ok();
    server.end().ok().out("to us");
}

/// Each refuses the other's user, whichever of them serves.
#[test]
fn dotnet_of_another_user() {
    let scratch = Scratch::new();
    fs::set_permissions(scratch.path(""), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let program = scratch.path("dotnet.exe");
    fs::copy(&*DOTNET, &program).unwrap();
    let nobody = |role, options, steps: &[&str]| {
        let setpriv = ["--reuid=65534", "--regid=65534", "--clear-groups", "mono", program.to_str().unwrap()];
        let arguments = setpriv.into_iter().chain([role, "x", "InOut", options]).chain(steps.iter().copied());
        scratch.program("setpriv", arguments).env("HOME", "/nonexistent")
    };
    // Theirs is readable for all, as .NET's sockets are; we do not trust it.
    let server = nobody("server", "None", &["read"]).start();
    server.says("listening");
    scratch.pipetool(["connect", "x"]).run("secret").code(1).one_line(&["uid 65534"]);
    server.end().ok().out("");
    // Nor do they trust ours.
    let server = scratch.server(["--permissions", "666", "--peer", "any", "x"]);
    let refused = nobody("client", "CurrentUserOnly", &["write:hi"]).run("").code(1);
    refused.says(&["not owned by the current user"]);
    server.end().ok().out("");
    let server = scratch.server(["--permissions", "666", "--peer", "any", "x"]);
    nobody("client", "None", &["write:hi"]).run("").ok();
    server.end().ok().out("hi");
}
