//! What differs between systems: the only home of `cfg` and of `unsafe`.
//!
//! Each system has the same names behind one explicit list, which is the whole contract. Twins stay
//! twins: who changes one looks at the other.
#![allow(unsafe_code, reason = "system calls that no crate wraps; each has its SAFETY line")]

use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, Instant};

#[cfg(unix)]
#[path = "unix/mod.rs"]
mod imp;
#[cfg(windows)]
#[path = "windows/mod.rs"]
mod imp;

pub(crate) use imp::{
    Child,                // a program that we started
    Command,              // a program that we are to start
    Connection,           // a connection as a whole: what the peer has taken, what went wrong
    Connector,            // a server that we look for
    Cutter,               // ends a connection that others have
    HANDLES_HAVE_PATHS,   // can a child open a handle once more?
    HAS_REMOTE_CLIENTS,   // can others reach our pipes from other computers?
    HandedOver,           // sockets that a service manager has made for us
    HandleId,             // the number by which a child finds its end of an anonymous pipe
    INTERRUPT,            // what Ctrl-C is called
    Link,                 // a connection, beside many others on one thread
    Listener,             // a pipe that we serve
    Lookout,              // that thread's wait for all of them
    OwnedName,            // the name of such a pipe, ours to remove
    PIPES_HAVE_OWNERS,    // does the list of pipes say whose each is?
    Place,                // where a pipe address leads on this system
    ReadyHandle,          // --ready-fd
    SIGTERM,              // what asks a server to end when its clients are done
    STDOUT_CLOSED_CODE,   // the exit code of a filter whose stdout has no reader
    Sink,                 // where a pump writes to
    Source,               // where a pump reads from, with what it took and could not deliver
    Stdio,                // what its stdin and stdout are
    Stream,               // a connection before anything has moved
    Wake,                 // stops a pump
    become_command,       // this process goes on as another program
    clone_file,           // another name for what is in a file, and nothing copied
    copy_range,           // a part of a file, copied by the kernel
    current_user,         // this process's user ID
    die_of_closed_stdout, // end as filters do when stdout has no reader
    die_of_signal,        // end as if a signal had not been caught
    end_politely,         // asks a child to end
    ends_within,          // does a child end in time?
    exit_code,            // a child's exit status as a shell says it
    find_elsewhere,       // a bare name that is served, but not where we look
    give_all,             // writes, waiting for room, for so long
    give_file,            // a file itself, for the peer
    give_name,            // puts a nameless file where it is to be
    group_id,             // a group by name
    hand_over,            // gives such handles to a child, and nothing else
    handle_path,          // the path by which a child can open one
    hands_files,          // can files be given and taken here?
    is_in_background,     // is the terminal on stderr somebody else's just now?
    is_ordinary_name,     // is a file of that name in its directory, and nothing else?
    is_pipe,              // is a file a socket or a FIFO?
    is_sparse,            // does a file have holes?
    keep_from_children,   // no handle reaches a child by accident
    mode_for,             // the mode of a pipe of which the user said nothing
    mode_of,              // a file's permission bits
    name_bytes,           // a file's name for a peer
    name_from,            // and from it
    nameless_file,        // a file that nobody sees yet, where there are such
    notify_ready,         // tells it that clients can connect
    on_termination,       // calls back for the signals that ask us to end, Ctrl-C aside
    ordinary_permissions, // a new file's, if nobody says any
    pipes,                // all named pipes that there are
    prepare_child,        // what a child has to have of its own
    private,              // a file that only the user may open
    pump,                 // moves bytes and messages until something ends it
    raise_handle_limit,   // room for many clients
    set_mode,             // gives a file such bits
    share_threads,        // which flows can be moved by one thread
    signal_child,         // passes a signal on
    stderr_has_room,      // can a line go there soon?
    stdout_was_closed,    // had we no stdout when we started?
    survive_quit,         // leaves SIGQUIT to a child
    sync_directory,       // has a new name outlive a power cut
    take_file,            // a file itself, from the peer
    take_some,            // reads, waiting for data, for so long
    try_say,              // a line on stderr, if it has room
    user_id,              // a user by name
    user_name,            // a user's name
    wait_for_end,         // a child has ended; its number is still its own
};

