//! What a pipe address leads to. The grammar itself is tested beside its parser.

#[cfg(unix)]
use std::os::unix::ffi::OsStrExt;

use crate::harness::Scratch;

/// Serves `name` and connects to `connected`: a line goes through.
fn meets(scratch: &Scratch, name: impl AsRef<std::ffi::OsStr>, connected: impl AsRef<std::ffi::OsStr>) {
    let server = scratch.server([name]);
    scratch.pipetool(["connect".as_ref(), connected.as_ref()]).run("hi\n").ok().out("");
    server.end().ok().out("hi\n");
    assert!(scratch.files().is_empty(), "left behind: {:?}", scratch.files());
}

#[test]
fn every_spelling_of_a_name_is_the_same_pipe() {
    let scratch = Scratch::new();
    for connected in [r"\\.\pipe\jobs", "//./pipe/jobs", r"\\?\pipe\jobs", "npipe:////./pipe/jobs"] {
        meets(&scratch, "jobs", connected);
    }
}

#[cfg(unix)] // a name is a file's there
#[test]
fn the_file_of_a_name_is_the_same_pipe() {
    let scratch = Scratch::new();
    let file = scratch.socket("jobs");
    for connected in [
        file.to_str().unwrap(),
        "./CoreFxPipe_jobs",
        "unix:CoreFxPipe_jobs",
        &format!("unix://{}", file.display()),
        &format!("unix:path={},guid=00", file.display()),
    ] {
        meets(&scratch, "jobs", connected);
    }
}

#[cfg(unix)] // pipes that are files
#[test]
fn paths_and_abstract_names_are_served() {
    let scratch = Scratch::new();
    meets(&scratch, "./x.sock", scratch.path("x.sock"));
    let unique = format!("@{}", scratch.path("x").display());
    meets(&scratch, &unique, format!("unix:abstract={}", &unique[1..]));
}

#[cfg(unix)] // Windows' names are UTF-16
#[test]
fn a_name_need_not_be_text() {
    let scratch = Scratch::new();
    let odd = std::ffi::OsStr::from_bytes(b"a\xff b:c");
    let server = scratch.server([odd]);
    scratch.pipetool(["connect".as_ref(), odd]).run("hi").ok();
    server.end().ok().out("hi");
}

#[cfg(unix)] // Windows refuses others: windows.rs
#[test]
fn what_cannot_be_a_pipe_here_is_a_usage_error() {
    let scratch = Scratch::new();
    let long = "x".repeat(108);
    for (typed, reason) in [
        ("", "cannot be empty"),
        ("Anonymous", "reserved"),
        ("tcp://localhost", "'tcp:'"),
        (r"\\.\pipe\a/b", "cannot hold a '/'"),
        (r"\\HOST\pipe\x", "only Windows"),
        ("fd:x", "fd:N"),
        (&format!("./{long}"), "3 more than a socket's name may have (107)"),
        (&long, "more than a socket's name may have (107)"),
    ] {
        for role in ["serve", "connect"] {
            scratch.pipetool([role, "-w", "0", typed]).run("").code(2).one_line(&[reason]);
        }
    }
}

#[cfg(unix)] // a limit of sockets
#[test]
fn names_of_the_greatest_length_meet() {
    let scratch = Scratch::new();
    let path = scratch.path("");
    let name = "n".repeat(107 - path.as_os_str().len() - "CoreFxPipe_".len());
    meets(&scratch, &name, &name);
    let error = scratch.pipetool(["connect".to_owned(), format!("{name}nn")]).run("").code(2).err;
    assert!(error.contains("2 more than"), "{error}");
}

#[cfg(unix)] // names are no files on Windows
#[test]
fn without_tmpdir_a_name_is_in_tmp() {
    let scratch = Scratch::new();
    let name = scratch.path("").file_name().unwrap().to_str().unwrap().to_owned();
    let server = scratch.serving([&name], |server| server.env("TMPDIR", ""));
    server.says(&format!("listening on '/tmp/CoreFxPipe_{name}'"));
    scratch.pipetool(["connect", &name]).env("TMPDIR", "").run("hi").ok();
    server.end().ok().out("hi");
}
