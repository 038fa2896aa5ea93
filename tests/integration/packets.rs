//! stdin or stdout is a socket that keeps messages apart (SOCK_SEQPACKET, SOCK_DGRAM): what one read leaves of a packet,
//! the kernel throws away.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::thread;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, recv, send, shutdown, socketpair,
};

use crate::harness::{Scratch, noise};

/// More than one read takes, and as much as the kernel's usual send buffer allows in one packet.
const LARGE: usize = 150_000;

fn pair(kind: SocketType) -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).unwrap()
}

/// A stdin with these packets, and its end.
fn packets(packets: &[&[u8]]) -> OwnedFd {
    let (ours, given) = pair(SocketType::SEQPACKET);
    for packet in packets {
        assert_eq!(send(&ours, packet, SendFlags::DONTWAIT), Ok(packet.len()));
    }
    given
}

/// All packets that come to `socket` until its end; an empty one would be taken for that.
fn all_packets(socket: &OwnedFd) -> Vec<Vec<u8>> {
    let mut room = vec![0; 1 << 20];
    let next = || match recv(socket, &mut room[..], RecvFlags::empty()).unwrap().1 {
        0 => None,
        length => Some(room[..length].to_vec()),
    };
    std::iter::from_fn(next).collect()
}

#[test]
fn all_bytes_of_all_packets_are_sent() {
    let scratch = Scratch::new();
    let large = noise(3, LARGE);
    let sent: [&[u8]; 6] = [b"one", b"", &large, b"", b"two", b""];
    for options in [&[][..], &["--log", "log"], &["-f", "none"]] {
        let server = scratch.server(["bytes"]);
        let client = scratch.pipetool([&["connect"], options, &["bytes"]].concat());
        client.stdin(packets(&sent)).start().end().ok();
        assert!(server.end().ok().out == sent.concat(), "{options:?}");
    }
    let receiver = scratch.pipetool(["recv", "-o", "received", "item"]).start();
    scratch.pipetool(["send", "item", "-"]).stdin(packets(&sent)).start().end().ok();
    receiver.end().ok();
    assert!(fs::read(scratch.path("received")).unwrap() == sent.concat());
    // To a child, and through the further pipe of one.
    for line in [
        &["spawn-child", "--", "sh", "-c", "cat <&$0", "{in}"][..],
        &["spawn-child", "--pipe", "x=in:-", "--", "sh", "-c", "cat <&$0", "{x}"],
    ] {
        let ended = scratch.pipetool(line).stdin(packets(&sent)).start().end().ok();
        assert!(ended.out == sent.concat(), "{line:?}");
    }
}

/// Empty packets just before the end of input are messages too.
#[test]
fn a_packet_is_a_message_where_there_are_messages() {
    let scratch = Scratch::new();
    let sent: [&[u8]; 5] = [b"one", b"", b"two\nthree", b"", b""];
    let hex = "6f6e65\n\n74776f0a7468726565\n\n\n";
    for (serves, connects) in [(["-m", "message"], [].as_slice()), (["-f", "length"], &["-f", "length"])] {
        let server = scratch.server([&serves[..], &["--stdio", "hex", "messages"]].concat());
        let client = scratch.pipetool([&["connect"], connects, &["messages"]].concat());
        client.stdin(packets(&sent)).start().end().ok();
        server.end().ok().out(hex);
    }
    // What the user says about stdin holds.
    let server = scratch.server(["-m", "message", "--stdio", "hex", "messages"]);
    let client = scratch.pipetool(["connect", "--stdio", "lines", "messages"]);
    client.stdin(packets(&[b"one\ntw", b"", b"o\n"])).start().end().ok();
    server.end().ok().out("6f6e65\n74776f\n");
}

