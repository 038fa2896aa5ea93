//! .NET's own pipes (tests/peers/dotnet.cs), under both of its runtimes: Mono's, and Microsoft's own, .NET Core 3.1
//! or newer. mcs compiles the program once; its assembly runs under either.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::harness::{PIPETOOL, Scratch, Side, Starter, noise, until};

/// A runtime, by the command that starts it.
#[derive(Clone, Copy)]
pub struct Dotnet(pub &'static str);

/// A test under each of the two; a failure names the command.
pub fn under_both(test: impl Fn(Dotnet, Scratch)) {
    for runtime in ["mono", "dotnet"] {
        test(Dotnet(runtime), Scratch::new());
    }
}

impl Dotnet {
    /// `dotnet.cs ROLE NAME DIRECTION None STEPS`.
    pub fn peer(self, scratch: &Scratch, role: &str, name: &str, direction: &str, steps: &[&str]) -> Starter {
        self.program(scratch, [&[role, name, direction, "None"], steps].concat())
    }

    pub fn server(self, scratch: &Scratch, name: &str, direction: &str, steps: &[&str]) -> Side {
        let server = self.peer(scratch, "server", name, direction, steps).open_stdin().start();
        server.says("listening");
        server
    }

    pub fn program<'a>(self, scratch: &Scratch, arguments: impl IntoIterator<Item = &'a str>) -> Starter {
        let arguments = [ASSEMBLY.to_str().unwrap()].into_iter().chain(arguments);
        // Else each program puts sockets for debuggers into TMPDIR.
        scratch.program(self.0, arguments).env("COMPlus_EnableDiagnostics", "0")
    }
}

/// Wherever it is copied to, the file beside it has to go along: Microsoft's runtime wants to be told its version.
pub static ASSEMBLY: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (mine, shared) = (directory.join(format!("dotnet-{}.exe", std::process::id())), directory.join("dotnet.exe"));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/dotnet.cs");
    let out = format!("-out:{}", mine.display());
    let compiled = Command::new("mcs").args(["-r:System.Core.dll", "-r:System.dll", &out, source]).status();
    assert!(compiled.expect("mcs is installed").success(), "{source} does not compile");
    fs::rename(&mine, &shared).unwrap();
    fs::write(configuration(&shared), CONFIGURATION).unwrap();
    shared
});

const CONFIGURATION: &str = r#"{"runtimeOptions": {
    "framework": {"name": "Microsoft.NETCore.App", "version": "3.1.0"}, "rollForward": "LatestMajor",
    "configProperties": {"System.Globalization.Invariant": true}
}}"#;

fn configuration(assembly: &Path) -> PathBuf {
    assembly.with_extension("runtimeconfig.json")
}

/// The exchange of the textbooks: the server sends the byte 100, the client answers 200.
#[test]
fn the_textbook_exchange_in_both_roles() {
    under_both(|dotnet, scratch| {
        let server = dotnet.server(&scratch, "testpipe", "InOut", &["byte:100", "readbyte"]);
        let mut client = scratch.pipetool(["connect", "testpipe"]).open_stdin().start();
        client.prints([100]);
        client.write([200]);
        server.end().ok().out("200");
        client.end().ok().out([100]);

        let mut server = scratch.serving(["testpipe"], Starter::open_stdin);
        server.write([100]);
        let client = dotnet.peer(&scratch, "client", "testpipe", "InOut", &["readbyte", "byte:200"]).run("").ok();
        assert_eq!(client.out, b"100");
        server.end().ok().out([200]);
    });
}

#[test]
fn in_one_direction() {
    under_both(|dotnet, scratch| {
        for (theirs, ours) in [("Out", "in"), ("Out", "inout"), ("InOut", "in")] {
            let server = dotnet.server(&scratch, "x", theirs, &["write:from the server"]);
            scratch.pipetool(["connect", "-d", ours, "x"]).run("").ok().out("from the server");
            server.end().ok();
            let server = scratch.server(["-d", ours, "x"]);
            dotnet.peer(&scratch, "client", "x", theirs, &["write:from the client"]).run("").ok();
            server.end().ok().out("from the client");
        }
        for (theirs, ours) in [("In", "out"), ("In", "inout"), ("InOut", "out")] {
            let server = dotnet.server(&scratch, "x", theirs, &["read"]);
            scratch.pipetool(["connect", "-d", ours, "x"]).run("to the server").ok().out("");
            server.end().ok().out("to the server");
            let mut server = scratch.serving(["-d", ours, "x"], Starter::open_stdin);
            let client = dotnet.peer(&scratch, "client", "x", theirs, &["read"]).start();
            server.write("to the client");
            server.end_after_stdin().ok();
            client.end().ok().out("to the client");
        }
    });
}

