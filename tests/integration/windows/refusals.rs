//! What Windows does not have is refused by its name.

use crate::harness::Scratch;

#[test]
fn what_is_not_there_says_what_is() {
    let scratch = Scratch::new();
    let long = "x".repeat(300);
    for (line, reason) in [
        ("serve dir/x", r"on Windows a pipe is no file: write x or \\.\pipe\x"),
        ("connect unix:/run/x", "a pipe is no file"),
        ("connect @x", "exist on Linux only"),
        ("serve -d in fifo:x", "there are no FIFOs on Windows"),
        ("serve --permissions 660 x", "no '--permissions'"),
        ("serve --group any x", "no '--group'"),
        ("serve --remote x", "'--remote' goes with '--peer any'"),
        ("serve --replace x", "cannot be taken from a server that lives"),
        (&format!("serve {long}"), "more than a pipe's name may have (256)"),
        (r"serve \\HOST\pipe\x", "another computer's pipe is its own to serve"),
    ] {
        scratch.pipetool(line.split(' ')).run("").code(2).one_line(&[reason]);
    }
}

/// Another computer's pipe is looked for, and is not there: Wine has no SMB (ERROR_BAD_NETPATH or the like, at
/// once, as Microsoft promises).
#[test]
fn another_computers_pipe_is_looked_for() {
    let scratch = Scratch::new();
    scratch.pipetool(["connect", "-w", "0", r"\\no-such-host\pipe\x"]).run("").says(&[r"\\no-such-host\pipe\x"]);
}