/// Who is at the other end, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// User ID: the effective one when the peer connected, or began to listen.
    pub(crate) user: u32,
    /// Its group's ID.
    pub(crate) group: u32,
    /// Process ID; unknown for a peer in another PID namespace.
    pub(crate) pid: Option<u32>,
}

/// Who may open a pipe that we create, and how it is made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Access {
    /// Permission bits of a socket or FIFO, exact whatever the umask; 0600 unless told.
    pub(crate) permissions: Option<u32>,
    /// The group that the file is given to.
    pub(crate) group: Option<u32>,
    /// Is the name taken over from a server that has it?
    pub(crate) replace: bool,
    /// What a pipe of Windows is made with.
    pub(crate) instances: Instances,
}

/// How the instances of a named pipe are made on Windows.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(unix, expect(dead_code, reason = "permissions, a backlog, and buffers of each connection's own"))]
pub(crate) struct Instances {
    /// May others than this user open one?
    pub(crate) others: bool,
    /// May they come from other computers?
    pub(crate) remote: bool,
    /// How many clients there may be at once: there is no backlog.
    pub(crate) most: Option<NonZeroUsize>,
    /// Buffers, each way.
    pub(crate) buffer_size: Option<usize>,
}

/// What came of a wait for a client.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// A client.
    Client(Stream),
    /// None came in time.
    TimedOut,
    /// The wake signal was given.
    Woken,
    /// Nobody reads what would be written to our own stdout.
    NobodyReads,
}

/// The directory that a file is in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// When a time that begins now is over: never, if it has no limit.
pub(crate) fn in_time(limit: Option<Duration>) -> Option<Instant> {
    limit.and_then(|limit| Instant::now().checked_add(limit))
}

/// How many bytes a pipe is to hold, and who is told (a sentence) if it keeps the size that it has.
pub(crate) type BufferSize<'a> = (usize, &'a dyn Fn(String));

/// Is shown bytes that have passed.
pub(crate) type Show<'a> = dyn Fn(&[u8]) + Sync + 'a;

/// What is told of the bytes that a pump has delivered.
#[derive(Clone, Copy)]
pub(crate) struct Watch<'a> {
    /// How many, piece by piece.
    pub(crate) count: &'a (dyn Fn(usize) + Sync),
    /// Which: with this they have to pass through our memory.
    pub(crate) show: Option<&'a Show<'a>>,
}

/// What is to be moved one way.
pub(crate) struct Flow<'a> {
    /// Which of the two.
    pub(crate) goes: OneWay,
    /// An end that is missing has ended.
    pub(crate) source: &'a mut Option<Source>,
    pub(crate) sink: &'a mut Option<Sink>,
    pub(crate) watch: Watch<'a>,
    /// Makes messages of it, where that is wanted.
    pub(crate) translator: Option<&'a mut dyn Translate>,
}

/// Is given a flow back that has ended.
pub(crate) type AtEnd<'a> = dyn Fn(Flow<'_>, Ended) + Sync + 'a;

/// Makes what a pump takes into what it delivers, where that is messages.
pub(crate) trait Translate: Send {
    /// Takes what was read: a message where the pipe itself keeps them apart.
    fn push(&mut self, taken: &[u8]) -> Result<(), String>;
    /// Goes on behind a message that ended the session before this one.
    fn resume(&mut self) -> Result<(), String>;
    /// Takes the end of data.
    fn finish(&mut self) -> Result<(), String>;
    /// What is to be written next: a message where the pipe itself keeps them apart.
    fn pending(&self) -> Option<&[u8]>;
    /// How much there is of it in all.
    fn undelivered(&self) -> usize;
    /// So much of it was.
    fn delivered(&mut self, count: usize);
    /// Have all come that are wanted?
    fn has_enough(&self) -> bool;
    /// The greatest message that it takes.
    #[cfg_attr(unix, expect(dead_code, reason = "the kernel has a limit"))]
    fn largest(&self) -> usize;
}

/// Does a pipe itself keep messages apart? (.NET's `PipeTransmissionMode`.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It carries bytes.
    Byte,
    /// It carries messages.
    Message,
}

