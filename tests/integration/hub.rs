//! serve -k --hub: who hears what, whole; slow, rude and dead clients; what each option means with many.
//! hub_unix.rs has what needs a half-close, a shell or /proc.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};

use crate::harness::{Plain, Scratch, Side, Starter, address, plain_client};
#[cfg(unix)]
use crate::harness::{is_asleep, until};

/// A hub at ./x whose stdin the test writes.
pub fn hub(scratch: &Scratch, options: &[&str]) -> Side {
    scratch.serving(["-k", "--hub", "./x"].iter().chain(options), Starter::open_stdin)
}

pub fn relay(scratch: &Scratch, options: &[&str]) -> Side {
    scratch.serving(["-k", "--hub=relay", "./x"].iter().chain(options), Starter::open_stdin)
}

/// A client of the test's own, once the hub has it.
pub struct Client {
    pub reader: BufReader<Plain>,
}

pub fn join(scratch: &Scratch, hub: &Side, number: usize) -> Client {
    let pipe = plain_client(scratch, "x");
    hub.says(&format!("client #{number} connected"));
    Client { reader: BufReader::new(pipe) }
}

impl Client {
    pub fn pipe(&self) -> &Plain {
        self.reader.get_ref()
    }

    pub fn says(&self, text: impl AsRef<[u8]>) {
        self.pipe().write_all(text.as_ref()).unwrap();
    }

    #[track_caller]
    pub fn hears(&mut self, expected: &str) {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        assert_eq!(line, expected);
    }

    /// All that is still to come.
    pub fn rest(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.reader.read_to_end(&mut rest).unwrap();
        rest
    }
}

/// What `./x` is called here.
fn x() -> String {
    address(OsStr::new("./x")).into_string().unwrap()
}

/// Lines of a hundred bytes, each with its number.
fn numbered(count: usize) -> String {
    let lines: Vec<String> = (0..count).map(|number| format!("{number:>99}\n")).collect();
    lines.concat()
}

/// A hub's memory is bounded, however much goes past.
#[cfg(unix)]
fn memory_is_bounded(hub: u32) {
    let most = crate::hub_unix::status(hub, "VmHWM:");
    assert!(most < 24 * 1024, "{most} KiB");
}

/// Wine does not say.
#[cfg(windows)]
fn memory_is_bounded(_: u32) {}

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
    hub.end_by_the_system();
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
    drop(one);
    for line in ["dos\r\n", "\n", "last\n"] {
        two.hears(line);
    }
    hub.prints("dos\r\n\nlast\n");
    hub.write("\x1b[1mraw\r\n");
    two.hears("\x1b[1mraw\r\n");
}

/// A stopped client costs its own messages, and no one else's.
#[test]
fn drop_costs_the_slow_one_alone() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &["-d", "out", "--queue", "64KiB", "--stats=json"]);
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
    memory_is_bounded(pid);
    hub.close_stdin();
    assert!(quick.rest().is_empty());
    let got = String::from_utf8(slow.rest()).unwrap();
    let numbers: Vec<usize> = got.lines().map(|line| line.trim().parse().unwrap()).collect();
    assert!(numbers.len() < 20_000 && numbers.is_sorted() && numbers[0] == 0, "{} lines", numbers.len());
    hub.says("client #2 closed");
    let told = hub.said();
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
    let mut hub =
        hub(&scratch, &["-d", "out", "--queue", "64KiB", "--on-slow", "disconnect", "--stats=json", "-w", "2s"]);
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
    drop(quick);
    // Windows does not tell a server that only sends of a client that has gone: the next message does.
    hub.write("for nobody\n");
    hub.end().code(124).says(&["\"disconnected\":1"]);
}

#[test]
fn block_waits_for_the_slowest_and_loses_nothing() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &["-d", "out", "--queue", "16KiB", "--on-slow", "block"]);
    let (quick, slow) = (join(&scratch, &hub, 1), join(&scratch, &hub, 2));
    let lines = numbered(30_000);
    let expected = lines.clone();
    let pid = hub.child.id();
    #[cfg(unix)]
    let waiting = hub.stdin_handle();
    let mut stdin = hub.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let hears = std::thread::spawn(move || quick.rest());
    // stdin is full and nobody takes it: nobody is ahead of the one who reads nothing.
    #[cfg(unix)]
    until("all to wait", || rustix::io::ioctl_fionread(&waiting).unwrap() > 60_000 && is_asleep(pid));
    #[cfg(unix)]
    drop(waiting);
    memory_is_bounded(pid);
    assert!(!writer.is_finished());
    assert!(slow.rest() == expected.as_bytes(), "not all of it, in order");
    assert!(hears.join().unwrap() == expected.as_bytes(), "not all of it, in order");
    writer.join().unwrap().unwrap();
}

