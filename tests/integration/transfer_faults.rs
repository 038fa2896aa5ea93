//! Whatever goes wrong in a transfer: never half a file under its name, nothing left behind, and both sides say
//! in one line what it was.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use nix::sys::signal::Signal;

use crate::harness::{Ended, Scratch, Side, Starter, noise, until};

/// More than the kernel keeps between two sides, so that a transfer is under way when a part of it has come.
const MUCH: usize = 4_000_000;

fn stranger(scratch: &Scratch, arguments: &[&str]) -> Starter {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/transfer.py");
    scratch.program("python3", [&[script], arguments].concat())
}

/// Starts `pipetool recv ./x -D in ARGS`, which serves.
fn receiver(scratch: &Scratch, arguments: &[&str]) -> Side {
    fs::create_dir_all(scratch.path("in")).unwrap();
    let side = scratch.pipetool([&["recv", "./x", "-D", "in"], arguments].concat()).start();
    until("a server", || scratch.path("x").exists());
    side
}

fn files_in(scratch: &Scratch) -> Vec<String> {
    let entries = fs::read_dir(scratch.path("in")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A transfer that is under way, and its sender's open stdin.
fn under_way(scratch: &Scratch) -> (Side, Side) {
    let receiver = receiver(scratch, &[]);
    let mut sender = scratch.pipetool(["send", "./x"]).open_stdin().start();
    sender.write(noise(1, MUCH));
    (sender, receiver)
}

#[test]
fn a_side_that_is_killed() {
    let scratch = Scratch::new();
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT] {
        let (sender, receiver) = under_way(&scratch);
        sender.signal(signal);
        sender.end().killed_by(signal);
        receiver.end().code(1).one_line(&["from './x'", "the sender has gone"]);
        let (sender, receiver) = under_way(&scratch);
        receiver.signal(signal);
        receiver.end().killed_by(signal);
        sender.end().code(1).one_line(&["'stdin' to './x'", "the receiver has gone"]);
        assert!(files_in(&scratch).is_empty());
    }
    assert_eq!(scratch.files(), ["in"]);
}

/// At any moment, from before the meeting until after the end.
#[test]
fn killed_at_random_moments() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("in")).unwrap();
    fs::write(scratch.path("a"), noise(1, MUCH)).unwrap();
    let mut seed = 1_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut whole = 0;
    for round in 0..100 {
        let receiver = scratch.pipetool(["recv", "./x", "-D", "in"]).start();
        let sender = scratch.pipetool(["send", "./x", "a"]).start();
        let victim = if random(2) == 0 { &receiver } else { &sender };
        let pid = victim.pid();
        std::thread::sleep(std::time::Duration::from_micros(random(12_000)));
        let _ = nix::sys::signal::kill(pid, Signal::SIGKILL);
        let is_receiver = pid == receiver.pid();
        let (killed, other) = if is_receiver { (receiver, sender) } else { (sender, receiver) };
        // One that is left alone before they have met waits for somebody else.
        until("the other to know", || {
            is_over(&other) || (scratch.path("x").exists() && crate::harness::is_asleep(other.child.id()))
        });
        other.signal(Signal::SIGTERM);
        let (killed, other) = (killed.end(), other.end());
        let is_there = scratch.path("in/a").exists();
        if is_there {
            assert!(fs::read(scratch.path("in/a")).unwrap() == noise(1, MUCH), "half a file in round {round}");
            fs::remove_file(scratch.path("in/a")).unwrap();
            whole += 1;
        }
        let (sender, receiver) = if is_receiver { (other, killed) } else { (killed, other) };
        assert!(is_there || (sender.code != Some(0) && receiver.code != Some(0)), "{sender:?} {receiver:?}");
        assert!(files_in(&scratch).is_empty(), "left behind in round {round}");
        let _ = fs::remove_file(scratch.path("x"));
    }
    assert!(whole < 100, "nobody was killed in time");
}