/// It shuts its unused half right after the connection: that must not be taken for its leaving.
#[test]
fn a_server_with_direction_in_takes_a_megabyte_that_starts_late() {
    under_both(|dotnet, scratch| {
        let server = dotnet.server(&scratch, "x", "In", &["count"]);
        let mut client = scratch.pipetool(["connect", "x"]).open_stdin().start();
        until("its finish to have been seen, and passed on", || client.stdout_has_ended());
        client.write(noise(3, 1 << 20));
        client.end_after_stdin().ok();
        server.end().ok().out("1048576");
    });
}

#[test]
fn it_answers_after_our_finish() {
    under_both(|dotnet, scratch| {
        let server = dotnet.server(&scratch, "x", "InOut", &["read", "write:got it"]);
        scratch.pipetool(["connect", "x"]).run("question").ok().out("got it");
        server.end().ok().out("question");
    });
}

#[test]
fn a_server_disconnects_and_serves_on() {
    under_both(|dotnet, scratch| {
        let server = dotnet.server(&scratch, "x", "InOut", &["read", "wait", "read"]);
        scratch.pipetool(["connect", "x"]).run("one,").ok();
        scratch.pipetool(["connect", "x"]).run("two").ok();
        server.end().ok().out("one,two");
    });
}

#[test]
fn a_peer_that_disposes_without_reading() {
    under_both(|dotnet, scratch| {
        let mut server = dotnet.server(&scratch, "x", "InOut", &["write:last words", "line"]);
        let mut client = scratch.pipetool(["connect", "x"]).open_stdin().start();
        client.prints("last words");
        client.write("never read");
        client.has_passed_on_its_stdin();
        server.write("\n");
        server.end().ok();
        client.end().code(1).out("last words").one_line(&["'x'", "left without reading"]);

        let mut server = scratch.serving(["x"], Starter::open_stdin);
        let mut client =
            dotnet.peer(&scratch, "client", "x", "InOut", &["write:last words", "line"]).open_stdin().start();
        server.prints("last words");
        server.write("never read");
        server.has_passed_on_its_stdin();
        client.write("\n");
        client.end().ok();
        server.end().code(1).out("last words").says(&["left without reading"]);
    });
}

/// .NET takes a name that begins with '/' for a path; and everything else is just a name.
#[test]
fn it_finds_the_same_names() {
    under_both(|dotnet, scratch| {
        let path = scratch.path("y").display().to_string();
        let longest = {
            // mono's own limit is a byte below the kernel's.
            let limit = if dotnet.0 == "mono" { 106 } else { 107 };
            "n".repeat(limit - scratch.socket("").as_os_str().len())
        };
        for name in [&path, &longest, r"a b:c\d", "-x", "..", "ümläut", r"\\.\pipe\x"] {
            // .NET has no Windows spelling on Unix: it takes \\.\pipe\x as it stands, and so the same
            // text is another pipe for us. With the prefix any name can be said.
            let other_form = name.starts_with(r"\\") || name.starts_with('-');
            let ours = if other_form { format!("//./pipe/{name}") } else { name.to_owned() };
            let server = dotnet.server(&scratch, name, "InOut", &["read"]);
            scratch.pipetool(["connect", &ours]).run("to them").ok();
            server.end().ok().out("to them");
            let server = scratch.server([&ours]);
            dotnet.peer(&scratch, "client", name, "Out", &["write:to us"]).run("").ok();
            server.end().ok().out("to us");
        }
    });
}

#[test]
fn with_current_user_only() {
    under_both(|dotnet, scratch| {
        let theirs = |role, step| dotnet.program(&scratch, [role, "x", "InOut", "CurrentUserOnly", step]);
        let server = theirs("server", "read").start();
        server.says("listening");
        scratch.pipetool(["connect", "x"]).run("to them").ok();
        server.end().ok().out("to them");
        let server = scratch.server(["x"]);
        theirs("client", "write:to us").run("").ok();
        server.end().ok().out("to us");
    });
}

