//! The one table of exit codes (DESIGN section 8), and how an error becomes one of them.

use std::io;
use std::process::ExitCode;

use crate::{os, stderr};

/// The table in words, for the help and the man pages.
pub(crate) const IN_WORDS: &str = "  0        done
  1        failed, and a line on stderr says what
  2        the command line asks for what does not exist or does not go together
  124      timed out: --wait or --idle-timeout
  126      COMMAND or PROGRAM is there and cannot be started
  127      there is no such COMMAND or PROGRAM
  other    COMMAND's or PROGRAM's own, 128+N if signal N ended it
  signal   SIGINT, SIGTERM and SIGHUP end it, and SIGPIPE where nobody reads stdout";

/// How pipetool ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything was done.
    Done,
    /// Something failed, and a line on stderr said what.
    Failed,
    /// The command line asks for what does not exist or does not go together.
    Usage,
    /// `--wait` or `--idle-timeout` ran out (the code of timeout(1)).
    TimedOut,
    /// Nobody reads our stdout any more: end as every filter does then.
    StdoutClosed,
    /// COMMAND is there, and cannot be started.
    NotRunnable,
    /// There is no COMMAND of that name.
    NotFound,
    /// As COMMAND ended: its own code, or 128 + N when signal N ended it.
    OfCommand(i32),
}

impl Exit {
    /// The exit code; 128 + SIGPIPE where we are to die of the signal itself.
    pub(crate) fn code(self) -> i32 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::TimedOut => 124,
            Exit::StdoutClosed => os::STDOUT_CLOSED_CODE.into(),
            Exit::NotRunnable => 126,
            Exit::NotFound => 127,
            Exit::OfCommand(code) => code,
        }
    }

    /// How pipetool ends when all that was left to do is done, and whether an earlier session failed.
    pub(crate) fn done_unless(has_failed: bool) -> Exit {
        if has_failed { Exit::Failed } else { Exit::Done }
    }

    /// Ends the program. Everything that cleans up on drop has to be gone by now.
    pub(crate) fn leave(self) -> ExitCode {
        if self == Exit::StdoutClosed {
            os::die_of_closed_stdout();
        }
        // On Windows a program's code has 32 bits.
        u8::try_from(self.code()).map_or_else(|_| std::process::exit(self.code()), ExitCode::from)
    }

    /// Says what failed in one line, and which code that is.
    pub(crate) fn of_error(error: &anyhow::Error) -> Exit {
        say(error);
        error.chain().find_map(|cause| Exit::of_cause(cause.downcast_ref()?)).unwrap_or(Exit::Failed)
    }

    /// Errors that we made ourselves (no errno behind them) say by their kind how we end.
    fn of_cause(cause: &io::Error) -> Option<Exit> {
        match (cause.raw_os_error(), cause.kind()) {
            (None, io::ErrorKind::TimedOut) => Some(Exit::TimedOut),
            (None, io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput) => Some(Exit::Usage),
            _ => None,
        }
    }
}

/// Says what failed in one line, where it does not end the program.
pub(crate) fn say(error: &anyhow::Error) {
    stderr::say(&in_one_line(error));
}

/// What failed, and each reason behind it.
pub(crate) fn in_one_line(error: &anyhow::Error) -> String {
    error.chain().map(stderr::reason).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    /// An error of the system's that std calls `Unsupported`, by whatever number it has there.
    fn not_supported() -> i32 {
        let is_it = |&code: &i32| io::Error::from_raw_os_error(code).kind() == io::ErrorKind::Unsupported;
        (1..200).find(is_it).unwrap()
    }

    #[test]
    fn an_error_of_our_own_says_its_code_and_the_systems_do_not() {
        let ours = |kind| anyhow::Error::from(io::Error::new(kind, "x")).context("could not do 'y'");
        assert_eq!(Exit::of_error(&ours(io::ErrorKind::TimedOut)), Exit::TimedOut);
        assert_eq!(Exit::of_error(&ours(io::ErrorKind::Unsupported)), Exit::Usage);
        assert_eq!(Exit::of_error(&ours(io::ErrorKind::NotFound)), Exit::Failed);
        let theirs = Err::<(), _>(io::Error::from_raw_os_error(not_supported())).context("could not").unwrap_err();
        assert_eq!(Exit::of_error(&theirs), Exit::Failed);
    }
}
