//! What the help of the whole program says below its options. The man pages are made of the same text
//! (tests/integration/pages.rs): a heading that ends in a colon, then lines of a term and what it means,
//! with two spaces or more between them.

use crate::exit;

const EXAMPLES: &str =
    "  pipetool serve jobs                          print what one client sends, send it what is typed
  echo hi | pipetool connect jobs              the other side, in another terminal
  pipetool recv photos -D .                    wait for files
  pipetool send photos *.jpg                   send them; whoever comes first makes the pipe
  pipetool spawn-child -- ./child              a program with anonymous pipes";

const ENVIRONMENT: &str = "  TMPDIR                          where bare NAMEs are, as in .NET; /tmp if unset or empty
  PIPETOOL_PEER_UID, _GID, _PID   given to COMMAND: who is at the other end
  PIPETOOL_IN, _OUT, _NAME        given to PROGRAM by --env: the IDs of its handles
  LISTEN_FDS, NOTIFY_SOCKET       a service manager's: sockets for serve, and where it says that it is ready
  PIPETOOL_PLAIN_IO               set: the kernel's ways past our memory are left alone
  COMPLETE                        set by the shells' completion scripts";

/// Below `-h`.
pub(super) fn short() -> String {
    format!("Examples:\n{EXAMPLES}")
}

/// Below `--help`.
pub(super) fn long() -> String {
    format!("{}\n\nExit status:\n{}\n\nEnvironment:\n{ENVIRONMENT}", short(), exit::IN_WORDS)
}
