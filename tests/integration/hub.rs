//! serve -k --hub: who hears what, whole; slow, rude and dead clients; what each option means with many.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::harness::{PIPETOOL, Scratch, Side, Starter, is_asleep, until};

/// A hub at ./x whose stdin the test writes.
fn hub(scratch: &Scratch, options: &[&str]) -> Side {
    scratch.serving(["-k", "--hub", "./x"].iter().chain(options), Starter::open_stdin)
}

fn relay(scratch: &Scratch, options: &[&str]) -> Side {
    scratch.serving(["-k", "--hub=relay", "./x"].iter().chain(options), Starter::open_stdin)
}

/// A client of the test's own, once the hub has it.
struct Client {
    reader: BufReader<UnixStream>,
}

fn join(scratch: &Scratch, hub: &Side, number: usize) -> Client {
    let pipe = UnixStream::connect(scratch.path("x")).unwrap();
    pipe.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    hub.says(&format!("client #{number} connected"));
    Client { reader: BufReader::new(pipe) }
}

impl Client {
    fn pipe(&self) -> &UnixStream {
        self.reader.get_ref()
    }

    fn says(&self, text: impl AsRef<[u8]>) {
        self.pipe().write_all(text.as_ref()).unwrap();
    }

    #[track_caller]
    fn hears(&mut self, expected: &str) {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        assert_eq!(line, expected);
    }

    /// All that is still to come.
    fn rest(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.reader.read_to_end(&mut rest).unwrap();
        rest
    }

    fn finish(&self) {
        self.pipe().shutdown(Shutdown::Write).unwrap();
    }
}

/// Lines of a hundred bytes, each with its number.
fn numbered(count: usize) -> String {
    let lines: Vec<String> = (0..count).map(|number| format!("{number:>99}\n")).collect();
    lines.concat()
}

fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

fn status(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn all_hear_stdin_and_stdout_hears_all() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &[]);
    let (mut one, mut two) = (join(&scratch, &hub, 1), join(&scratch, &hub, 2));
    hub.write("to both\n");
    one.hears("to both\n");
    two.hears("to both\n");
    one.says("from one\n");
    two.says("from two\n");
    hub.prints("from one\n");
    hub.prints("from two\n");
    // Whatever stands between: a client hears stdin alone.
    hub.write("again\n");
    one.hears("again\n");
    hub.signal(Signal::SIGTERM);
    hub.end().killed_by(Signal::SIGTERM);
    assert!(one.rest().is_empty());
    assert!(scratch.files().is_empty());
}

#[test]
fn in_a_relay_clients_hear_the_others_and_not_themselves() {
    let scratch = Scratch::new();
    let mut hub = relay(&scratch, &[]);
    let (mut one, mut two, mut three) = (join(&scratch, &hub, 1), join(&scratch, &hub, 2), join(&scratch, &hub, 3));
    one.says("hello\n");
    two.hears("hello\n");
    three.hears("hello\n");
    two.says("hello back\n");
    one.hears("hello back\n");
    three.hears("hello back\n");
    hub.prints("hello\nhello back\n");
    // The end of stdin is no end of the conversation.
    hub.close_stdin();
    three.says("still here\n");
    one.hears("still here\n");
    two.hears("still here\n");
}

/// Pieces of lines from many clients at once, and every line comes out whole.
#[test]
fn lines_never_interleave() {
    let scratch = Scratch::new();
    let hub = relay(&scratch, &["--on-slow", "block"]);
    let listener = join(&scratch, &hub, 1);
    let speakers: Vec<_> = (2..6).map(|number| (number, join(&scratch, &hub, number))).collect();
    let speakers: Vec<_> = speakers
        .into_iter()
        .map(|(number, mut client)| {
            std::thread::spawn(move || {
                let line = number.to_string().repeat(997);
                for _ in 0..200 {
                    for piece in line.as_bytes().chunks(200) {
                        client.says(piece);
                    }
                    client.says("\n");
                }
                let mut heard = vec![0; 600 * 998];
                client.reader.read_exact(&mut heard).unwrap();
            })
        })
        .collect();
    let mut lines = listener.reader.lines();
    for _ in 0..800 {
        let line = lines.next().unwrap().unwrap();
        let first = &line[..1];
        assert!(line.len() == 997 && line == first.repeat(997), "{line}");
    }
    for speaker in speakers {
        speaker.join().unwrap();
    }
}

