//! Anonymous pipes: spawn-child, and the address fd:N in a child of others.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use nix::sys::signal::Signal;

use crate::harness::{PIPETOOL, Scratch, Side, Starter, noise, until, until_steady};

const PYTHON_CHILD: &str = r#"
import os, sys
given, answer = int(sys.argv[1]), int(sys.argv[2])
assert os.read(given, 2) == b"d"
os.write(answer, bytes([200])); os.close(answer)
assert os.read(given, 1) == b""
"#;

fn child(scratch: &Scratch, arguments: &[&str]) -> Starter {
    scratch.pipetool([&["spawn-child", "--"], arguments].concat())
}

fn shell_child(scratch: &Scratch, script: &str) -> Starter {
    child(scratch, &["sh", "-c", script, "sh"])
}

/// The exchange of the textbooks: the parent sends the byte 100, the child answers 200.
#[test]
fn python_and_a_shell_are_children() {
    let scratch = Scratch::new();
    let children: [&[&str]; 2] = [
        &["python3", "-c", PYTHON_CHILD],
        &["bash", "-c", "read -rN1 byte <&$1; [ $byte = d ] && printf '\\310' >&$2; cat <&$1", "sh"],
    ];
    for arguments in children {
        let ended = child(&scratch, arguments).run([100]).ok();
        assert_eq!(ended.out, [200], "{arguments:?}: {}", ended.err);
    }
}

#[test]
fn placeholders_are_replaced_wherever_they_stand() {
    let scratch = Scratch::new();
    shell_child(&scratch, "cat <&{in} >&{out}").run("hi").ok().out("hi");
    child(&scratch, &["bash", "-c", "cat ${1#--rx=} > ${2#--tx=}", "bash", "--rx={in.path}", "--tx={out.path}"])
        .run("hi")
        .ok()
        .out("hi");
    // awk's and JSON's braces stay.
    child(&scratch, &["awk", "{ print \"{\" $0 \"}\" > \"{out.path}\" }", "{in.path}"]).run("x\n").ok().out("{x}\n");
    // One pipe only, and the other stream stays the child's own.
    scratch
        .pipetool(["spawn-child", "-d", "in", "sh", "-c", "cat; echo $# >&$1", "sh"])
        .run("in")
        .ok()
        .says(&["in"])
        .out("1\n");
    scratch.pipetool(["spawn-child", "-d", "out", "sh", "-c", "cat <&$1; cat", "sh"]).run("out").ok().out("out");
    let environment = ["spawn-child", "--env", "sh", "-c", "eval \"cat <&$PIPETOOL_IN >&$PIPETOOL_OUT\"; echo $# >&2"];
    scratch.pipetool(environment).run("env").ok().out("env").says(&["0"]);
    // A declared pipe is one more, unless it takes the place of one.
    fs::write(scratch.path("f"), "file ").unwrap();
    for (declared, script, printed) in [
        ("a=in:f", "eval \"cat <&$PIPETOOL_IN >&$PIPETOOL_OUT\"", "env"),
        ("a=in:f", "eval \"cat <&$PIPETOOL_A >&$PIPETOOL_OUT\"", "file "),
        ("a=in:-", "eval \"cat <&$PIPETOOL_A >&$PIPETOOL_OUT\"; test -z \"$PIPETOOL_IN\"", "env"),
    ] {
        let environment = ["spawn-child", "--env", "--pipe", declared, "--", "sh", "-c", script];
        scratch.pipetool(environment).run("env").ok().out(printed);
    }
}

/// Exactly these handles, the lowest numbers from 3 on, each an end of its own pipe: whatever we were given.
#[test]
fn the_child_inherits_its_handles_and_nothing_else() {
    let scratch = Scratch::new();
    // 5 and 11 are what our own parent left open, and no business of the child's.
    let listing = "import os, sys; print(*sys.argv[1:]); print(*(fd for fd in sorted(os.listdir('/proc/self/fd')) \
                   if os.path.exists(f'/proc/self/fd/{fd}'))); print(*(os.get_blocking(int(fd)) for fd in sys.argv[1:]))";
    let script = r#"exec 5</dev/null 11>/dev/null
        $PIPETOOL spawn-child --log log --pipe a=in:/dev/null --pipe b=out:o -- \
            python3 -c "$LISTING" {in} {out} {a} {b} 2>&1"#;
    let ended = scratch.shell(script).env("LISTING", listing).run("").ok();
    // The lowest that are free, in order; and blocking, as programs expect.
    assert_eq!(String::from_utf8(ended.out).unwrap(), "3 4 6 7\n0 1 2 3 4 6 7\nTrue True True True\n");
    // dash reads <&3, but not <&10.
    scratch
        .program("dash", ["-c", "exec 3<&- 4<&-; exec $PIPETOOL spawn-child -- dash -c 'cat <&3 >&4'"])
        .env("PIPETOOL", PIPETOOL)
        .run("hi")
        .ok()
        .out("hi");
}

