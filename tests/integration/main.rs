//! The program as a user meets it: one binary of tests. Where does a new one go?
//!
//! | file | about |
//! | --- | --- |
//! | addresses | what a pipe address leads to, and which are refused |
//! | children | spawn-child and fd:N: anonymous pipes, what a child gets and how it ends |
//! | commands | -- COMMAND: what the program gets, one or many clients, exit codes |
//! | ends | every way in which data can end, on both sides (the table above src/bridge.rs) |
//! | clients | connect -k, --client-timeout: who comes back, and whose time is over |
//! | equivalents | other tools' commands beside ours, as the README has them |
//! | fifos | FIFOs, made and found |
//! | generated | completions/ and man/: fresh, and of use to shells and mandoc; pages.rs makes the pages |
//! | layout | the map of the code: what lies where, what may know what |
//! | meetings | how send and recv find each other, in either order |
//! | hub, hub_unix | serve -k --hub: who hears what; slow, rude and dead clients |
//! | listing | pipetool list |
//! | activation | sockets from a service manager, and telling it that we are ready |
//! | messages | --mode message, --framing, --stdio, -n |
//! | packets | stdin or stdout is a socket that keeps messages apart (SEQPACKET, datagrams) |
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
//! | volume | much, both ways |
//! | windows | what Windows alone has, and the likes of tests that need a Unix peer |
//! | peers | socat, nc, ncat, Python, Node, gpg-agent: programs that are not ours |
//! | dotnet | .NET's own pipes, under Mono and under Microsoft's runtime |
//! | smoke | the first things anybody types |
//!
//! On Windows (.ci/windows runs them under Wine) the same tests run. A file that is Unix's alone says so below;
//! in the others each test that cannot run there says why, where it stands.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[cfg(unix)] // service managers of Unix
mod activation;
mod addresses;
#[cfg(unix)] // shells and file descriptors as children; windows.rs has the same with HANDLEs
mod children;
mod clients;
#[cfg(unix)] // Unix programs as COMMAND; windows.rs has the same with its own
mod commands;
#[cfg(unix)] // no .NET under Wine
mod dotnet;
#[cfg(unix)] // sockets as peers, which can end one half alone; windows.rs has Windows' own ends
mod ends;
#[cfg(unix)] // tools of Unix
mod equivalents;
#[cfg(unix)] // there are none on Windows
mod fifos;
#[cfg(unix)] // shells, and what is committed is the same everywhere
mod generated;
mod harness;
mod hub;
#[cfg(unix)] // half-closes, shells and /proc; windows.rs has what is left of it
mod hub_unix;
#[cfg(unix)] // a text is the same everywhere
mod layout;
#[cfg(unix)] // stale names, FIFOs and other users; Wine cannot list pipes: windows.rs says how it looks then
mod listing;
#[cfg(unix)] // sockets as peers; windows.rs has send and recv
mod meetings;
mod messages;
#[cfg(unix)] // a name is a file, and can be stale; windows.rs has what is left of it
mod names;
#[cfg(unix)] // sockets as stdin and stdout, which Windows' programs do not have
mod packets;
#[cfg(unix)] // for generated
mod pages;
#[cfg(unix)] // programs of Unix; windows.rs has a peer in C
mod peers;
#[cfg(unix)] // a shell's examples
mod readme;
mod refusals;
mod serving;
#[cfg(unix)] // signals; .ci/windows has Ctrl-C
mod signals;
mod smoke;
#[cfg(unix)] // signals, mounts and strace
mod transfer_faults;
#[cfg(unix)] // shells and sockets as peers; windows.rs has send and recv
mod transfers;
#[cfg(unix)] // other users need setpriv, and Wine has one user only
mod users;
mod views;
mod volume;
mod waiting;
#[cfg(unix)] // what the kernel of Linux moves
mod ways;
#[cfg(windows)]
mod windows;