#[test]
fn messages_stay_whole_with_a_framing_and_in_message_mode() {
    let scratch = Scratch::new();
    for mode in [["-f", "length"], ["-m", "message"]] {
        let options =
            |more: &[&'static str]| mode.into_iter().chain(more.iter().copied()).chain(["./x"]).collect::<Vec<_>>();
        let mut hub = scratch
            .serving(["-k", "--hub=relay", "--stdio", "hex"].into_iter().chain(options(&[])), Starter::open_stdin);
        let mut clients: Vec<Side> = Vec::new();
        for number in 1..=2 {
            let arguments = ["connect", "--stdio", "hex"].into_iter().chain(options(&[]));
            clients.push(scratch.pipetool(arguments).open_stdin().start());
            hub.says(&format!("client #{number} connected"));
        }
        // A newline inside, a zero byte, and nothing at all.
        clients[0].write("0a00\n\nff\n");
        clients[1].prints("0a00\n\nff\n");
        hub.prints("0a00\n\nff\n");
        hub.write("0d0a\n\n");
        for client in &clients {
            client.prints("0d0a\n\n");
        }
        assert!(!clients[0].has_printed("0a00"), "it heard itself");
    }
}

/// Nothing in a line is changed where nobody called lines a framing, but for the end that a last one lacks.
#[test]
fn lines_pass_unchanged() {
    let scratch = Scratch::new();
    let mut hub = relay(&scratch, &[]);
    let (one, mut two) = (join(&scratch, &hub, 1), join(&scratch, &hub, 2));
    one.says("dos\r\n\nlast");
    one.finish();
    for line in ["dos\r\n", "\n", "last\n"] {
        two.hears(line);
    }
    hub.prints("dos\r\n\nlast\n");
    hub.write("\x1b[1mraw\r\n");
    two.hears("\x1b[1mraw\r\n");
}

#[test]
fn stdin_waits_for_the_first_client_and_its_end_comes_to_all() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &[]);
    hub.write("before anybody came\n");
    let mut one = join(&scratch, &hub, 1);
    one.hears("before anybody came\n");
    hub.close_stdin();
    assert!(one.rest().is_empty(), "the end comes behind what was said");
    // A later client gets its finish at once, and is still heard.
    let late = join(&scratch, &hub, 2);
    late.says("late\n");
    hub.prints("late\n");
    assert!(late.rest().is_empty());
}

#[test]
fn finish_never_keeps_the_end_back() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &["--finish", "never"]);
    let mut one = join(&scratch, &hub, 1);
    hub.write("all\n");
    hub.close_stdin();
    one.hears("all\n");
    one.says("and still\n");
    hub.prints("and still\n");
    one.pipe().set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut more = String::new();
    assert!(one.reader.read_line(&mut more).is_err(), "no end, nothing: it would block");
}

#[test]
fn a_client_that_has_finished_goes_on_hearing() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &[]);
    let mut one = join(&scratch, &hub, 1);
    one.says("question\n");
    one.finish();
    hub.prints("question\n");
    hub.write("answer\n");
    one.hears("answer\n");
}

#[test]
fn with_a_direction_one_way_is_ended() {
    let scratch = Scratch::new();
    let collecting = hub(&scratch, &["-d", "in"]);
    let (one, two) = (join(&scratch, &collecting, 1), join(&scratch, &collecting, 2));
    one.says("a\n");
    two.says("b\n");
    collecting.prints("a\n");
    collecting.prints("b\n");
    assert!(one.rest().is_empty());
    drop(collecting);
    let mut telling = hub(&scratch, &["-d", "out"]);
    let mut three = join(&scratch, &telling, 1);
    until("the receiving half to be shut", || three.pipe().write_all(b"unheard\n").is_err());
    telling.write("heard\n");
    three.hears("heard\n");
    telling.close_stdin();
    assert!(three.rest().is_empty());
    telling.says("client #1 closed");
}

