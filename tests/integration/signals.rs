//! Ctrl-C, SIGTERM, SIGHUP: at every moment the name goes, and the signal's own status is seen.

use nix::sys::signal::Signal;

use crate::harness::{Scratch, Side, Starter};

const ALL: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// Sends the signal, and checks what is left.
fn dies_clean(scratch: &Scratch, side: Side, signal: Signal) {
    side.signal(signal);
    side.end().killed_by(signal);
    assert!(scratch.files().is_empty(), "left behind: {:?}", scratch.files());
}

#[test]
fn while_waiting() {
    let scratch = Scratch::new();
    for signal in ALL {
        dies_clean(&scratch, scratch.server(["x"]), signal);
        dies_clean(&scratch, scratch.server(["-k", "./x"]), signal);
        let client = scratch.pipetool(["connect", "x"]).start();
        client.says("waiting for");
        dies_clean(&scratch, client, signal);
    }
}

/// timeout(1) sends two, right behind each other.
#[test]
fn a_second_signal_right_behind_leaves_nothing_either() {
    let scratch = Scratch::new();
    for second in ALL {
        for _ in 0..10 {
            let server = scratch.server(["-k", "x"]);
            server.signal(Signal::SIGTERM);
            // It may have ended already.
            let _ = nix::sys::signal::kill(server.pid(), second);
            // Which of them is seen first is the kernel's choice.
            let by = server.end().signal;
            assert!(by == Some(Signal::SIGTERM as i32) || by == Some(second as i32), "{by:?}");
            assert!(scratch.files().is_empty(), "{second}");
        }
    }
}

#[test]
fn while_moving() {
    let scratch = Scratch::new();
    for signal in ALL {
        let server = scratch.serving(["-k", "x"], Starter::open_stdin);
        let client = scratch.shell("yes | $PIPETOOL connect -v x").start();
        server.prints("y\ny\n");
        dies_clean(&scratch, server, signal);
        client.end();
    }
}

#[test]
fn while_the_peer_is_stopped_and_the_pipe_is_full() {
    let scratch = Scratch::new();
    let server = scratch.server(["x"]);
    let mut client = scratch.pipetool(["connect", "-v", "x"]).open_stdin().start();
    // By then its name has gone.
    server.says("connected");
    server.signal(Signal::SIGSTOP);
    client.write(vec![0; 250_000]);
    dies_clean(&scratch, client, Signal::SIGINT);
    server.signal(Signal::SIGCONT);
}

#[test]
fn what_was_ignored_at_the_start_stays_ignored() {
    let scratch = Scratch::new();
    // nohup ignores SIGHUP; a script's `&` SIGINT: both must leave the server alone.
    let server = scratch.shell("trap '' HUP INT; exec $PIPETOOL serve -v x").start();
    server.says("listening on");
    server.signal(Signal::SIGHUP);
    server.signal(Signal::SIGINT);
    scratch.pipetool(["connect", "x"]).run("hi").ok();
    server.end().ok().out("hi");

    let server = scratch.shell("$PIPETOOL serve -v x & wait $!").start();
    server.says("listening on");
    let job = children(&server);
    for pid in &job {
        nix::sys::signal::kill(*pid, Signal::SIGINT).unwrap();
    }
    scratch.pipetool(["connect", "x"]).run("hi").ok();
    server.end().ok().out("hi");

    let server = scratch.shell("exec nohup $PIPETOOL serve -v x").start();
    server.says("listening on");
    server.signal(Signal::SIGHUP);
    dies_clean(&scratch, server, Signal::SIGTERM);
}

fn children(side: &Side) -> Vec<nix::unistd::Pid> {
    let pid = side.child.id();
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let children: Vec<_> =
        list.split_whitespace().map(|pid| nix::unistd::Pid::from_raw(pid.parse().unwrap())).collect();
    assert!(!children.is_empty());
    children
}