#[test]
fn the_childs_own_stdin_and_stdout() {
    let scratch = Scratch::new();
    // Our stdin feeds {in}: its own is empty. Our stdout shows {out}: its own goes to stderr.
    shell_child(&scratch, "cat; echo own; cat <&{in} >&{out}").run("fed").ok().out("fed").says(&["own"]);
    for (to, out, err) in [("inherit", "own\n", ""), ("stderr", "", "own\n"), ("null", "", "")] {
        let ended =
            scratch.pipetool(["spawn-child", "--child-stdout", to, "--", "sh", "-c", "echo own; : {out}"]).run("").ok();
        assert_eq!((String::from_utf8(ended.out).unwrap().as_str(), ended.err.as_str()), (out, err), "{to}");
    }
    // No pipe at all but one that is declared: both are its own.
    scratch.pipetool(["spawn-child", "--pipe", "a=in:/dev/null", "cat"]).run("own").ok().out("own");
}

#[test]
fn more_pipes_from_files_fifos_and_named_pipes() {
    let scratch = Scratch::new();
    fs::write(scratch.path("file"), "same\n").unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, scratch.path("fifo"), rustix::fs::Mode::RWXU).unwrap();
    let writer = scratch.shell("echo same > fifo").start();
    let server = scratch.serving(["named"], Starter::open_stdin);
    let socket = scratch.serving(["./socket"], Starter::open_stdin);
    let compare = "cat {a.path} {b.path} {c.path} {d.path} | uniq -c";
    let side = scratch
        .pipetool([
            "spawn-child",
            "--pipe",
            "a=in:file",
            "--pipe",
            "b=in:fifo",
            "--pipe",
            "c=in://./pipe/named",
            "--pipe",
            "d=in:./socket",
            "--pipe",
            "out-1=out:copy",
            "--",
            "sh",
            "-c",
            &format!("{compare} > {{out-1.path}}"),
        ])
        .start();
    for mut server in [server, socket] {
        server.write("same\n");
        server.end_after_stdin().ok();
    }
    side.end().ok();
    writer.end().ok();
    assert_eq!(fs::read_to_string(scratch.path("copy")).unwrap().trim(), "4 same");

    let server = scratch.server(["sink"]);
    let arguments =
        ["spawn-child", "--pipe", "a=in:-", "--pipe", "b=out://./pipe/sink", "--", "sh", "-c", "cat <&{a} >&{b}"];
    scratch.pipetool(arguments).run("through").ok();
    server.end().ok().out("through");

    scratch
        .pipetool(["spawn-child", "--pipe", "a=in:no-file", "touch", "ran"])
        .run("")
        .code(1)
        .one_line(&["'no-file'"]);
    assert!(!scratch.path("ran").exists());
    scratch
        .pipetool(["spawn-child", "--pipe", "a=out:/dev/full", "--", "sh", "-c", "echo x >&{a}"])
        .run("")
        .code(1)
        .one_line(&["'/dev/full'", "No space"]);
    scratch
        .pipetool(["spawn-child", "-w", "0", "--pipe", "a=in:@no-server-here", "--", "cat", "{a.path}"])
        .run("")
        .code(1)
        .one_line(&["'@no-server-here'"]);
}

#[test]
fn the_childs_end_is_ours() {
    let scratch = Scratch::new();
    shell_child(&scratch, "exit 7").run("").code(7);
    shell_child(&scratch, "kill -9 $$").run("").code(137);
    child(&scratch, &["./nowhere"]).run("").code(127).one_line(&["'./nowhere'"]);
    child(&scratch, &["."]).run("").code(126);
    // It leaves while we still have input: as head does, that is no failure.
    let mut side = shell_child(&scratch, "head -c 3 <&{in} >&{out}").open_stdin().start();
    let stdin = side.stdin_handle();
    let feeding = std::thread::spawn(move || fs::File::from(stdin).write_all(&noise(1, 1_000_000)).is_err());
    side.close_stdin();
    assert_eq!(side.end().ok().out.len(), 3);
    assert!(feeding.join().unwrap());
    // It closes its ends and lives on: we wait for it, and what feeds us is let go.
    let side = shell_child(&scratch, "exec {in}<&- {out}>&-; exec 3<&- 4>&-; read line < go; exit 3");
    rustix::fs::mkfifoat(rustix::fs::CWD, scratch.path("go"), rustix::fs::Mode::RWXU).unwrap();
    let side = side.open_stdin().start();
    until("its stdout's end to be passed on", || side.stdout_has_ended());
    fs::write(scratch.path("go"), "\n").unwrap();
    side.end().code(3);
}

