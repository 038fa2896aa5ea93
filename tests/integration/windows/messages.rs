//! Framings on pipes of bytes, against a peer that lies or cuts them, as messages.rs has it with sockets.

use super::{win32, win32_server};
use crate::harness::Scratch;

#[test]
fn however_they_are_cut() {
    let scratch = Scratch::new();
    let whole = "0200000068690000000005000000776f726c64";
    let bytes: Vec<String> = (0..whole.len() / 2).map(|at| format!("hex:{}", &whole[2 * at..2 * at + 2])).collect();
    let (at_once, one_by_one) = ([format!("hex:{whole}")], bytes);
    for steps in [&at_once[..], &one_by_one] {
        let server = scratch.server(["-f", "length", "x"]);
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        win32(&scratch, &[&["client", "x", "byte"], &steps[..]].concat()).run("").ok();
        server.end().ok().out("hi\n\nworld\n");
    }
}

#[test]
fn a_lie_is_one_line_and_what_was_before_it_is_delivered() {
    let scratch = Scratch::new();
    for (framing, wire, reason) in [
        ("u32le", "hex:020000006869ffffff7f", "2147483647 bytes, more than 67108864 (--max-message) at byte 6"),
        ("u16le", "hex:020068690500616263", "the end of data after 5 bytes of a 'u16le' message at byte 9"),
        ("netstring", "write:2:hi,3:abcX", "no comma after a netstring at byte 10"),
    ] {
        let server = scratch.server(["-f", framing, "x"]);
        win32(&scratch, &["client", "x", "byte", wire]).run("").ok();
        server.end().code(1).out("hi\n").says(&["could not read from 'x': ", reason]);
    }
}

#[test]
fn count_is_one_question_one_answer_and_out() {
    let scratch = Scratch::new();
    let server = win32_server(&scratch, &["x", "byte", "one", "hold:1500", "hex:026869046d6f7265", "one"]);
    scratch.pipetool(["connect", "-f", "u8", "-n", "1", "x"]).run("who\n").ok().out("hi\n");
    server.end().ok().out("[\x03who](end)");
    // Fewer than were wanted are a failure.
    let server = scratch.server(["-f", "u8", "-n", "3", "y"]);
    scratch.pipetool(["connect", "-f", "u8", "y"]).run("1\n2\n").ok();
    server.end().code(1).out("1\n2\n").says(&["could not receive 3 messages from 'y': the peer ended after 2"]);
}

/// What is in front of the pipe is not looked at: a byte order mark is .NET's StreamWriter.
#[test]
fn what_dotnet_puts_in_front_can_be_dropped() {
    let scratch = Scratch::new();
    let server = scratch.server(["-f", "lines", "--strip-bom", "x"]);
    win32(&scratch, &["client", "x", "byte", "hex:efbbbf6f6e650d0a74776f0d0a"]).run("").ok();
    server.end().ok().out("one\ntwo\n");
}
