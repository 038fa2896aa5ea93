//! The README says how to say other tools' commands: each beside its equivalent, in the same scene with the same peer,
//! and what is seen has to be the same. npiperelay is Windows' own and cannot be had here: its lines follow its source.

use crate::harness::Scratch;

/// Peers of neither tool. A socket has its name only once it listens.
const PEERS: &str = r#"
import os, select, socket, sys, time
def accepted():
    listener = socket.socket(socket.AF_UNIX); listener.bind("y"); listener.listen(); os.rename("y", "x")
    return listener.accept()[0]
def connected(port=None):
    while True:
        pipe = socket.socket(socket.AF_INET if port else socket.AF_UNIX)
        if not pipe.connect_ex(("127.0.0.1", int(port)) if port else "x"): return pipe
        time.sleep(0.01)
role, *arguments = sys.argv[1:]
if role == "answers":    # once its client has finished
    pipe = accepted(); pipe.sendall(b"you said " + pipe.makefile("rb").read())
elif role == "silent":   # takes its client on, and says nothing until it has gone
    gone = select.poll(); gone.register(accepted(), 0); gone.poll(60000)
elif role == "looks":    # whether its client finishes after a question
    pipe = accepted(); pipe.recv(9)
    pipe.sendall(b"finished" if select.select([pipe], [], [], 0.3)[0] else b"open")
elif role == "says":     # and prints the answer
    pipe = connected(); pipe.sendall(arguments[0].encode()); pipe.shutdown(socket.SHUT_WR)
    sys.stdout.write(pipe.makefile().read())
elif role == "asks":     # and does not finish before the answer is there
    pipe = connected(); pipe.sendall(arguments[0].encode() + b"\n"); print(pipe.makefile().readline(), end="")
elif role == "bus":      # one client says something until another one hears it
    hears, speaks = connected(*arguments), connected(*arguments)
    while not select.select([hears], [], [], 0.05)[0]: speaks.sendall(b"news\n")
    print(hears.makefile().readline(), end="")
"#;

/// The scene with each of the commands in place of X.
#[track_caller]
fn alike(scene: &str, commands: &[&str], seen: &str) {
    for command in commands {
        let scratch = Scratch::new();
        let peer =
            r#"peer() { timeout 60 python3 -c "$PEERS" "$@"; }; is_there() { until [ -S x ]; do sleep 0.01; done; }"#;
        let script = format!("{peer}\n{}", scene.replace('X', &command.replace("pipetool", "$PIPETOOL")));
        scratch.shell(&script).env("PEERS", PEERS).run("").ok().out(seen);
    }
}

#[test]
fn connecting() {
    let commands = ["nc -NU ./x", "ncat -U x", "socat -t9 - UNIX-CONNECT:x", "pipetool connect ./x"];
    alike("peer answers & is_there; echo hi | X; wait", &commands, "you said hi\n");
}

#[test]
fn listening() {
    let commands = ["nc -NlU ./x", "socat -t9 - UNIX-LISTEN:x", "pipetool serve ./x"];
    alike("echo question | X > got & peer says answer; wait; cat got", &commands, "question\nanswer");
}

#[test]
fn listening_on() {
    let scene = "X > got < /dev/null & peer says one,; until grep -q one got; do sleep 0.01; done
        peer says two; until grep -q two got; do sleep 0.01; done; kill $!; cat got";
    alike(scene, &["nc -lkU ./x", "pipetool serve -k ./x"], "one,two");
}

/// ncat leaves its program when the client finishes, whatever that one has to say: so a client that waits for it.
#[test]
fn a_program_for_each_client() {
    let commands = ["ncat -lkU x -e /bin/cat", "socat UNIX-LISTEN:x,fork EXEC:cat", "pipetool serve -k ./x -- cat"];
    alike("X & peer asks one; peer asks two; kill $!", &commands, "one\ntwo\n");
    let commands = ["socat -t9 UNIX-LISTEN:x,fork EXEC:tac", "pipetool serve -k ./x -- tac"];
    alike("X & peer says $'1\\n2\\n'; peer says $'3\\n4\\n'; kill $!", &commands, "2\n1\n4\n3\n");
}

#[test]
fn leaving_after_stdins_end() {
    let commands = ["nc -q 1 -U ./x", "socat -t 1 - UNIX-CONNECT:x", "pipetool connect -q 1 ./x"];
    alike("peer silent & is_there; X < /dev/null; echo $?", &commands, "0\n");
}