/// What it wrote comes; what somebody who holds its pipe may write later is not waited for.
#[test]
fn a_grandchild_that_holds_the_pipe_does_not_hold_us() {
    let scratch = Scratch::new();
    let script = "echo written >&{out}; sleep 600 >/dev/null 2>&1 & echo $! > pid; exit 4";
    let side = shell_child(&scratch, script).open_stdin().start();
    side.end().code(4).out("written\n");
    let pid: i32 = fs::read_to_string(scratch.path("pid")).unwrap().trim().parse().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

#[test]
fn signals_go_to_the_child_and_its_end_is_ours() {
    let scratch = Scratch::new();
    for (signal, code) in [(Signal::SIGTERM, 42), (Signal::SIGHUP, 42)] {
        let script = "trap 'exit 42' TERM HUP; echo ready >&{out}; while :; do sleep 0.05; done";
        let side = shell_child(&scratch, script).open_stdin().start();
        side.prints("ready");
        // These two reach it from the terminal: it decides, and gets them once.
        side.signal(Signal::SIGINT);
        side.signal(Signal::SIGQUIT);
        side.signal(signal);
        side.end().code(code);
    }
    let script = "trap 'echo passed on >&{out}' TERM; echo ready >&{out}; while kill -0 $PPID; do sleep 0.05; done";
    let side = shell_child(&scratch, script).open_stdin().start();
    side.prints("ready");
    side.signal(Signal::SIGTERM);
    // Before that the second would be the same as the first.
    side.prints("passed on");
    side.signal(Signal::SIGTERM);
    side.end().killed_by(Signal::SIGTERM);
}

#[test]
fn a_server_that_leaves_without_reading_what_a_child_has_for_it() {
    let scratch = Scratch::new();
    let server = UnixListener::bind(scratch.path("x")).unwrap();
    for much in [10, 40_000, 1_000_000] {
        let script = format!("trap '' PIPE; head -c {much} /dev/zero >&{{a}}; :");
        let child = ["spawn-child", "--pipe", "a=out:./x", "--", "sh", "-c", &script];
        let side = scratch.pipetool(child).start();
        let (mut taken, _) = server.accept().unwrap();
        taken.read_exact(&mut [0]).unwrap();
        drop(taken);
        side.end().code(1).says(&["could not", "'./x'"]);
    }
    // One that only reads no more, and stays, is not waited for.
    let script = "trap '' PIPE; head -c 1000000 /dev/zero >&{a}; :";
    let side = scratch.pipetool(["spawn-child", "--pipe", "a=out:./x", "--", "sh", "-c", script]).start();
    let (mut stays, _) = server.accept().unwrap();
    stays.read_exact(&mut [0]).unwrap();
    stays.shutdown(Shutdown::Read).unwrap();
    side.end().code(1).says(&["'./x'"]);
    drop(stays);
    let side = scratch.pipetool(["spawn-child", "--pipe", "a=out:./x", "--", "sh", "-c", "echo hi >&{a}"]).start();
    let (mut taken, _) = server.accept().unwrap();
    taken.read_to_end(&mut Vec::new()).unwrap();
    side.end().ok().says_nothing();
}

/// A server that never comes for what a child has left is waited for no longer than a user likes.
#[test]
fn once_the_child_has_ended_signals_are_ours() {
    let scratch = Scratch::new();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let pipe = format!("a=out:@{}", scratch.path("nobody").display());
        let side =
            scratch.pipetool(["spawn-child", "--pipe", &pipe, "--", "sh", "-c", "echo hi >&{a}; echo $$"]).start();
        side.prints("\n");
        let us = side.child.id();
        let is_zombie =
            |child: &str| fs::read_to_string(format!("/proc/{child}/stat")).is_ok_and(|stat| stat.contains(") Z "));
        until_steady("its end to be known", || {
            let children = fs::read_to_string(format!("/proc/{us}/task/{us}/children")).unwrap();
            children.split_whitespace().all(is_zombie) && crate::harness::is_asleep(us)
        });
        side.signal(signal);
        side.end().killed_by(signal);
    }
}