/// Why a pump stopped.
#[derive(Debug)]
#[expect(clippy::enum_variant_names, reason = "`Ended::Source` would not say what happened")]
pub(crate) enum Ended {
    /// The source has no more data, and all that came from it was delivered.
    SourceEnded,
    /// Nobody reads from the sink any more. The source keeps what it could not deliver.
    SinkClosed,
    /// The wake signal was given.
    Woken,
    /// All messages have come that were wanted.
    Enough,
    /// What came is no message, or cannot be one where it should go. What was before it is delivered.
    Malformed(String),
    /// Reading failed.
    ReadFailed(io::Error),
    /// Writing failed. The source keeps what it could not deliver.
    WriteFailed(io::Error),
}

/// Why a step of a conversation was not made.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// There is no more to read.
    Ended,
    /// Nobody reads any more.
    Closed,
    /// It took too long.
    TimedOut,
    /// It failed.
    Failed(io::Error),
}

/// A named pipe that is there.
#[derive(Clone, Debug)]
pub(crate) struct FoundPipe {
    /// What it is called, without anything in front.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) path: String,
    pub(crate) kind: PipeKind,
    /// Is somebody there?
    pub(crate) is_live: bool,
    /// Whose it is: the server's user, or the file's.
    pub(crate) user: Option<u32>,
    /// The process that serves it, where we may see that.
    pub(crate) pid: Option<u32>,
    /// What that process runs.
    pub(crate) program: Option<String>,
    /// How many clients it has.
    pub(crate) connections: usize,
}

/// What a named pipe is.
#[cfg_attr(windows, expect(dead_code, reason = "all have a name there"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PipeKind {
    /// .NET would find it under its name.
    Name,
    /// Linux's abstract namespace.
    Abstract,
    /// A socket's file.
    Socket,
    /// A FIFO.
    Fifo,
}

/// What came of taking what is there, without waiting.
#[derive(Debug)]
pub(crate) enum Took {
    /// So many bytes, or a message of so many.
    Some(usize),
    /// Nothing is there now.
    NotYet,
    /// No more will come.
    End,
    /// Nor here; and not all that we gave may have been read.
    Failed(io::Error),
}

/// What came of giving, without waiting.
#[derive(Debug)]
pub(crate) enum Gave {
    /// So many bytes were taken.
    Some(usize),
    /// There is no room now.
    Full,
    /// Nobody reads there any more.
    Closed,
    /// The message is larger than any that it takes.
    #[cfg_attr(windows, expect(dead_code, reason = "there is no such limit"))]
    TooLong,
    /// It cannot be written to.
    Failed(io::Error),
}

/// What an end is watched for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wish {
    /// There is something to be taken, or the end.
    pub(crate) to_take: bool,
    /// There is room for more.
    pub(crate) to_give: bool,
}

/// What a look at an end has shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct News {
    /// There is something to be taken, or the end.
    pub(crate) to_take: bool,
    /// There is room for more.
    pub(crate) to_give: bool,
    /// The other side has gone.
    pub(crate) closed: bool,
}

/// What one attempt to connect found.
pub(crate) enum Attempt {
    /// A server took us, or will.
    Connected(Stream),
    /// There may be one later.
    NotYet(Seen),
}

/// What is at a pipe's place while there is no server to talk to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(windows, expect(dead_code, reason = "no stale names and no FIFOs there"))]
pub(crate) enum Seen {
    /// No such name.
    Nothing,
    /// A socket without a server, left behind by one that was killed.
    Stale,
    /// A server with so many clients waiting that no more fit.
    Busy,
    /// A FIFO that nobody writes to.
    NoWriter,
    /// A FIFO that nobody reads.
    NoReader,
}

/// Which way bytes go, from our side, through a pipe that has one way only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OneWay {
    /// We receive.
    In,
    /// We send.
    Out,
}

impl OneWay {
    /// Makes sure that a handle that we inherited, which `reads` and `writes`, goes this way.
    fn has_to_be_had(self, number: u64, reads: bool, writes: bool) -> io::Result<()> {
        let (can, only) = match self {
            OneWay::In => (reads, "written to, not read"),
            OneWay::Out => (writes, "read, not written to"),
        };
        if can { Ok(()) } else { Err(io::Error::other(format!("handle {number} can only be {only}"))) }
    }
}
