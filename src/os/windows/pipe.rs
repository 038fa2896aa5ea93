//! What Windows knows of a pipe's handle: its state, its kind, and how one is made.

use std::io;
use std::os::windows::io::{FromRawHandle, OwnedHandle, RawHandle};
use std::ptr::null_mut;

use windows_sys::Wdk::Storage::FileSystem::{
    FILE_PIPE_CLOSING_STATE, FILE_PIPE_CONNECTED_STATE, FILE_PIPE_LOCAL_INFORMATION, FILE_SYNCHRONOUS_IO_ALERT,
    FILE_SYNCHRONOUS_IO_NONALERT, FileModeInformation, FilePipeLocalInformation, NtQueryInformationFile,
};
use windows_sys::Win32::Foundation::{
    ERROR_BROKEN_PIPE, ERROR_NO_DATA, ERROR_PIPE_NOT_CONNECTED, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::Storage::FileSystem::{CreateFileW, OPEN_EXISTING};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, GetNamedPipeInfo, PIPE_READMODE_MESSAGE, PIPE_TYPE_MESSAGE, PeekNamedPipe,
    SetNamedPipeHandleState,
};

use super::security::Descriptor;

/// Buffers of a pipe of ours, each way: what an anonymous pipe has on Linux. (Windows may lower them.)
pub(super) const BUFFER_SIZE: u32 = 64 * 1024;

/// What a pipe is made like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Make {
    /// `PIPE_ACCESS_…` and `FILE_FLAG_…`.
    pub(super) open_mode: u32,
    /// `PIPE_TYPE_…`, `PIPE_READMODE_…` and `PIPE_REJECT_REMOTE_CLIENTS`.
    pub(super) pipe_mode: u32,
    /// How many instances there may be.
    pub(super) instances: u32,
    pub(super) buffer_size: u32,
}

/// Makes an instance of the pipe `name`, which nobody inherits.
pub(super) fn make(name: &str, make: Make, descriptor: &Descriptor) -> io::Result<OwnedHandle> {
    let name = wide(name);
    let attributes = descriptor.attributes();
    // SAFETY: the name ends in a zero, and the attributes point to a descriptor that lives here.
    let handle = unsafe {
        CreateNamedPipeW(
            name.as_ptr(),
            make.open_mode,
            make.pipe_mode,
            make.instances,
            make.buffer_size,
            make.buffer_size,
            0,
            &raw const attributes,
        )
    };
    owned(handle)
}

/// Opens a pipe that somebody serves, which nobody inherits.
pub(super) fn open(name: &str, access: u32, flags: u32) -> io::Result<OwnedHandle> {
    let name = wide(name);
    // SAFETY: the name ends in a zero; no attributes and no template are legal.
    owned(unsafe { CreateFileW(name.as_ptr(), access, 0, std::ptr::null(), OPEN_EXISTING, flags, null_mut()) })
}

fn owned(handle: RawHandle) -> io::Result<OwnedHandle> {
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, and nobody else has it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// Text as Windows takes it.
pub(super) fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// Does the pipe keep messages apart? `None` where we may not ask.
pub(super) fn has_messages(handle: RawHandle) -> Option<bool> {
    let mut flags = 0;
    // SAFETY: one u32 is written; the others are not asked for.
    let answered = unsafe { GetNamedPipeInfo(handle, &raw mut flags, null_mut(), null_mut(), null_mut()) } != 0;
    answered.then_some(flags & PIPE_TYPE_MESSAGE != 0)
}

/// Has each read give one message.
pub(super) fn read_messages(handle: RawHandle) -> io::Result<()> {
    let mode = PIPE_READMODE_MESSAGE;
    // SAFETY: one u32 is read; the others stay as they are.
    let done = unsafe { SetNamedPipeHandleState(handle, &raw const mode, std::ptr::null(), std::ptr::null()) } != 0;
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What a read would not have to wait for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct There {
    /// In all.
    pub(super) bytes: usize,
    /// Of the first message, or what is left of it.
    pub(super) of_message: usize,
}

/// What is there to be read.
pub(super) fn what_is_there(handle: RawHandle) -> There {
    let (mut bytes, mut of_message) = (0, 0);
    // SAFETY: two u32 are written, and nothing is read without a buffer. What is no pipe is an error.
    let answered =
        unsafe { PeekNamedPipe(handle, null_mut(), 0, null_mut(), &raw mut bytes, &raw mut of_message) } != 0;
    let (bytes, of_message) = (bytes as usize, of_message as usize);
    if answered { There { bytes, of_message } } else { There::default() }
}

/// Has the other end of a pipe gone? What it wrote before may still be there. False for what is no pipe.
pub(super) fn is_abandoned(handle: RawHandle) -> bool {
    local_information(handle).is_some_and(|known| known.NamedPipeState == FILE_PIPE_CLOSING_STATE)
}

/// Is somebody at the other end of a pipe? False for what is no pipe.
pub(super) fn is_connected(handle: RawHandle) -> bool {
    local_information(handle).is_some_and(|known| known.NamedPipeState == FILE_PIPE_CONNECTED_STATE)
}

/// Can calls on the handle be waited for together with other things?
pub(super) fn is_overlapped(handle: RawHandle) -> bool {
    let mut mode = 0_u32;
    // SAFETY: FileModeInformation is one u32.
    let answered = unsafe { query(handle, FileModeInformation, &raw mut mode) };
    answered && mode & (FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT) == 0
}

/// Only the native call tells of a pipe whose other end has gone while nothing is read or written.
fn local_information(handle: RawHandle) -> Option<FILE_PIPE_LOCAL_INFORMATION> {
    let mut known = FILE_PIPE_LOCAL_INFORMATION::default();
    // SAFETY: FilePipeLocalInformation is this structure.
    unsafe { query(handle, FilePipeLocalInformation, &raw mut known) }.then_some(known)
}

/// # Safety
/// `T` is what `class` is answered with.
unsafe fn query<T>(handle: RawHandle, class: i32, answer: *mut T) -> bool {
    let mut status = IO_STATUS_BLOCK::default();
    let length = u32::try_from(size_of::<T>()).unwrap_or(0);
    // SAFETY: `answer` has `length` bytes; a handle that may not be asked is an error.
    unsafe { NtQueryInformationFile(handle, &raw mut status, answer.cast(), length, class) == 0 }
}

/// Does an error say that the other end has gone?
pub(super) fn says_gone(code: u32) -> bool {
    matches!(code, ERROR_BROKEN_PIPE | ERROR_NO_DATA | ERROR_PIPE_NOT_CONNECTED)
}