/// Neither its old name nor one of ours is left in the moment in which a new file takes the place of another.
#[test]
fn a_signal_while_a_file_is_replaced_leaves_nothing() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("in")).unwrap();
    fs::write(scratch.path("in/a"), "old").unwrap();
    fs::write(scratch.path("a"), "new").unwrap();
    let inject = "-qq -f -o /dev/null -e trace=/^rename -e inject=/^rename:delay_enter=60s";
    let line = format!("exec strace {inject} {} recv ./x -D in --force", crate::harness::PIPETOOL);
    let receiver = scratch.shell(&line).start();
    until("a server", || scratch.path("x").exists());
    let sender = scratch.pipetool(["send", "./x", "a"]).start();
    until("its other name", || files_in(&scratch).len() == 2);
    scratch.shell(&format!("pkill -TERM -P {}", receiver.child.id())).run("").ok();
    until("it to be gone", || files_in(&scratch) == ["a"]);
    // strace would wait the minute out.
    drop((receiver, sender));
    assert_eq!(fs::read_to_string(scratch.path("in/a")).unwrap(), "old");
}

/// On a file system without O_TMPFILE a temporary file does the same, but that a SIGKILL leaves it.
#[test]
fn without_nameless_files() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("in")).unwrap();
    fs::write(scratch.path("a"), "new").unwrap();
    let receive = |arguments: &str| {
        // Only O_TMPFILE is open(2) on the directory itself: all else is openat(2), or below it.
        let inject = "-qq -f -o /dev/null -P in -e trace=open -e inject=open:error=EOPNOTSUPP";
        let pipetool = crate::harness::PIPETOOL;
        let line = format!("exec strace {inject} {pipetool} recv ./x -D in {arguments}");
        let side = scratch.shell(&line).start();
        until("a server", || scratch.path("x").exists());
        side
    };
    for (arguments, code, kept) in [("", 0, "new"), ("", 1, "old"), ("--force", 0, "new")] {
        if code == 1 {
            fs::write(scratch.path("in/a"), "old").unwrap();
        }
        let receiver = receive(arguments);
        scratch.pipetool(["send", "./x", "a"]).run("").code(code);
        receiver.end().code(code);
        assert_eq!(fs::read_to_string(scratch.path("in/a")).unwrap(), kept);
        assert_eq!(files_in(&scratch), ["a"]);
    }
    fs::remove_file(scratch.path("in/a")).unwrap();
    for (signal, left) in [(Signal::SIGTERM, 0), (Signal::SIGKILL, 1)] {
        let receiver = receive("");
        let mut sender = scratch.pipetool(["send", "./x"]).open_stdin().start();
        sender.write(noise(1, MUCH));
        until("a temporary file", || files_in(&scratch).len() == 1);
        assert!(files_in(&scratch)[0].starts_with(".item-1.") && files_in(&scratch)[0].ends_with(".pipetool-part"));
        let children = format!("/proc/{0}/task/{0}/children", receiver.child.id());
        let pid: i32 = fs::read_to_string(children).unwrap().trim().parse().unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
        receiver.end();
        sender.end().code(1);
        assert_eq!(files_in(&scratch).len(), left, "{signal}");
    }
}

fn is_over(side: &Side) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", side.child.id())).unwrap();
    stat.rsplit(") ").next().unwrap().starts_with('Z')
}

