//! send and recv over Windows' pipes: files arrive whole, in either order, and both sides know what went wrong.

use std::fs;

use crate::harness::{Scratch, noise};

#[test]
fn files_and_texts_arrive_whichever_side_comes_first() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("in")).unwrap();
    for size in [0, 1, 65_537, 3_000_000] {
        fs::write(scratch.path("a"), noise(size as u64, size)).unwrap();
        let receiver = scratch.pipetool(["recv", "--serve", "-v", "x", "-D", "in", "--force"]).start();
        receiver.says("listening on");
        scratch.pipetool(["send", "x", "a"]).run("").ok();
        receiver.end().ok();
        assert!(fs::read(scratch.path("in/a")).unwrap() == noise(size as u64, size), "{size}");
    }
    let sender = scratch.pipetool(["send", "--serve", "-v", "x", "-t", "hello", "-"]).open_stdin().start();
    sender.says("listening on");
    let receiver = scratch.pipetool(["recv", "x"]).start();
    sender.end_after_stdin().ok();
    receiver.end().ok().out("hello");
    // Nothing but what was sent is left.
    let mut files = scratch.files();
    files.sort();
    assert_eq!(files, ["a", "in"]);
}

#[test]
fn what_goes_wrong_is_known_on_both_sides() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("in")).unwrap();
    fs::write(scratch.path("a"), "new").unwrap();
    fs::write(scratch.path("in/a"), "old").unwrap();
    let receiver = scratch.pipetool(["recv", "--serve", "-v", "x", "-D", "in"]).start();
    receiver.says("listening on");
    scratch.pipetool(["send", "x", "a"]).run("").code(1).one_line(&["the receiver says", "there already"]);
    receiver.end().code(1).says(&["there already"]);
    assert_eq!(fs::read_to_string(scratch.path("in/a")).unwrap(), "old");
    // A sender that is killed leaves nothing.
    let receiver = scratch.pipetool(["recv", "--serve", "-v", "x", "-D", "in"]).start();
    receiver.says("listening on");
    let mut sender = scratch.pipetool(["send", "-v", "x"]).open_stdin().start();
    sender.write(noise(1, 1_000_000));
    sender.says("connected");
    drop(sender);
    receiver.end().code(1).says(&["the sender has gone"]);
    assert_eq!(fs::read_dir(scratch.path("in")).unwrap().count(), 1);
}

#[test]
fn messages_for_other_programs() {
    let scratch = Scratch::new();
    let server = scratch.server(["-f", "u8", "--stdio", "hex", "x"]);
    scratch.pipetool(["send", "--connect", "-q", "5", "x", "-f", "u8", "-t", "hi", "-t", ""]).run("").ok();
    server.end().ok().out("6869\n\n");
}
