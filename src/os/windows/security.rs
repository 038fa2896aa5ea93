//! Who may open a pipe that we make: the user alone, unless told otherwise.

use std::ffi::c_void;
use std::io;
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::SECURITY_ATTRIBUTES;

use super::people;
use super::pipe::wide;

/// What others get who are let in: to read and to write, and not to make an instance of the pipe, by which
/// they could pass themselves off as us (FILE_GENERIC_READ | FILE_GENERIC_WRITE, less FILE_APPEND_DATA).
const READ_AND_WRITE: &str = "0x12019b";

/// A security descriptor.
#[derive(Debug)]
pub(super) struct Descriptor(*mut c_void);

// SAFETY: memory of the process that is only read once it is made.
unsafe impl Send for Descriptor {}
// SAFETY: as above.
unsafe impl Sync for Descriptor {}

impl Descriptor {
    /// Of this user, and for this user alone, or with `others` for all who have logged in; inherited rights are kept out.
    pub(super) fn new(others: bool) -> io::Result<Self> {
        let user = people::current_sid()?;
        let others = if others { format!("(A;;{READ_AND_WRITE};;;AU)") } else { String::new() };
        Descriptor::parse(&format!("O:{user}D:P(A;;GA;;;{user}){others}"))
    }

    fn parse(sddl: &str) -> io::Result<Self> {
        let text = wide(sddl);
        let mut descriptor = null_mut();
        // SAFETY: the text ends in a zero, and the answer is memory that is ours to free.
        let parsed = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &raw mut descriptor,
                null_mut(),
            )
        };
        if parsed == 0 { Err(io::Error::last_os_error()) } else { Ok(Descriptor(descriptor)) }
    }

    /// For a call that makes something which nobody inherits.
    pub(super) fn attributes(&self) -> SECURITY_ATTRIBUTES {
        let length = u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).unwrap_or(0);
        SECURITY_ATTRIBUTES { nLength: length, lpSecurityDescriptor: self.0, bInheritHandle: 0 }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: it came from a call whose memory is freed so, and nobody has it any more.
        unsafe { LocalFree(self.0) };
    }
}