/// A stopped client costs its own messages, and no one else's.
#[test]
fn drop_costs_the_slow_one_alone() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &["--queue", "64KiB", "--stats=json"]);
    let (mut quick, slow) = (join(&scratch, &hub, 1), join(&scratch, &hub, 2));
    let line = |number: usize| format!("{number:>99}\n");
    let pid = hub.child.id();
    for number in 0..20_000 {
        hub.write(line(number));
        if number % 100 == 99 {
            for number in number - 99..=number {
                quick.hears(&line(number));
            }
        }
    }
    // Two megabytes went past: what waits for the slow one is bounded, and so is memory.
    assert!(status(pid, "VmHWM:") < 24 * 1024, "{} KiB", status(pid, "VmHWM:"));
    hub.close_stdin();
    assert!(quick.rest().is_empty());
    let got = String::from_utf8(slow.rest()).unwrap();
    let numbers: Vec<usize> = got.lines().map(|line| line.trim().parse().unwrap()).collect();
    assert!(numbers.len() < 20_000 && numbers.is_sorted() && numbers[0] == 0, "{} lines", numbers.len());
    hub.says("client #2 closed");
    hub.signal(Signal::SIGTERM);
    let told = hub.end().err;
    let json = |client: u64| -> serde_json::Value {
        let lines = told.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        lines.into_iter().find(|line| line["client"] == client).unwrap()
    };
    assert_eq!((&json(1)["messages_sent"], &json(1)["dropped"]), (&20_000.into(), &0.into()));
    assert_eq!(json(2)["messages_sent"], numbers.len());
    assert_eq!(json(2)["dropped"], 20_000 - numbers.len());
}

#[test]
fn disconnect_lets_the_slow_one_go() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &["--queue", "64KiB", "--on-slow", "disconnect", "--stats=json"]);
    let (mut quick, slow) = (join(&scratch, &hub, 1), join(&scratch, &hub, 2));
    let line = "x".repeat(99) + "\n";
    for _ in 0..100 {
        hub.write(line.repeat(100));
        for _ in 0..100 {
            quick.hears(&line);
        }
    }
    hub.says("client #2 disconnected, being too slow");
    assert!(slow.rest().len() < 1_000_000);
    hub.signal(Signal::SIGTERM);
    hub.end().says(&["\"disconnected\":1"]);
}

#[test]
fn block_waits_for_the_slowest_and_loses_nothing() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &["--queue", "16KiB", "--on-slow", "block"]);
    let (quick, slow) = (join(&scratch, &hub, 1), join(&scratch, &hub, 2));
    let lines = numbered(30_000);
    let expected = lines.clone();
    let (pid, mut stdin) = (hub.child.id(), std::fs::File::from(hub.stdin_handle()));
    let waiting = hub.stdin_handle();
    hub.close_stdin();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let hears = std::thread::spawn(move || quick.rest());
    // stdin is full and nobody takes it: nobody is ahead of the one who reads nothing.
    until("all to wait", || rustix::io::ioctl_fionread(&waiting).unwrap() > 60_000 && is_asleep(pid));
    assert!(status(pid, "VmHWM:") < 24 * 1024, "{} KiB", status(pid, "VmHWM:"));
    drop(waiting);
    assert!(slow.rest() == expected.as_bytes(), "not all of it, in order");
    assert!(hears.join().unwrap() == expected.as_bytes(), "not all of it, in order");
    writer.join().unwrap().unwrap();
}