/// Each refuses the other's user, whichever of them serves.
#[test]
fn of_another_user() {
    under_both(|dotnet, scratch| {
        fs::set_permissions(scratch.path(""), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        let assembly = scratch.path("dotnet.exe");
        fs::copy(&*ASSEMBLY, &assembly).unwrap();
        fs::copy(configuration(&ASSEMBLY), configuration(&assembly)).unwrap();
        let nobody = |role, options, step| {
            let setpriv = ["--reuid=65534", "--regid=65534", "--clear-groups", dotnet.0, assembly.to_str().unwrap()];
            let arguments = setpriv.into_iter().chain([role, "x", "InOut", options, step]);
            scratch.program("setpriv", arguments).env("HOME", "/nonexistent")
        };
        // Theirs is readable for all, as .NET's sockets are; we do not trust it.
        let server = nobody("server", "None", "read").start();
        server.says("listening");
        scratch.pipetool(["connect", "x"]).run("secret").code(1).one_line(&["uid 65534"]);
        server.end().ok().out("");
        // Nor do they trust ours.
        let server = scratch.server(["--permissions", "666", "--peer", "any", "x"]);
        let refused = nobody("client", "CurrentUserOnly", "write:hi").run("").code(1);
        refused.says(&["not owned by the current user"]);
        server.end().ok().out("");
        let server = scratch.server(["--permissions", "666", "--peer", "any", "x"]);
        nobody("client", "None", "write:hi").run("").ok();
        server.end().ok().out("hi");
    });
}

/// Messages are Windows' alone for .NET, which says so; and a client that finds ours is told at once.
#[test]
fn messages_in_the_pipe_itself_are_not_for_it() {
    under_both(|dotnet, scratch| {
        dotnet.program(&scratch, ["server", "x", "InOut", "Message"]).run("").code(1).says(&["PlatformNotSupported"]);
        let server = scratch.server(["-m", "message", "x"]);
        let client = dotnet.peer(&scratch, "client", "x", "InOut", &["read"]).run("").code(1);
        client.says(&["Protocol wrong type for socket"]);
        scratch.pipetool(["connect", "x"]).run("hi\n").ok();
        server.end().ok().out("hi\n");
    });
}

/// What its programs put on a pipe: BitConverter, StreamString, BinaryWriter, StreamWriter.
#[test]
fn it_delimits_in_the_same_ways() {
    under_both(|dotnet, scratch| {
        for (kind, options, input, expected) in [
            ("u32le:3", "-f length", "\nhello\nworld\n", "\nhello\nworld\n"),
            ("u16be:2", "-f u16be --stdio hex", "68006900\n6100\n", "68006900\n6100\n"),
            ("varint:2", "-f varint", "h\u{e9}\n\n", "h\u{e9}\n\n"),
            ("line:2", "-f lines", "one\ntwo\n", "one\ntwo\n"),
            ("bom:2", "-f lines --strip-bom", "one\ntwo\n", "one\ntwo\n"),
            ("bom:1", "-f lines", "one\n", "\u{feff}one\n"),
        ] {
            let count = kind.rsplit(':').next().unwrap();
            let server = dotnet.server(&scratch, "x", "InOut", &[&format!("echo:{kind}")]);
            let line = format!("connect -n {count} {options} x");
            scratch.pipetool(line.split(' ')).run(input).ok().out(expected);
            server.end().ok();
        }
        // Three frames of 0, 5 and 100,000 bytes, there and back.
        let server = dotnet.server(&scratch, "x", "InOut", &["echo:u32le:3"]);
        let long = format!("\n12345\n{}\n", "x".repeat(100_000));
        scratch.pipetool(["connect", "-n", "3", "-f", "length", "x"]).run(&long).ok().out(&long);
        server.end().ok();
    });
}

#[test]
fn send_gives_it_messages_with_a_length() {
    under_both(|dotnet, scratch| {
        fs::write(scratch.path("a"), "hello").unwrap();
        let server = dotnet.server(&scratch, "x", "InOut", &["echo:u32le:2", "read"]);
        scratch.pipetool(["send", "x", "-f", "length", "-t", "", "a"]).run("").ok().out("");
        // The second message is read and sent back whole, or this would not end well.
        server.end().ok().out("");
    });
}

/// The same exchange through handles, with one of us as the child and as the parent.
#[test]
fn anonymous_pipes_in_both_roles() {
    under_both(|dotnet, scratch| {
        let child = [dotnet.0, ASSEMBLY.to_str().unwrap(), "child"];
        let ended = scratch.pipetool(["spawn-child", "--"].iter().chain(&child)).run([100]).ok();
        ended.out([200]);
        let ended = dotnet.program(&scratch, ["parent", PIPETOOL, "connect", "fd:{in},{out}"]).run([200]).ok();
        ended.out([100]).says(&["read 200\nthen -1\n"]);
    });
}

/// What a debugger asks a running program, in a framing that is a header with a length in it.
#[test]
fn microsofts_runtime_answers_at_its_diagnostics_port() {
    let scratch = Scratch::new();
    let program = Dotnet("dotnet").peer(&scratch, "server", "x", "InOut", &["read"]);
    let program = program.without_env("COMPlus_EnableDiagnostics").start();
    program.says("listening");
    let port = scratch.files().into_iter().find(|file| file.starts_with("dotnet-diagnostic")).expect("a port");
    // A header without its length, a group of commands and a command; a runtime may not know it, and says so.
    let (magic, question) = ("444f544e45545f4950435f563100", "04000000");
    let ask = ["connect", "-f", "u16le@14-16", "--stdio", "hex", "-n", "1", &format!("./{port}")];
    let answer = scratch.pipetool(ask).run(format!("{magic}{question}\n")).ok();
    assert!(answer.out.starts_with(format!("{magic}ff").as_bytes()), "{answer:?}");
}
