//! The program as a user meets it: one binary of tests. Where does a new one go?
//!
//! | file | about |
//! | --- | --- |
//! | addresses | what a pipe address leads to, and which are refused |
//! | children | spawn-child and fd:N: anonymous pipes, what a child gets and how it ends |
//! | commands | -- COMMAND: what the program gets, one or many clients, exit codes |
//! | ends | every way in which data can end, on both sides (the table above src/bridge.rs) |
//! | clients | connect -k, --client-timeout: who comes back, and whose time is over |
//! | fifos | FIFOs, made and found |
//! | meetings | how send and recv find each other, in either order |
//! | hub | serve -k --hub: who hears what; slow, rude and dead clients |
//! | listing | pipetool list |
//! | activation | sockets from a service manager, and telling it that we are ready |
//! | messages | --mode message, --framing, --stdio, -n |
//! | names | who owns a name: stale, live, simultaneous, removed at the end |
//! | users | other users, permissions, --peer |
//! | waiting | for a server, for a client: how long, how dear, what is said |
//! | signals | Ctrl-C and its like, at every moment |
//! | readme | the README's examples, run |
//! | refusals | what cannot go together, and the habits of other tools |
//! | serving | serve -k, --ready-fd, --replace |
//! | transfer_faults | whatever goes wrong in a transfer: never half a file, and both sides say so |
//! | transfers | send and recv: what arrives, and where |
//! | views | -x, --log, --progress, --stats: what is shown of what passes |
//! | ways | what stdin, stdout and a child's pipes may be: all bytes, moved by the kernel where it can |
//! | peers | socat, nc, ncat, Python, Node, gpg-agent, .NET: programs that are not ours |
//! | smoke | the first things anybody types |
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod activation;
mod addresses;
mod children;
mod clients;
mod commands;
mod ends;
mod fifos;
mod harness;
mod hub;
mod listing;
mod meetings;
mod messages;
mod names;
mod peers;
mod readme;
mod refusals;
mod serving;
mod signals;
mod smoke;
mod transfer_faults;
mod transfers;
mod users;
mod views;
mod waiting;
mod ways;