#[test]
fn a_full_disk() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("small")).unwrap();
    let mount = |arguments: &[&str]| scratch.program(arguments[0], &arguments[1..]).run("").ok();
    let small = scratch.path("small").display().to_string();
    mount(&["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", &small]);
    let receiver = scratch.pipetool(["recv", "./x", "-D", "small"]).start();
    let sender = scratch.pipetool(["send", "./x"]).run(noise(1, MUCH));
    let (receiver, left) = (receiver.end(), fs::read_dir(&small).unwrap().count());
    mount(&["umount", &small]);
    receiver.code(1).one_line(&["'small/item-1'", "No space left on device"]);
    sender.code(1).one_line(&["'stdin' to './x'", "the receiver says", "'small/item-1'", "No space left"]);
    assert_eq!(left, 0);
    let receiver = scratch.pipetool(["recv", "./x", "-o", "/dev/full"]).start();
    scratch.pipetool(["send", "./x", "-t", "x"]).run("").code(1).one_line(&["'/dev/full'", "No space left"]);
    receiver.end().code(1).one_line(&["'/dev/full'", "No space left"]);
}

#[test]
fn what_cannot_be_sent_is_known_before_anybody_is_asked() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("dir")).unwrap();
    for (file, reason) in [("nothing", "No such file"), ("dir", "'tar c dir | pipetool send PIPE' sends it")] {
        scratch.pipetool(["send", "x", file]).run("").code(1).one_line(&[&format!("'{file}'"), reason]);
    }
    fs::write(scratch.path("secret"), "x").unwrap();
    fs::set_permissions(scratch.path("secret"), std::os::unix::fs::PermissionsExt::from_mode(0o0)).unwrap();
    let sender = crate::users::as_nobody(&scratch, ["send", "x", "secret"]);
    sender.run("").code(1).one_line(&["'secret'", "Permission denied"]);
}

#[test]
fn where_nothing_can_be_written_is_known_before_anybody_comes() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("dir")).unwrap();
    fs::write(scratch.path("file"), "x").unwrap();
    for (line, reasons) in [
        ("--print-names -o dir", ["'dir'", "use '-D'"]),
        ("-o no/file", ["'no/file'", "no directory 'no'"]),
        ("-o file", ["'file'", "there already"]),
        ("-D no", ["'no'", "no directory 'no'"]),
        ("-D file", ["'file'", "'-o' names a file"]),
    ] {
        scratch.pipetool(["recv", "x"].into_iter().chain(line.split(' '))).run("").code(1).one_line(&reasons);
    }
    scratch.shell("$PIPETOOL recv x >&-").run("").code(1).one_line(&["'stdout'", "it is closed"]);
    // /dev/null is another thing than nothing, however it was opened.
    let receiver = scratch.shell("exec $PIPETOOL recv x 1<>/dev/null").start();
    scratch.pipetool(["send", "x", "-t", "x"]).run("").ok();
    receiver.end().ok();
    let receiver = scratch.pipetool(["recv", "x", "-o", "new"]).start();
    let sender = scratch.pipetool(["send", "x", "-t", "a", "-t", "b"]).run("");
    sender.code(1).one_line(&["'--text'", "more than one comes"]);
    receiver.end().code(1).one_line(&["'new'", "'-D' takes them"]);
    assert_eq!(fs::read_to_string(scratch.path("new")).unwrap(), "a");
}

#[test]
fn a_file_that_changes_while_it_is_sent() {
    let scratch = Scratch::new();
    for (change, reason) in [
        ("truncate -s 1000 a", "became shorter while it was being sent ('cat FILE | pipetool send PIPE'"),
        ("echo more >> a", "changed while it was being sent"),
        ("printf x | dd of=a conv=notrunc status=none", "changed while it was being sent"),
    ] {
        // With holes its bytes are sent, and they are far more than both sides hold.
        fs::File::create(scratch.path("a")).unwrap().set_len(1 << 30).unwrap();
        let receiver = receiver(&scratch, &[]);
        let sender = scratch.pipetool(["send", "./x", "a", "-v"]).start();
        sender.says("connected");
        receiver.signal(Signal::SIGSTOP);
        until("the sender to wait", || has_open(&sender, "a") && crate::harness::is_asleep(sender.child.id()));
        scratch.shell(change).run("").ok();
        receiver.signal(Signal::SIGCONT);
        sender.end().code(1).says(&["'a'", reason]);
        receiver.end().code(1).one_line(&["from './x'", "the sender says", reason]);
        assert!(files_in(&scratch).is_empty());
    }
}

