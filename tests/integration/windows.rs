//! What Windows alone has, and the likes of those tests that need a Unix peer elsewhere. The peer is a program in
//! C (tests/peers/win32.c) that calls the Win32 functions itself.
//!
//! These tests run under Wine. Where it is not Windows, that is written beside the test, with what Microsoft
//! promises.

use crate::harness::{PIPETOOL, Scratch, Side, Starter};

mod children;
mod ends;
mod hub;
mod listing;
mod messages;
mod peers;
mod refusals;
mod serving;
mod transfers;
mod views;

/// The peer, which .ci/windows has compiled. Children start in directories of their own.
fn peer() -> String {
    let program = concat!(env!("CARGO_TARGET_TMPDIR"), "/win32.exe");
    std::path::absolute(program).unwrap().display().to_string()
}

/// pipetool, for others to start.
fn pipetool() -> String {
    std::path::absolute(PIPETOOL).unwrap().display().to_string()
}

/// `win32 ARGS`.
fn win32(scratch: &Scratch, arguments: &[&str]) -> Starter {
    scratch.program(&peer(), arguments)
}

/// `win32 server ARGS` once it listens.
fn win32_server(scratch: &Scratch, arguments: &[&str]) -> Side {
    let server = win32(scratch, &[&["server"], arguments].concat()).open_stdin().start();
    server.says("listening");
    server
}
