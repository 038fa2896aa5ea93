//! Anonymous pipes and the numbers (handle IDs) by which a child finds its ends of them; and such numbers
//! that our own parent gave us.
//!
//! Windows' anonymous pipes cannot be overlapped, so ours are named ones with a name that nobody is told.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::sync::Arc;

use windows_sys::Wdk::Foundation::{NtQueryObject, ObjectBasicInformation};
use windows_sys::Win32::Foundation::{GENERIC_READ, GENERIC_WRITE};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, FILE_READ_ATTRIBUTES, FILE_READ_DATA, FILE_TYPE_PIPE,
    FILE_WRITE_ATTRIBUTES, FILE_WRITE_DATA, GetFileType, PIPE_ACCESS_INBOUND, PIPE_ACCESS_OUTBOUND,
};
use windows_sys::Win32::System::Pipes::PIPE_REJECT_REMOTE_CLIENTS;
use windows_sys::Win32::System::WindowsProgramming::PUBLIC_OBJECT_BASIC_INFORMATION;

use super::command::Command;
use super::pipe::{self, Make};
use super::security::Descriptor;
use super::sink::Sink;
use super::source::Source;
use super::stream::Stream;
use super::wake::Wake;
use crate::os::{BufferSize, OneWay};

/// The number of a handle that a child is to inherit, once there is a pipe behind it. It has the same number
/// in the child.
#[derive(Debug, Default)]
pub(crate) struct HandleId(Option<OwnedHandle>);

impl HandleId {
    /// Numbers cannot be chosen here.
    pub(crate) fn reserve(count: usize) -> io::Result<Vec<Self>> {
        Ok((0..count).map(|_| HandleId::default()).collect())
    }

    /// Makes the pipe that the child reads through this handle. It ends when `over` is given, whoever else
    /// still holds the handle.
    pub(crate) fn child_reads(&mut self, over: Arc<Wake>, size: Option<BufferSize<'_>>) -> io::Result<Sink> {
        let (ours, childs) = pair(true, size.map(|(size, _)| size))?;
        self.0 = Some(childs);
        Ok(Sink::to_child(ours, over))
    }

    /// Makes the pipe that the child writes through this handle. Once `over` is given, it ends when all
    /// that is in it has been taken.
    pub(crate) fn child_writes(&mut self, over: Arc<Wake>, size: Option<BufferSize<'_>>) -> io::Result<Source> {
        let (ours, childs) = pair(false, size.map(|(size, _)| size))?;
        self.0 = Some(childs);
        Ok(Source::from_child(ours, over))
    }

    pub(super) fn raw(&self) -> Option<RawHandle> {
        self.0.as_ref().map(AsRawHandle::as_raw_handle)
    }
}

/// As .NET's `GetClientHandleAsString` has it.
impl fmt::Display for HandleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw().map_or(0, |handle| handle as isize).fmt(f)
    }
}

/// A handle has no path here, and nobody asks for one.
pub(crate) fn handle_path(id: &HandleId) -> String {
    id.to_string()
}

/// Has `command` inherit these handles. They are closed here when the command is dropped.
pub(crate) fn hand_over(command: &mut Command, handles: Vec<HandleId>) {
    command.hand_over(handles);
}

/// A pipe of which a child reads (or else writes) one end: ours, which can be waited for, and the child's,
/// whose calls wait themselves, as programs expect.
pub(super) fn pair(child_reads: bool, size: Option<usize>) -> io::Result<(OwnedHandle, OwnedHandle)> {
    let (ours, childs) = if child_reads {
        (PIPE_ACCESS_OUTBOUND, GENERIC_READ | FILE_WRITE_ATTRIBUTES)
    } else {
        (PIPE_ACCESS_INBOUND, GENERIC_WRITE | FILE_READ_ATTRIBUTES)
    };
    let make = Make {
        open_mode: ours | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
        pipe_mode: PIPE_REJECT_REMOTE_CLIENTS,
        instances: 1,
        buffer_size: size.and_then(|size| u32::try_from(size).ok()).unwrap_or(pipe::BUFFER_SIZE),
    };
    // A number that nobody can guess: RandomState is seeded by the system.
    let unknown = || RandomState::new().build_hasher().finish();
    let name = format!(r"\\.\pipe\pipetool-{}-{:016x}{:016x}", std::process::id(), unknown(), unknown());
    let ours = pipe::make(&name, make, &Descriptor::new(false)?)?;
    // Should somebody have guessed it all the same and come first, this is an error: there is one instance.
    Ok((ours, pipe::open(&name, childs, 0)?))
}