fn has_open(side: &Side, file: &str) -> bool {
    let links = fs::read_dir(format!("/proc/{}/fd", side.child.id())).unwrap();
    links.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).any(|path| path.ends_with(file))
}

/// With it in the environment nothing is handed over.
const PLAIN: &str = "PIPETOOL_PLAIN_IO";

/// Starts a receiver whose every `call` is tampered with.
fn tampered(scratch: &Scratch, call: &str, how: &str) -> Side {
    fs::create_dir_all(scratch.path("in")).unwrap();
    let pipetool = crate::harness::PIPETOOL;
    let strace = format!("exec strace -qq -f -o calls -e trace={call} -e inject={call}:{how}");
    let side = scratch.shell(&format!("{strace} {pipetool} recv ./x -D in")).without_env(PLAIN).start();
    until("a server", || scratch.path("x").exists());
    side
}

/// A receiver that cannot send its answer must not wait for the sender, which waits for the answer.
#[test]
fn an_answer_that_cannot_be_sent_ends_both_sides() {
    for (error, line) in [
        ("EPIPE", "the sender has gone"),
        ("ECONNRESET", "the sender has gone"),
        ("ENOBUFS", "could not send"),
        ("ENOMEM", "could not send"),
    ] {
        let scratch = Scratch::new();
        // The first sendto is the hello.
        let receiver = tampered(&scratch, "sendto", &format!("error={error}:when=2"));
        scratch.pipetool(["send", "./x", "-t", "hi"]).run("").code(1).one_line(&["the receiver has gone"]);
        receiver.end().code(1).one_line(&[line]);
        assert!(!scratch.path("x").exists());
    }
}

/// On one machine the receiver gets the file itself, and the kernel copies it.
#[test]
fn a_file_that_is_handed_over() {
    let scratch = Scratch::new();
    let file = noise(1, 40_000_000);
    fs::write(scratch.path("a"), &file).unwrap();
    let send = |options: &[&str]| scratch.pipetool([&["send", "./x", "a"], options].concat()).without_env(PLAIN);
    let calls = || fs::read_to_string(scratch.path("calls")).unwrap().matches("copy_file_range(").count();
    // In steps; and where the kernel will not, at all or at first, as bytes.
    for (how, at_most) in
        [("delay_exit=1", 10), ("error=EXDEV", 1), ("error=EINTR:when=2", 10), ("error=EINVAL:when=2", 200)]
    {
        let receiver = tampered(&scratch, "copy_file_range", how);
        let sender = send(&["--stats=json"]).run("").ok();
        assert!(sender.err.contains("\"sent\":40000000"), "{}", sender.err);
        receiver.end().ok();
        assert!(fs::read(scratch.path("in/a")).unwrap() == file, "{how}");
        assert!((1..=at_most).contains(&calls()), "{how}: {}", calls());
        fs::remove_file(scratch.path("in/a")).unwrap();
    }
    let receiver = tampered(&scratch, "copy_file_range", "error=ENOSPC:when=2");
    send(&[]).run("").code(1).one_line(&["receiver says", "'in/a'", "No space left"]);
    receiver.end().code(1).one_line(&["'in/a'", "No space left"]);
    let receiver = tampered(&scratch, "copy_file_range", "retval=0:when=2");
    send(&[]).run("").code(1);
    receiver.end().code(1);
    assert!(files_in(&scratch).is_empty());
    // While the kernel is at it, the file changes, or the sender is killed.
    for change in [true, false] {
        let receiver = tampered(&scratch, "copy_file_range", "delay_exit=2s:when=1");
        let sender = send(&[]).start();
        until("the file to be open", || has_open(&sender, "a") && crate::harness::is_asleep(sender.child.id()));
        if change {
            scratch.shell("echo more >> a").run("").ok();
            sender.end().code(1).one_line(&["'a'", "changed while it was being sent"]);
            receiver.end().code(1).one_line(&["the sender says", "changed while it was being sent"]);
        } else {
            sender.signal(Signal::SIGKILL);
            receiver.end().code(1).one_line(&["the sender has gone"]);
        }
        assert!(files_in(&scratch).is_empty());
    }
}