#[test]
fn a_message_that_is_too_large_is_refused_and_not_cut() {
    let scratch = Scratch::new();
    let server = scratch.server(["-f", "length", "messages"]);
    let client = scratch.pipetool(["connect", "-f", "length", "--max-message", "100000", "messages"]);
    client.stdin(packets(&[&noise(1, LARGE)])).start().end().code(1).one_line(&["'stdin'", "--max-message"]);
    server.end().ok().out("");
}

#[test]
fn no_datagram_is_the_end_of_input() {
    let scratch = Scratch::new();
    let (ours, given) = pair(SocketType::DGRAM);
    let shared = given.try_clone().unwrap();
    let server = scratch.server(["-m", "message", "--stdio", "hex", "messages"]);
    let client = scratch.pipetool(["connect", "messages"]).stdin(given).start();
    let large = vec![0x78; 100_000];
    for datagram in [&b"one"[..], b"", &large, b"two"] {
        send(&ours, datagram, SendFlags::empty()).unwrap();
    }
    let lines = ["6f6e65\n\n", &"78".repeat(large.len()), "\n74776f\n"].concat();
    server.prints(&lines);
    shutdown(&shared, Shutdown::Read).unwrap();
    client.end().ok();
    server.end().ok().out(lines);
}

#[test]
fn bytes_to_a_socket_of_packets_come_in_pieces_that_programs_have_room_for() {
    let scratch = Scratch::new();
    let all = noise(5, 3_000_000);
    fs::write(scratch.path("all"), &all).unwrap();
    for line in [&["serve", "bytes"][..], &["recv", "bytes"]] {
        let (ours, given) = pair(SocketType::SEQPACKET);
        let server = scratch.pipetool(line).stdout(given).start();
        let reader = thread::spawn(move || all_packets(&ours));
        let sender = if line[0] == "recv" { &["send", "bytes", "all"][..] } else { &["connect", "bytes"] };
        let file = File::open(scratch.path("all")).unwrap();
        scratch.pipetool(sender).stdin(file).start().end().ok();
        server.end().ok();
        let got = reader.join().unwrap();
        assert!(got.iter().all(|piece| piece.len() <= 4096), "{line:?}");
        assert!(got.concat() == all, "{line:?}");
    }
}

#[test]
fn messages_to_a_socket_of_packets_stay_what_they_are() {
    let scratch = Scratch::new();
    let (ours, given) = pair(SocketType::SEQPACKET);
    let server = scratch.pipetool(["serve", "-f", "length", "messages"]).stdout(given).start();
    let large = noise(9, LARGE);
    let mut wire = Vec::new();
    for message in [b"one\n", &large[..], b"two"] {
        wire.extend_from_slice(&u32::try_from(message.len()).unwrap().to_le_bytes());
        wire.write_all(message).unwrap();
    }
    scratch.pipetool(["connect", "messages"]).run(&wire).ok();
    server.end().ok();
    assert!(all_packets(&ours) == [b"one\n", &large[..], b"two"]);
    // One that is larger than any packet cannot be written, and what is before it is.
    let (ours, given) = pair(SocketType::SEQPACKET);
    let server = scratch.pipetool(["serve", "-f", "lines", "messages"]).stdout(given).start();
    let lines = ["one\n", &"x".repeat(10_000_000), "\n"].concat();
    // The server may have read all of it by the time that it cannot write.
    scratch.pipetool(["connect", "messages"]).run(lines);
    server.end().code(1).one_line(&["could not write to 'stdout'", "10000000 bytes", "--stdio"]);
    assert_eq!(all_packets(&ours), [b"one"]);
}

/// A shell or a parent that shares the socket does not expect credentials in what it reads.
#[test]
fn the_socket_is_left_as_it_was() {
    let scratch = Scratch::new();
    let given = packets(&[b"one", b""]);
    let shared = given.try_clone().unwrap();
    let server = scratch.server(["bytes"]);
    scratch.pipetool(["connect", "bytes"]).stdin(given).start().end().ok();
    server.end().ok().out("one");
    assert_eq!(rustix::net::sockopt::socket_passcred(&shared), Ok(false));
}
