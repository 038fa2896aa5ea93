//! The program as a user meets it: one binary of tests. Where does a new one go?
//!
//! | file | about |
//! | --- | --- |
//! | addresses | what a pipe address leads to, and which are refused |
//! | ends | every way in which data can end, on both sides (the table above src/bridge.rs) |
//! | names | who owns a name: stale, live, simultaneous, removed at the end |
//! | users | other users, permissions, --peer |
//! | waiting | for a server, for a client: how long, how dear, what is said |
//! | signals | Ctrl-C and its like, at every moment |
//! | serving | serve -k, --ready-fd, --stats |
//! | peers | socat, nc, ncat, Python, Node, gpg-agent, .NET: programs that are not ours |
//! | smoke | the first things anybody types |
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod addresses;
mod ends;
mod harness;
mod names;
mod peers;
mod serving;
mod signals;
mod smoke;
mod users;
mod waiting;