/// A burst is no reason to lose anything for somebody who reads: the fastest sets the pace.
#[test]
fn a_burst_does_not_hurt_who_keeps_up() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &["--queue", "16KiB"]);
    let one = join(&scratch, &hub, 1);
    let lines = numbered(50_000);
    let (expected, mut stdin) = (lines.clone(), std::fs::File::from(hub.stdin_handle()));
    hub.close_stdin();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    assert!(one.rest() == expected.as_bytes(), "not all of it, in order");
    writer.join().unwrap().unwrap();
}

/// The bus of the issue, smaller: clients are killed all the while, the others get every message in order.
#[test]
fn killed_clients_cost_the_others_nothing() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &["--on-slow", "block"]);
    let before = open_files(hub.child.id());
    let victims: Vec<Side> = (0..10)
        .map(|index| {
            let side = scratch.pipetool(["connect", "-d", "in", "./x"]).start();
            hub.says(&format!("client #{} connected", index + 1));
            side
        })
        .collect();
    let listeners: Vec<_> = (0..100)
        .map(|index| {
            let client = join(&scratch, &hub, index + 11);
            std::thread::spawn(move || client.rest())
        })
        .collect();
    let mut expected = String::new();
    for (index, mut victim) in victims.into_iter().enumerate() {
        for number in 0..300 {
            let line = format!("{index} {number}\n");
            hub.write(&line);
            expected += &line;
        }
        victim.child.kill().unwrap();
    }
    hub.close_stdin();
    for listener in listeners {
        assert!(listener.join().unwrap() == expected.as_bytes(), "not all of it, in order");
    }
    until("all descriptors to be closed", || open_files(hub.child.id()) <= before);
}

#[test]
fn labels_say_who_is_who() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &["--label"]);
    let (mut one, mut two) = (join(&scratch, &hub, 1), join(&scratch, &hub, 2));
    one.says("I am one\n");
    hub.prints("#1 I am one\n");
    two.says("#1 I claim\n");
    hub.prints("#2 #1 I claim\n");
    hub.write("#2 for two\n#1 for one\n#* for both\n");
    two.hears("for two\n");
    one.hears("for one\n");
    two.hears("for both\n");
    one.hears("for both\n");
    // A mistake is said, and ends nothing.
    hub.write("for whom?\n#7 nobody\n#1 on we go\n");
    hub.says("could not send message 4 of stdin to './x': it does not begin with '#CLIENT '");
    hub.says("client #7 is not there");
    one.hears("on we go\n");
    drop(two);
    hub.says("client #2 closed");
}

#[test]
fn labels_stand_in_front_of_text_and_inside_of_a_framing() {
    let scratch = Scratch::new();
    let mut text = hub(&scratch, &["--label", "-f", "length", "--stdio", "base64"]);
    let mut one = join(&scratch, &text, 1);
    one.says(b"\x02\0\0\0hi");
    text.prints("#1 aGk=\n");
    text.write("#1 aG8=\n#1 rubbish!\n#1 aGE=\n");
    let mut got = [0; 12];
    one.reader.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"\x02\0\0\0ho\x02\0\0\0ha");
    text.says("could not send message 2 of stdin");
    drop(text);
    let mut framed = hub(&scratch, &["--label", "-f", "lines", "--stdio", "u8"]);
    let mut one = join(&scratch, &framed, 1);
    one.says("hi\n");
    framed.prints("\x05#1 hi");
    framed.write("\x05#1 ho");
    one.hears("ho\n");
}

/// What one client sends wrong is its own trouble.
#[test]
fn rubbish_ends_the_one_who_sent_it() {
    let scratch = Scratch::new();
    let mut hub = relay(&scratch, &["-f", "u32le"]);
    let (mut one, two) = (join(&scratch, &hub, 1), join(&scratch, &hub, 2));
    two.says(b"\x02\0\0\0ok\xff\xff\xff\x7f");
    hub.says("could not take what client #2 of './x' sent: a message of 2147483647 bytes");
    let mut got = [0; 6];
    one.reader.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"\x02\0\0\0ok", "what came before is whole");
    assert!(two.rest().is_empty());
    // stdout cannot express a newline in a line, so that nobody hears it.
    let three = join(&scratch, &hub, 3);
    three.says(b"\x03\0\0\0a\nb");
    hub.says("could not take what client #3 of './x' sent: message 1 holds a newline");
    hub.write("after all\n");
    let mut got = [0; 13];
    one.reader.read_exact(&mut got).unwrap();
    assert_eq!(&got[4..], b"after all");
}