/// A second handle of the same pipe, file or console.
pub(super) fn duplicate(handle: RawHandle) -> io::Result<OwnedHandle> {
    // SAFETY: borrowed for one call, which gives an error for what is not open.
    unsafe { BorrowedHandle::borrow_raw(handle) }.try_clone_to_owned()
}

/// Takes handles that our parent left open for us: `receive` is read, `send` written; with one number
/// alone its own nature decides, or `way` where it has both.
///
/// # Errors
/// What is not open, no pipe, or the wrong way round, each by its number.
pub(crate) fn adopt(number: u64, other: Option<u64>, way: Option<OneWay>) -> io::Result<Stream> {
    let receive = Adopted::take(number)?;
    let Some(other) = other else {
        let way = way.unwrap_or(if receive.reads { OneWay::In } else { OneWay::Out });
        receive.must_be(way)?;
        return Ok(match way {
            OneWay::In => Stream::Handles { receive: Some(receive.handle), send: None },
            OneWay::Out => Stream::Handles { receive: None, send: Some(receive.handle) },
        });
    };
    let send = if other == number { receive.twin()? } else { Adopted::take(other)? };
    receive.must_be(OneWay::In)?;
    send.must_be(OneWay::Out)?;
    // What has no use is closed at once.
    let receive = Some(receive.handle).filter(|_| way != Some(OneWay::Out));
    Ok(Stream::Handles { receive, send: Some(send.handle).filter(|_| way != Some(OneWay::In)) })
}

/// An inherited handle, and what it can do.
struct Adopted {
    number: u64,
    handle: OwnedHandle,
    reads: bool,
    writes: bool,
}

impl Adopted {
    /// A second handle takes the first one's place, which is closed.
    fn take(number: u64) -> io::Result<Self> {
        let closed = || io::Error::other(format!("handle {number} is not open"));
        // Windows' handles have 32 bits that mean something, and none is 0.
        let raw = u32::try_from(number).ok().filter(|&number| number > 0).ok_or_else(closed)? as usize as RawHandle;
        let handle = duplicate(raw).map_err(|_| closed())?;
        // SAFETY: the handle is open.
        if unsafe { GetFileType(handle.as_raw_handle()) } != FILE_TYPE_PIPE {
            return Err(io::Error::other(format!("handle {number} is open, but no pipe")));
        }
        let access = granted_access(handle.as_raw_handle())?;
        close_unless_standard(raw);
        let (reads, writes) = (access & FILE_READ_DATA != 0, access & FILE_WRITE_DATA != 0);
        Ok(Adopted { number, handle, reads, writes })
    }

    /// The same handle for the other way.
    fn twin(&self) -> io::Result<Self> {
        let handle = self.handle.try_clone()?;
        if !pipe::is_overlapped(handle.as_raw_handle()) {
            let number = self.number;
            return Err(io::Error::other(format!(
                "handle {number} goes one way at a time, because its calls wait: say '-d in' or '-d out'"
            )));
        }
        Ok(Adopted { handle, ..*self })
    }

    fn must_be(&self, way: OneWay) -> io::Result<()> {
        way.has_to_be_had(self.number, self.reads, self.writes)
    }
}

/// What may be done with a handle.
fn granted_access(handle: RawHandle) -> io::Result<u32> {
    let mut known = PUBLIC_OBJECT_BASIC_INFORMATION::default();
    let length = u32::try_from(size_of::<PUBLIC_OBJECT_BASIC_INFORMATION>()).unwrap_or(0);
    // SAFETY: ObjectBasicInformation is this structure, which has that length.
    let status =
        unsafe { NtQueryObject(handle, ObjectBasicInformation, (&raw mut known).cast(), length, std::ptr::null_mut()) };
    if status == 0 { Ok(known.GrantedAccess) } else { Err(io::Error::other("what the handle may do cannot be known")) }
}

/// stdin, stdout and stderr stay what they are.
pub(super) fn close_unless_standard(handle: RawHandle) {
    let standard = [io::stdin().as_raw_handle(), io::stdout().as_raw_handle(), io::stderr().as_raw_handle()];
    if !standard.contains(&handle) {
        // SAFETY: it is open, it was given to us to be used as this pipe, and nobody else here knows it.
        drop(unsafe { OwnedHandle::from_raw_handle(handle) });
    }
}
