//! What is shown of what passes, as views.rs has it with a shell.

use std::fs;

use crate::harness::{Scratch, until};

#[test]
fn a_log_numbers_its_connections_and_is_no_obstacle() {
    let scratch = Scratch::new();
    let server = scratch.server(["-k", "--log", "log", "x"]);
    for round in ["one", "two"] {
        scratch.pipetool(["connect", "x"]).run(round).ok();
        server.prints(round);
    }
    let logged = || fs::read_to_string(scratch.path("log")).unwrap();
    until("the second connection to be logged", || logged().contains("|two|"));
    assert!(logged().contains(" #1 < 3 bytes\n") && logged().contains(" #2 < 3 bytes\n"), "{}", logged());
    scratch.pipetool(["connect", "--log", r"no\log", "y"]).run("").code(1).one_line(&[r"'no\log'"]);
}

#[test]
fn a_bar_knows_how_much_there_is_in_a_file() {
    let scratch = Scratch::new();
    fs::write(scratch.path("file"), vec![0; 5_000_000]).unwrap();
    let file = fs::File::open(scratch.path("file")).unwrap();
    let server = scratch.server(["x"]);
    let ended = scratch.pipetool(["connect", "--progress=always", "x"]).stdin(file).start().end().ok();
    assert!(ended.err.contains("4.77 MiB of 4.77 MiB [====="), "{}", ended.err);
    assert_eq!(server.end().ok().out.len(), 5_000_000);
}

/// Files as stdin and stdout: what Windows calls FILE_TYPE_DISK.
#[test]
fn files_are_stdin_and_stdout() {
    let scratch = Scratch::new();
    let bytes = crate::harness::noise(9, 3_000_000);
    fs::write(scratch.path("in"), &bytes).unwrap();
    let out = fs::File::create(scratch.path("out")).unwrap();
    let server = scratch.serving(["x"], |server| server.stdout(out));
    scratch.pipetool(["connect", "x"]).stdin(fs::File::open(scratch.path("in")).unwrap()).start().end().ok();
    server.end().ok();
    assert!(fs::read(scratch.path("out")).unwrap() == bytes);
}