#[test]
fn max_clients_lets_the_others_wait() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &["--max-clients", "2"]);
    let (one, _two) = (join(&scratch, &hub, 1), join(&scratch, &hub, 2));
    let third = UnixStream::connect(scratch.path("x")).unwrap();
    hub.write("to the two\n");
    until("the hub to rest", || is_asleep(hub.child.id()));
    drop(one);
    hub.says("client #3 connected");
    hub.write("to the third\n");
    let mut line = String::new();
    BufReader::new(third).read_line(&mut line).unwrap();
    assert_eq!(line, "to the third\n");
}

#[test]
fn count_lets_each_client_go_after_its_messages() {
    let scratch = Scratch::new();
    let hub = hub(&scratch, &["-n", "2"]);
    let (one, two) = (join(&scratch, &hub, 1), join(&scratch, &hub, 2));
    one.says("a\nb\nc\n");
    hub.says("client #1 closed");
    two.says("d\n");
    hub.prints("a\nb\nd\n");
    assert!(one.rest().is_empty());
}

#[test]
fn times_are_each_clients_own() {
    let scratch = Scratch::new();
    let mut idle = hub(&scratch, &["-i", "300ms"]);
    let (one, mut two) = (join(&scratch, &idle, 1), join(&scratch, &idle, 2));
    // What is said to all keeps all.
    idle.write("hello\n");
    two.hears("hello\n");
    idle.says("could not go on with client #1 of './x': no byte has moved for 300ms");
    assert_eq!(one.rest(), b"hello\n");
    drop((idle, two));
    let limited = hub(&scratch, &["--client-timeout", "300ms"]);
    let one = join(&scratch, &limited, 1);
    limited.says("could not go on with client #1 of './x': its time of 300ms is over");
    assert!(one.rest().is_empty());
    drop(limited);
    // Who has finished is left after -q; in a relay too.
    let quitting = relay(&scratch, &["-q", "0"]);
    let (one, _two) = (join(&scratch, &quitting, 1), join(&scratch, &quitting, 2));
    one.says("said\n");
    one.finish();
    quitting.prints("said\n");
    assert!(one.rest().is_empty());
    quitting.says("client #1 closed");
    assert!(!quitting.stdout_has_ended());
}

#[test]
fn wait_bounds_the_time_without_a_client() {
    let scratch = Scratch::new();
    let server = scratch.server(["-k", "--hub", "-w", "300ms", "./x"]);
    let one = join(&scratch, &server, 1);
    drop(one);
    server.end().code(124).says(&["no client came within 300ms"]);
    assert!(scratch.files().is_empty());
}

/// Its end is the end of a filter: clients are told, the name is gone.
#[test]
fn nobody_reads_stdout() {
    let scratch = Scratch::new();
    let server = scratch.shell("$PIPETOOL serve -v -k --hub ./x | head -1; echo ${PIPESTATUS[0]}").start();
    server.says("listening on");
    let one = join(&scratch, &server, 1);
    one.says("first\n");
    server.prints("first\n");
    assert!(one.rest().is_empty());
    server.end().ok().out("first\n141\n");
    assert!(scratch.files().is_empty());
}