#[test]
fn a_gibibyte_through_a_child() {
    let scratch = Scratch::new();
    let mut side = shell_child(&scratch, "cat <&{in} >&{out}").open_stdin().start_raw();
    let (mut stdin, mut stdout) = (side.stdin.take().unwrap(), side.stdout.take().unwrap());
    let fed = std::thread::spawn(move || {
        let (mut block, mut sum) = (noise(5, 1 << 20), crc32fast::Hasher::new());
        for number in 0..1024_u32 {
            block[..4].copy_from_slice(&number.to_le_bytes());
            sum.update(&block);
            stdin.write_all(&block).unwrap();
        }
        sum.finalize()
    });
    let (mut block, mut sum, mut count) = (vec![0; 1 << 20], crc32fast::Hasher::new(), 0);
    while let read @ 1.. = stdout.read(&mut block).unwrap() {
        sum.update(&block[..read]);
        count += read;
    }
    assert_eq!((sum.finalize(), count), (fed.join().unwrap(), 1 << 30));
    assert!(side.wait().unwrap().success());
}

/// Runs a command a thousand times, and says how many children there were in all: what one of them leaves
/// behind, alive or dead, is ours too.
const SUBREAPER: &str = r#"
import ctypes, os, sys
PR_SET_CHILD_SUBREAPER = 36
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
null, count = os.open("/dev/null", os.O_RDWR), 0
for _ in range(1000):
    child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, null, 0)])
    assert os.waitpid(child, 0) == (child, 0)
    count += 1
    # Nothing is left that could still end: ECHILD.
    while True:
        try:
            os.waitpid(-1, 0)
            count += 1
        except ChildProcessError:
            break
print(count)
"#;

#[test]
fn a_thousand_spawns_leave_nothing() {
    let scratch = Scratch::new();
    scratch.program("python3", ["-c", SUBREAPER, PIPETOOL, "spawn-child", "true"]).run("").ok().out("1000\n");
}

#[test]
fn handles_of_our_parent_are_checked_first() {
    let scratch = Scratch::new();
    for (line, reason) in [
        ("fd:9", "handle 9 is not open"),
        ("fd:99999999999", "handle 99999999999 is not open"),
        ("fd:7", "handle 7 is open, but no pipe or socket"),
        ("-d out fd:3", "handle 3 can only be read, not written to"),
        ("-d in fd:4", "handle 4 can only be written to, not read"),
        ("fd:4,3", "handle 4 can only be written to, not read"),
    ] {
        let script = format!("exec 3< <(:) 4> >(cat) 7</dev/null; exec $PIPETOOL connect {line}");
        scratch.shell(&script).run("").code(1).one_line(&[reason]);
    }
    let [ours, theirs] = {
        let flags = rustix::net::SocketFlags::empty();
        let pair =
            rustix::net::socketpair(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::SEQPACKET, flags, None);
        pair.map(|(ours, theirs)| [ours, theirs]).unwrap()
    };
    let number = theirs.as_raw_fd();
    for way in ["in", "out", "inout"] {
        let line = format!("exec $PIPETOOL connect -d {way} fd:{number}");
        scratch.shell(&line).run("").code(1).one_line(&["keeps messages apart"]);
    }
    drop((ours, theirs));
    let script = "exec 3< <(echo to us) 4> >(cat > got); echo to them | $PIPETOOL connect ' +03 ,4'";
    let script = script.replace("' +03", "'fd: +03");
    scratch.shell(&format!("{script}; exec 4>&-; wait; sleep 0")).run("").ok().out("to us\n");
    until("what we sent", || fs::read_to_string(scratch.path("got")).is_ok_and(|got| got == "to them\n"));
    // One handle, one way, which it says itself.
    scratch.shell("exec 3< <(echo in); exec $PIPETOOL connect fd:3").run("").ok().out("in\n");
    scratch.shell("exec 4> >(cat); echo out | $PIPETOOL connect fd:4; exec 4>&-; wait $!").run("").ok().out("out\n");
}

#[test]
fn both_ends_of_a_socketpair_are_handles_too() {
    let scratch = Scratch::new();
    let start = |line: &str, ours: UnixStream| -> Side {
        let script = format!("exec 3<&0 0</dev/null; echo from child | $PIPETOOL connect {line}");
        scratch.shell(&script).stdin(OwnedFd::from(ours)).start()
    };
    for line in ["fd:3", "fd:3,3"] {
        let (mut parent, ours) = UnixStream::pair().unwrap();
        let side = start(line, ours);
        let mut got = String::new();
        parent.write_all(b"from parent").unwrap();
        parent.shutdown(Shutdown::Write).unwrap();
        parent.read_to_string(&mut got).unwrap();
        assert_eq!(got, "from child\n", "{line} {}", parent.as_raw_fd());
        side.end().ok().out("from parent");
    }
}
