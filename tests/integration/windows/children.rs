//! Programs that we start: COMMAND and spawn-child, handle IDs, and what a child inherits.

use super::{peer, pipetool, win32};
use crate::harness::{Scratch, Side, Starter};

#[test]
fn the_textbook_exchange_over_two_handle_ids() {
    let scratch = Scratch::new();
    let ended = scratch.pipetool(["spawn-child", "--", &peer(), "child"]).run([100]).ok();
    assert_eq!(ended.out, [200]);
    let ended = scratch.pipetool(["spawn-child", "--", &peer(), "child", "{in}", "{out}"]).run([100]).ok();
    assert_eq!(ended.out, [200]);
}

/// As a .NET parent does it: CreatePipe, and the numbers in argv.
#[test]
fn handles_of_our_parent_are_used_and_checked() {
    let scratch = Scratch::new();
    let ended = win32(&scratch, &["handles", &pipetool(), "connect", "fd:{in},{out}"]).run([200]).ok();
    assert_eq!(ended.out, [100]);
    ended.says(&["read 200\nthen the end\n"]);
    for (pipe, reason) in [
        ("fd:{out}", "handle {out} can only be written to, not read"),
        ("fd:{out},{in}", "can only be written to, not read"),
        ("fd:99999996", "handle 99999996 is not open"),
        ("fd:99999999999", "handle 99999999999 is not open"),
    ] {
        let direction = if pipe == "fd:{out}" { "in" } else { "inout" };
        let ended = win32(&scratch, &["handles", &pipetool(), "connect", "-d", direction, pipe]).run("").code(1);
        ended.says(&[reason.trim_start_matches("handle {out} ")]);
    }
}

#[test]
fn a_child_inherits_its_handles_and_nothing_else() {
    let scratch = Scratch::new();
    // The parent's handle is open in a child that inherits everything, as pipetool does here.
    win32(&scratch, &["leak", &peer(), "leaked"]).run("").ok().out("open\n");
    win32(&scratch, &["leak", &pipetool(), "spawn-child", "--child-stdout", "stderr", "--", &peer(), "leaked"])
        .run("")
        .ok()
        .says(&["closed"]);
    let server = win32(&scratch, &["leak", &pipetool(), "serve", "-v", "x", "--", &peer(), "leaked"]).start();
    server.says("listening on");
    scratch.pipetool(["connect", "x"]).run("").ok().out("closed\n");
    server.end().ok();
}

#[test]
fn arguments_arrive_as_they_were_typed() {
    let scratch = Scratch::new();
    let arguments = ["plain", "", "two words", r#"say "hi""#, r"C:\dir\", r"C:\my dir\", r#"a\"b"#];
    let expected = format!("[{}]", arguments.join("]["));
    let peer = peer();
    let line =
        [&["spawn-child", "--env", "--child-stdout", "inherit", "-d", "out", "--", &peer, "args"], &arguments[..]];
    scratch.pipetool(line.concat()).run("").ok().out(expected);
}

#[test]
fn the_childs_end_is_ours() {
    let scratch = Scratch::new();
    for code in ["0", "7", "255", "256", "0xC000013A"] {
        let number = code
            .strip_prefix("0x")
            .map_or_else(|| code.parse().unwrap(), |hex| u32::from_str_radix(hex, 16).unwrap().cast_signed());
        scratch.pipetool(["spawn-child", "--", &peer(), "exit", code]).run("").code(number);
        let server = scratch.server(["x", "--", &peer(), "exit", code]);
        scratch.pipetool(["connect", "x"]).run("");
        server.end().code(number);
    }
    scratch.pipetool(["spawn-child", "--", "no-such-program"]).run("").code(127).one_line(&["'no-such-program'"]);
    std::fs::write(scratch.path("script.bat"), "echo").unwrap();
    let script = scratch.path("script.bat").display().to_string();
    scratch.pipetool(["spawn-child", "--", &script]).run("").code(126).one_line(&["'cmd /c'"]);
    // Not in the current directory, where anybody may have put it.
    std::fs::copy(peer(), scratch.path("here.exe")).unwrap();
    scratch.pipetool(["spawn-child", "--", "here"]).run("").code(127);
    scratch.pipetool(["spawn-child", "--", r".\here", "exit", "5"]).run("").code(5);
}

#[test]
fn a_command_talks_through_the_pipe() {
    let scratch = Scratch::new();
    for option in ["-v", "--stats", "-x"] {
        let server = scratch.server([option, "x", "--", &peer(), "upper"]);
        scratch.pipetool(["connect", "x"]).run("shout\n").ok().out("SHOUT\n");
        server.end().ok();
    }
    let mut server = scratch.serving(["x"], Starter::open_stdin);
    let client = scratch.pipetool(["connect", "x", "--", &peer(), "upper"]).start();
    server.write("shout\n");
    server.prints("SHOUT\n");
    server.end_after_stdin().ok();
    client.end().ok().out("");
    // Messages to a program that speaks lines.
    let server = scratch.server(["-m", "message", "x", "--", &peer(), "upper"]);
    scratch.pipetool(["connect", "-m", "message", "-n", "1", "x"]).run("one\n").ok().out("ONE\n");
    server.end().ok();
}

#[test]
fn it_knows_its_peer() {
    let scratch = Scratch::new();
    let server = scratch.server(["x", "--", &peer(), "pid"]);
    let client = scratch.pipetool(["connect", "x"]).open_stdin().start();
    let pid = client.child.id().to_string();
    client.end().ok().out(pid);
    server.end().ok();
}

#[test]
fn one_for_each_client_at_once() {
    let scratch = Scratch::new();
    let server = scratch.server(["-k", "x", "--", &peer(), "upper"]);
    let clients: Vec<Side> = (0..10).map(|_| scratch.pipetool(["connect", "x"]).open_stdin().start()).collect();
    for (number, mut client) in clients.into_iter().enumerate() {
        client.write(format!("client {number};"));
        client.prints(format!("CLIENT {number};"));
        client.end_after_stdin().ok();
    }
    server.end_by_the_system();
}

#[test]
fn more_pipes_from_and_to_files() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("file"), "contents").unwrap();
    let peer = peer();
    let arguments = ["spawn-child", "--pipe", "a=in:file", "--", &peer, "args", "{a}"];
    scratch.pipetool(arguments).run("").ok();
    let arguments = ["spawn-child", "--pipe", "a=in:file", "--", &peer, "args", "{a.path}"];
    scratch.pipetool(arguments).run("").code(2).one_line(&["{a.path}"]);
    // And named pipes, of others and of our own; without an end of the child's own both are its own.
    let mut server = scratch.serving(["named"], Starter::open_stdin);
    let sink = scratch.server(["sink"]);
    let arguments =
        ["--pipe", "a=in://./pipe/named", "--pipe", "b=out://./pipe/sink", "--", &peer, "child", "{a}", "{b}"];
    let child = scratch.pipetool([&["spawn-child"], &arguments[..]].concat()).start();
    server.write([100]);
    server.end_after_stdin().ok();
    child.end().ok();
    sink.end().ok().out([200]);
}