/// A stdout that takes nothing holds back those who talk to it, and nobody who listens.
#[test]
fn a_stopped_stdout_holds_back_who_talks_to_it() {
    let scratch = Scratch::new();
    let mut child = scratch.pipetool(["serve", "-k", "--hub", "--ready-fd", "2", "./x"]).open_stdin().start_raw();
    until("the hub to listen", || UnixStream::connect(scratch.path("x")).is_ok());
    let talker = UnixStream::connect(scratch.path("x")).unwrap();
    let mut listener = BufReader::new(UnixStream::connect(scratch.path("x")).unwrap());
    let talking = std::thread::spawn(move || (&talker).write_all(&b"talk\n".repeat(4_000_000)).map(|()| talker));
    // Asleep at every look, and not all taken: it does not wait for a moment only.
    let mut looks = 0;
    until("the talk to stop", || {
        looks = if is_asleep(child.id()) && !talking.is_finished() { looks + 1 } else { 0 };
        looks == 100
    });
    child.stdin.as_mut().unwrap().write_all(b"listen\n").unwrap();
    let mut line = String::new();
    listener.read_line(&mut line).unwrap();
    assert_eq!(line, "listen\n");
    assert!(!talking.is_finished(), "all of it was taken");
    let mut out = child.stdout.take().unwrap();
    let mut all = vec![0; 20_000_000];
    out.read_exact(&mut all).unwrap();
    assert!(all.chunks(5).all(|line| line == b"talk\n"));
    talking.join().unwrap().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_passes_is_shown_and_counted() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &["-x", "--stats"]);
    let (mut one, _two) = (join(&scratch, &hub, 1), join(&scratch, &hub, 2));
    hub.write("out\n");
    one.hears("out\n");
    one.says("in\n");
    hub.prints("in\n");
    for shown in [" #1 > 3 bytes", " #2 > 3 bytes", " #1 < 2 bytes", "|out|", "|in|"] {
        hub.says(shown);
    }
    hub.signal(Signal::SIGINT);
    hub.end().killed_by(Signal::SIGINT).says(&[
        "2 clients, 0 of them disconnected as too slow: sent 8 B, received 3 B",
        "messages: 2 sent, 1 received, 0 dropped",
    ]);
}

/// All clients have one thread, which does not wait for whoever does not read what is said on stderr.
#[test]
fn a_full_stderr_holds_nobody_up() {
    let scratch = Scratch::new();
    let script = "mkfifo err; exec 9<>err; exec $PIPETOOL serve -k --hub -v ./x 2>err";
    let hub = scratch.shell(script).open_stdin().start();
    until("a server", || UnixStream::connect(scratch.path("x")).is_ok());
    for _ in 0..800 {
        drop(UnixStream::connect(scratch.path("x")).unwrap());
    }
    let client = UnixStream::connect(scratch.path("x")).unwrap();
    (&client).write_all(b"still here\n").unwrap();
    hub.prints("still here\n");
    let said = std::fs::File::open(scratch.path("err")).unwrap();
    let mut said = BufReader::new(said).lines().map(Result::unwrap);
    // Once there is room, the next line says what is missing.
    drop(client);
    assert!(said.any(|line| line.contains("stderr was full: ") && line.contains(" lines are missing here")));
    hub.signal(Signal::SIGTERM);
    hub.end();
}

#[test]
fn an_incomplete_log_is_told_of_while_the_hub_goes_on() {
    let scratch = Scratch::new();
    let hub = hub(&scratch, &["-v", "--log", "/dev/full"]);
    let client = join(&scratch, &hub, 1);
    client.says("hi\n");
    hub.prints("hi\n");
    drop(client);
    hub.says("could not write all to '/dev/full'");
    hub.signal(Signal::SIGTERM);
    hub.end();
}

#[test]
fn a_bar_shows_what_all_do_together() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &["--progress=always"]);
    let mut one = join(&scratch, &hub, 1);
    hub.write("12345\n");
    one.hears("12345\n");
    hub.says("sent 6 B, received 0 B");
}

#[test]
fn without_descriptors_clients_wait() {
    let scratch = Scratch::new();
    let command = ["--nofile=4096", PIPETOOL, "serve", "-v", "-k", "--hub", "./x"];
    let mut hub = scratch.program("prlimit", command).open_stdin().start();
    hub.says("listening on");
    let mut one = join(&scratch, &hub, 1);
    let pid = hub.child.id().to_string();
    let limit =
        |soft: usize| scratch.program("prlimit", ["--pid", &pid, &format!("--nofile={soft}:4096")]).run("").ok();
    limit(4);
    let waiting = UnixStream::connect(scratch.path("x")).unwrap();
    hub.write("meanwhile\n");
    one.hears("meanwhile\n");
    limit(1024);
    hub.says("client #2 connected");
    drop(waiting);
    hub.says("client #2 closed");
}