/// A burst is no reason to lose anything for somebody who reads: the fastest sets the pace.
#[test]
fn a_burst_does_not_hurt_who_keeps_up() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &["-d", "out", "--queue", "16KiB"]);
    let one = join(&scratch, &hub, 1);
    let lines = numbered(50_000);
    let (expected, mut stdin) = (lines.clone(), hub.stdin.take().unwrap());
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    assert!(one.rest() == expected.as_bytes(), "not all of it, in order");
    writer.join().unwrap().unwrap();
}

/// The bus of the issue, smaller: clients are killed all the while, the others get every message in order.
#[test]
fn killed_clients_cost_the_others_nothing() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &["-d", "out", "--on-slow", "block"]);
    #[cfg(unix)]
    let before = crate::hub_unix::open_files(hub.child.id());
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
    #[cfg(unix)]
    until("all descriptors to be closed", || crate::hub_unix::open_files(hub.child.id()) <= before);
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
    hub.says(&format!("could not send message 4 of stdin to '{}': it does not begin with '#CLIENT '", x()));
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
    hub.says(&format!("could not take what client #2 of '{}' sent: a message of 2147483647 bytes", x()));
    let mut got = [0; 6];
    one.reader.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"\x02\0\0\0ok", "what came before is whole");
    assert!(two.rest().is_empty());
    // stdout cannot express a newline in a line, so that nobody hears it.
    let three = join(&scratch, &hub, 3);
    three.says(b"\x03\0\0\0a\nb");
    hub.says(&format!("could not take what client #3 of '{}' sent: message 1 holds a newline", x()));
    hub.write("after all\n");
    let mut got = [0; 13];
    one.reader.read_exact(&mut got).unwrap();
    assert_eq!(&got[4..], b"after all");
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
    idle.says(&format!("could not go on with client #1 of '{}': no byte has moved for 300ms", x()));
    assert_eq!(one.rest(), b"hello\n");
    drop((idle, two));
    let limited = hub(&scratch, &["--client-timeout", "300ms"]);
    let one = join(&scratch, &limited, 1);
    limited.says(&format!("could not go on with client #1 of '{}': its time of 300ms is over", x()));
    assert!(one.rest().is_empty());
}

#[test]
fn wait_bounds_the_time_without_a_client() {
    let scratch = Scratch::new();
    let server = scratch.server(["-k", "--hub", "-w", "2s", "./x"]);
    let one = join(&scratch, &server, 1);
    drop(one);
    server.end().code(124).says(&["no client came within 2s"]);
    assert!(scratch.files().is_empty());
}

#[test]
fn what_passes_is_shown_and_counted() {
    let scratch = Scratch::new();
    let mut hub = hub(&scratch, &["-x", "--stats", "-w", "2s"]);
    let (mut one, two) = (join(&scratch, &hub, 1), join(&scratch, &hub, 2));
    hub.write("out\n");
    one.hears("out\n");
    one.says("in\n");
    hub.prints("in\n");
    for shown in [" #1 > 3 bytes", " #2 > 3 bytes", " #1 < 2 bytes", "|out|", "|in|"] {
        hub.says(shown);
    }
    drop((one, two));
    hub.end().code(124).says(&[
        "2 clients, 0 of them disconnected as too slow: sent 8 B, received 3 B",
        "messages: 2 sent, 1 received, 0 dropped",
    ]);
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

/// A hub's own trouble ends it, with one line.
#[test]
fn a_stdin_that_is_no_messages_ends_it() {
    let scratch = Scratch::new();
    let mut framed = hub(&scratch, &["-f", "lines", "--stdio", "u8", "--max-message", "5"]);
    let two = join(&scratch, &framed, 1);
    framed.write(b"\x09");
    framed.end().code(1).says(&["could not read from 'stdin': a message of 9 bytes"]);
    drop(two);
    assert!(scratch.files().is_empty());
}