/// XFS and btrfs have two files share what is in them.
#[test]
fn where_files_can_share_nothing_is_copied() {
    let scratch = Scratch::new();
    let run = |line: &str| scratch.shell(line).run("").ok();
    run("truncate -s 320M image && mkfs.xfs -q image && mkdir disk && mount -o loop image disk");
    // With a hole, which stays one.
    fs::write(scratch.path("disk/a"), noise(1, MUCH)).unwrap();
    fs::File::options().write(true).open(scratch.path("disk/a")).unwrap().set_len(100 << 20).unwrap();
    let strace = "exec strace -qq -f -o calls -e trace=ioctl,copy_file_range,pwrite64";
    let line = format!("{strace} {} recv ./x -o disk/b", crate::harness::PIPETOOL);
    let receiver = scratch.shell(&line).without_env(PLAIN).start();
    until("a server", || scratch.path("x").exists());
    scratch.pipetool(["send", "./x", "disk/a"]).without_env(PLAIN).run("").ok();
    receiver.end().ok();
    let is_equal = fs::read(scratch.path("disk/a")).unwrap() == fs::read(scratch.path("disk/b")).unwrap();
    run("umount disk");
    let calls = fs::read_to_string(scratch.path("calls")).unwrap();
    assert!(is_equal && calls.contains("FICLONE") && !calls.contains("copy_file_range"), "{calls}");
}

/// Another user would keep the file open for ever.
#[test]
fn a_file_is_handed_to_nobody_else() {
    let scratch = Scratch::new();
    fs::write(scratch.path("a"), noise(1, MUCH)).unwrap();
    let theirs = crate::users::as_nobody(&scratch, ["recv", "--peer", "root", "./x", "-o", "b"]).start();
    until("a server", || scratch.path("x").exists());
    let strace = ["-qq", "-f", "-o", "calls", "-e", "trace=sendmsg", crate::harness::PIPETOOL];
    let send = strace.into_iter().chain(["send", "--peer", "any", "./x", "a"]);
    scratch.program("strace", send).without_env(PLAIN).run("").ok();
    theirs.end().ok();
    assert!(!fs::read_to_string(scratch.path("calls")).unwrap().contains("SCM_RIGHTS"));
    assert!(fs::read(scratch.path("b")).unwrap() == noise(1, MUCH));
}