#[test]
fn peer_replace_and_ready_fd_work_as_elsewhere() {
    let scratch = Scratch::new();
    let old = scratch.server(["-k", "--hub", "x"]);
    scratch.pipetool(["serve", "-k", "--hub", "x"]).run("").code(1).one_line(&["already served"]);
    let new = scratch
        .shell("exec $PIPETOOL serve -v -k --hub --replace --peer root --permissions 660 --ready-fd 1 x")
        .start();
    new.prints("\n");
    scratch.pipetool(["connect", "x"]).run("to the new one").ok();
    new.prints("to the new one\n");
    assert!(!old.has_printed("to the new one"));
}

/// Terminals: what one types, the others read; a client without a name is a `connect`.
#[test]
fn other_programs_chat_too() {
    let scratch = Scratch::new();
    let hub = relay(&scratch, &[]);
    let mut socat = scratch.program("socat", ["-", "UNIX-CONNECT:x"]).open_stdin().start();
    hub.says("client #1 connected");
    let mut ncat = scratch.program("ncat", ["-U", "x"]).open_stdin().start();
    hub.says("client #2 connected");
    let mut nc = scratch.program("nc", ["-U", "x"]).open_stdin().start();
    hub.says("client #3 connected");
    socat.write("from socat\n");
    ncat.prints("from socat\n");
    nc.prints("from socat\n");
    nc.write("from nc\n");
    socat.prints("from nc\n");
    ncat.write("from ncat\n");
    socat.prints("from ncat\n");
}

/// Ten thousand come and go: no descriptor, thread, child or memory is left of them.
#[test]
fn nothing_is_left_of_those_who_came_and_went() {
    const TIMES: usize = 10_000;
    let scratch = Scratch::new();
    let hub = scratch.serving(["-k", "--hub", "./x"], Starter::open_stdin);
    let pid = hub.child.id();
    let round = |count: usize| {
        for _ in 0..count {
            let mut pipe = UnixStream::connect(scratch.path("x")).unwrap();
            pipe.write_all(b"x\n").unwrap();
        }
    };
    let quiet = |clients: usize| {
        until("the last to be gone", || hub.has_said(&format!("client #{clients} closed")) && is_asleep(pid));
    };
    round(200);
    quiet(200);
    let before = (open_files(pid), status(pid, "Threads:"), status(pid, "VmRSS:"));
    round(TIMES);
    quiet(200 + TIMES);
    let after = (open_files(pid), status(pid, "Threads:"), status(pid, "VmRSS:"));
    let _ =
        writeln!(std::io::stderr(), "{TIMES} clients: open files, threads, KiB: {before:?} before, {after:?} after");
    assert_eq!((before.0, before.1), (after.0, after.1));
    assert!(after.2 < before.2 + 1024, "{} KiB became {} KiB", before.2, after.2);
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    assert!(children.is_empty());
}

/// A hub's own trouble ends it, with one line.
#[test]
fn what_no_hub_goes_on_with() {
    let scratch = Scratch::new();
    let server = scratch.shell("$PIPETOOL serve -v -k --hub ./x > /dev/full").start();
    server.says("listening on");
    let one = join(&scratch, &server, 1);
    one.says("unwritable\n");
    server.end().code(1).says(&["could not write to 'stdout'", "No space left"]);
    let mut framed = hub(&scratch, &["-f", "lines", "--stdio", "u8", "--max-message", "5"]);
    let two = join(&scratch, &framed, 1);
    framed.write(b"\x09");
    framed.end().code(1).says(&["could not read from 'stdin': a message of 9 bytes"]);
    drop(two);
    assert!(scratch.files().is_empty());
}