/// socat calls it a success, ncat a failure, and we a timeout.
#[test]
fn leaving_when_idle() {
    let commands = ["socat -T 1 - UNIX-CONNECT:x", "ncat -i 1 -U x", "pipetool connect -i 1 ./x"];
    alike("peer silent & is_there; mkfifo open; X <> open 2> /dev/null; echo left", &commands, "left\n");
}

#[test]
fn keeping_stdins_end_to_oneself() {
    let scene = "peer looks & is_there; echo hi | X; wait";
    alike(scene, &["ncat --no-shutdown -U x", "nc -U ./x", "pipetool connect --finish never ./x"], "open");
    alike(scene, &["ncat -U x", "nc -NU ./x", "pipetool connect ./x"], "finished");
}

#[test]
fn looking_whether_somebody_is_there() {
    let commands = ["nc -zU ./x", "pipetool connect -w 0 -q 0 ./x < /dev/null"];
    alike("peer silent & is_there; X && echo there", &commands, "there\n");
    alike("X 2> /dev/null || echo nobody", &commands, "nobody\n");
}

#[test]
fn looking_at_what_passes() {
    let commands = ["socat -x -t9 - UNIX-CONNECT:x 2> log", "ncat -x log -U x", "pipetool connect --log log ./x"];
    let scene = "peer answers & is_there; echo hi | X > /dev/null; wait; grep -c '68 69 0a' log > seen; [ -s seen ] && echo seen";
    alike(scene, &commands, "seen\n");
}

/// ncat does it over TCP alone.
#[test]
fn clients_that_hear_each_other() {
    let scene = "port=$((20000 + $$ % 20000)); X < /dev/null > /dev/null & peer bus";
    alike(&format!("{scene} $port; kill $!"), &["ncat -l 127.0.0.1 $port --broker"], "news\n");
    alike(&format!("{scene}; kill $!"), &["pipetool serve -k --hub=relay ./x"], "news\n");
}

/// Where each line of the table is tried.
#[test]
fn the_readmes_table_has_no_other_lines() {
    let tried = [
        ("`nc -U PATH`, `nc -lU PATH`, `nc -lkU PATH`", "connecting, listening, listening_on"),
        ("`nc -N`", "keeping_stdins_end_to_oneself"),
        ("`nc -q N`", "leaving_after_stdins_end"),
        ("`nc -z`", "looking_whether_somebody_is_there"),
        ("`ncat --no-shutdown`", "keeping_stdins_end_to_oneself"),
        ("`ncat -k -l -e PROGRAM`, `-m N`", "a_program_for_each_client, commands::"),
        ("`ncat -i N`, `ncat -x FILE`", "leaving_when_idle, looking_at_what_passes"),
        ("`ncat --broker` (over TCP alone)", "clients_that_hear_each_other"),
        ("`socat - UNIX-CONNECT:x`, `ABSTRACT-CONNECT:x`", "connecting, peers::"),
        ("`socat UNIX-LISTEN:x,fork EXEC:PROGRAM`", "a_program_for_each_client"),
        ("`socat -t N`, `-T N`, `-x`", "leaving_after_stdins_end, leaving_when_idle, looking_at_what_passes"),
        ("`npiperelay -p`", "its source; waiting::"),
        ("`npiperelay -s`", "its source; windows::"),
        ("`npiperelay -ei -ep`, `-ei`", "its source: the end of the process in place of the pipe's; ends::"),
        ("`npiperelay -ep`", "its source: a pipe that is broken ends it in any case; ends::"),
        ("`new NamedPipeServerStream(\"x\", PipeDirection.In)`", "dotnet::"),
        ("`NamedPipeClientStream`'s `Connect(5000)`", "waiting::"),
        ("`PipeOptions.CurrentUserOnly`", "dotnet::"),
    ];
    let (_, table) = include_str!("../../README.md").split_once("| there | here |\n| --- | --- |\n").unwrap();
    let lines = table.lines().take_while(|line| line.starts_with('|'));
    let there: Vec<_> = lines.map(|line| line.split(" | ").next().unwrap().trim_start_matches("| ")).collect();
    assert_eq!(there, tried.map(|(there, _)| there));
}