/// A peer may call its file what it wants.
#[test]
fn names_that_would_lead_elsewhere() {
    let scratch = Scratch::new();
    let planted = scratch.path("planted");
    for (name, saved) in [
        ("../escaped", Some("escaped")),
        ("/etc/pipetool-test", Some("pipetool-test")),
        ("a/../../b", Some("b")),
        ("-rf", Some("-rf")),
        (".hidden", Some(".hidden")),
        ("", None),
        (".", None),
        ("..", None),
        ("dir/", None),
        ("../..", None),
        ("line\nbreak", None),
        ("\u{1b}]0;title\u{7}", None),
        (&"x".repeat(300), None),
    ] {
        let receiver = receiver(&scratch, &[]);
        let sender = stranger(&scratch, &["send", "x", name, "data"]).run("");
        if let Some(saved) = saved {
            sender.ok();
            receiver.end().ok();
            assert_eq!(fs::read_to_string(scratch.path(&format!("in/{saved}"))).unwrap(), "data", "{name}");
            fs::remove_file(scratch.path(&format!("in/{saved}"))).unwrap();
        } else {
            sender.code(1).says(&["could not write to"]);
            let said = receiver.end().code(1).one_line(&["could not write to"]).err;
            assert!(said.lines().all(|line| !line.contains(char::is_control)), "{said:?}");
        }
        assert!(files_in(&scratch).is_empty(), "{name}");
    }
    // A directory is no file, and known as such before any byte comes.
    let receiver = receiver(&scratch, &["--force"]);
    fs::create_dir(scratch.path("in/a")).unwrap();
    stranger(&scratch, &["send", "x", "a", "data"]).run("").code(1).says(&["a directory is there"]);
    receiver.end().code(1).one_line(&["'in/a'", "a directory is there"]);
    fs::remove_dir(scratch.path("in/a")).unwrap();
    // Symbolic links that wait at the target are not followed, but with --force replaced.
    for (options, link) in [(&[][..], true), (&["--force"], false)] {
        let receiver = self::receiver(&scratch, options);
        symlink(&planted, scratch.path("in/a")).unwrap();
        let sender = stranger(&scratch, &["send", "x", "a", "data"]).run("");
        assert_eq!((sender.code == Some(0), receiver.end().code == Some(0)), (!link, !link));
        assert_eq!(fs::symlink_metadata(scratch.path("in/a")).unwrap().is_symlink(), link);
        assert!(!planted.exists());
        fs::remove_file(scratch.path("in/a")).unwrap();
    }
}

#[test]
fn a_sender_that_speaks_nonsense() {
    let scratch = Scratch::new();
    for (damage, reason) in [
        ("crc", "damaged on their way"),
        ("count", "damaged on their way"),
        ("long", "longer than it may be"),
        ("item", "unknown kind"),
        ("gone", "has gone"),
        ("huge", ""),
    ] {
        let receiver = receiver(&scratch, &[]);
        stranger(&scratch, &["send", "x", "a", "some data", damage]).run("");
        let ended = receiver.end();
        if reason.is_empty() {
            ended.ok();
            fs::remove_dir_all(scratch.path("in")).unwrap();
            continue;
        }
        ended.code(1).one_line(&["from './x'", reason]);
        assert!(files_in(&scratch).is_empty());
    }
    // And it is not the end of one that serves many.
    let receiver = scratch.pipetool(["recv", "-k", "./x"]).start();
    until("a server", || scratch.path("x").exists());
    stranger(&scratch, &["send", "x", "a", "some", "gone"]).run("");
    receiver.says("the sender has gone");
    scratch.pipetool(["send", "./x", "-t", "more"]).run("").ok();
    receiver.prints("more");
}

/// Frames that the sender was about to say when the receiver had already failed do not hide why it failed.
#[test]
fn the_receivers_reason_arrives_in_the_middle_of_a_file() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("in")).unwrap();
    fs::write(scratch.path("in/a"), "old").unwrap();
    fs::write(scratch.path("a"), noise(1, 50_000_000)).unwrap();
    for _ in 0..10 {
        let receiver = receiver(&scratch, &[]);
        scratch.pipetool(["send", "./x", "a"]).run("").code(1).one_line(&["'a' to './x'", "there already"]);
        receiver.end().code(1).one_line(&["'in/a'", "there already"]);
    }
    assert_eq!(fs::read_to_string(scratch.path("in/a")).unwrap(), "old");
}

#[test]
fn a_silent_peer_is_left_when_told_so() {
    let scratch = Scratch::new();
    let receiver = receiver(&scratch, &["-i", "100ms"]);
    let stranger = stranger(&scratch, &["send", "x"]).start();
    receiver.end().code(124).one_line(&["'./x'", "--idle-timeout"]);
    stranger.end();
    let _silent = UnixListener::bind(scratch.path("silent")).unwrap();
    // Nobody reads a FIFO, or writes to one.
    scratch.program("mkfifo", ["fifo"]).run("").ok();
    let receiver = scratch.pipetool(["recv", "-i", "100ms", "./y", "-o", "fifo"]).start();
    until("a server", || scratch.path("y").exists());
    scratch.pipetool(["send", "./y", "-t", "x"]).run("").code(1).one_line(&["receiver says", "--idle-timeout"]);
    receiver.end().code(124).one_line(&["--idle-timeout"]);
    let receiver = scratch.pipetool(["recv", "./y"]).start();
    until("a server", || scratch.path("y").exists());
    scratch.pipetool(["send", "-i", "100ms", "./y", "fifo"]).run("").code(124).one_line(&["--idle-timeout"]);
    receiver.end().code(1);
    scratch.pipetool(["send", "-i", "100ms", "./silent"]).run("").code(124).one_line(&["--idle-timeout"]);
    let receiver = self::receiver(&scratch, &["-v"]);
    let sender = scratch.pipetool(["send", "-i", "100ms", "./x"]).open_stdin().start();
    sender.end().code(124).one_line(&["--idle-timeout"]);
    receiver.end().code(1).says(&["the sender says", "--idle-timeout"]);
}

#[test]
fn nobody_reads_what_is_received() {
    let scratch = Scratch::new();
    let receiver = scratch.shell("$PIPETOOL recv x | head -c 3; echo ${PIPESTATUS[0]} >&2").start();
    let sender = scratch.pipetool(["send", "x"]).run(noise(1, MUCH));
    sender.code(1).one_line(&["'x'", "nobody reads its stdout"]);
    assert_eq!(receiver.end().ok().err, "141\n");
    // Even while nothing comes.
    let receiver = scratch.shell("$PIPETOOL recv x --stats=json | head -1; echo ${PIPESTATUS[0]} >&2").start();
    let mut sender = scratch.pipetool(["send", "x"]).open_stdin().start();
    sender.write("a line\n");
    receiver.end().ok().out("a line\n").says(&["\"confirmed\":false", "141"]);
    sender.end().code(1).one_line(&["nobody reads its stdout"]);
    // While it waits for somebody, too.
    let waiting = scratch.shell("$PIPETOOL recv x | true; echo ${PIPESTATUS[0]}").run("").ok();
    waiting.out("141\n");
    assert!(scratch.files().is_empty());
}

/// Bytes that would do something to a terminal are kept from it.
/// Who forgot the FILE learns what happens with what is typed.
#[test]
fn at_a_terminal_send_says_that_it_reads_it() {
    let scratch = Scratch::new();
    let script = format!("{} send x", crate::harness::PIPETOOL);
    let mut sender = scratch.program("script", ["-qec", &script, "/dev/null"]).open_stdin().start();
    sender.prints("no FILE: what is typed here is sent");
    let receiver = scratch.pipetool(["recv", "x"]).start();
    sender.write("typed\n\x04");
    receiver.end().ok().out("typed\n");
    sender.end().ok();
}

#[test]
fn a_terminal_gets_text_only() {
    let scratch = Scratch::new();
    let terminal = |ended: Ended| String::from_utf8_lossy(&ended.out).into_owned();
    let at_a_terminal = || {
        let side = scratch.program("script", ["-qec", &format!("{} recv x", crate::harness::PIPETOOL), "/dev/null"]);
        let side = side.start();
        until("a server", || scratch.socket("x").exists());
        side
    };
    let receiver = at_a_terminal();
    scratch.pipetool(["send", "x", "-t", "plain text"]).run("").ok();
    assert_eq!(terminal(receiver.end().ok()), "plain text\r\n");
    let receiver = at_a_terminal();
    scratch.pipetool(["send", "x"]).run("\x1b[31m").code(1).one_line(&["it is a terminal", "'-o FILE' keeps it"]);
    let shown = terminal(receiver.end());
    assert!(shown.contains("no text") && !shown.contains('\u{1b}'), "{shown:?}");
}
