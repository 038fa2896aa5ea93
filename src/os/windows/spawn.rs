//! Starting a process with a list of the handles that it inherits, and no others (STARTUPINFOEX).

use std::io;
use std::marker::PhantomData;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{FromRawHandle, OwnedHandle, RawHandle};
use std::path::Path;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{HANDLE_FLAG_INHERIT, SetHandleInformation};
use windows_sys::Win32::System::Threading::{
    CREATE_UNICODE_ENVIRONMENT, CreateProcessW, DeleteProcThreadAttributeList, EXTENDED_STARTUPINFO_PRESENT,
    InitializeProcThreadAttributeList, LPPROC_THREAD_ATTRIBUTE_LIST, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
    PROCESS_INFORMATION, STARTUPINFOEXW, UpdateProcThreadAttribute,
};

/// Starts `program` with a command line and an environment. Of our handles it inherits those that `startup` lists.
pub(super) fn create(
    program: &Path,
    line: &mut [u16],
    environment: &[u16],
    startup: &STARTUPINFOEXW,
) -> io::Result<(OwnedHandle, u32)> {
    let program: Vec<u16> = program.as_os_str().encode_wide().chain([0]).collect();
    let (mut started, inherit) = (PROCESS_INFORMATION::default(), 1);
    // SAFETY: the texts end in zeros, the environment in two, and all of it lives until the call returns.
    let done = unsafe {
        CreateProcessW(
            program.as_ptr(),
            line.as_mut_ptr(),
            null(),
            null(),
            inherit,
            EXTENDED_STARTUPINFO_PRESENT | CREATE_UNICODE_ENVIRONMENT,
            environment.as_ptr().cast(),
            null(),
            (&raw const *startup).cast(),
            &raw mut started,
        )
    };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: both were just opened for us.
    let (process, _thread) =
        unsafe { (OwnedHandle::from_raw_handle(started.hProcess), OwnedHandle::from_raw_handle(started.hThread)) };
    Ok((process, started.dwProcessId))
}

/// The attribute list of a process that is to be started, with the handles that it inherits.
pub(super) struct HandleList<'a> {
    list: Vec<usize>,
    _handles: PhantomData<&'a [RawHandle]>,
}

impl<'a> HandleList<'a> {
    /// What is on the list can be inherited from now on, and by the child alone: whatever else this process
    /// starts has a list of its own.
    pub(super) fn new(handles: &'a [RawHandle]) -> io::Result<Self> {
        let mut size = 0;
        // SAFETY: without a list, only the size is written.
        unsafe { InitializeProcThreadAttributeList(null_mut(), 1, 0, &raw mut size) };
        let mut list = vec![0_usize; size.div_ceil(size_of::<usize>())];
        // SAFETY: the list has the size that was asked for, and usize's alignment, which is a pointer's.
        if unsafe { InitializeProcThreadAttributeList(list.as_mut_ptr().cast(), 1, 0, &raw mut size) } == 0 {
            return Err(io::Error::last_os_error());
        }
        let mut list = HandleList { list, _handles: PhantomData };
        list.put(handles)?;
        Ok(list)
    }

    fn put(&mut self, handles: &'a [RawHandle]) -> io::Result<()> {
        if handles.is_empty() {
            return Ok(());
        }
        for &handle in handles {
            // SAFETY: a flag of an open handle is set.
            unsafe { SetHandleInformation(handle, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) };
        }
        // SAFETY: the list was initialized, and the handles live as long as it.
        let done = unsafe {
            UpdateProcThreadAttribute(
                self.list.as_mut_ptr().cast(),
                0,
                PROC_THREAD_ATTRIBUTE_HANDLE_LIST as usize,
                handles.as_ptr().cast(),
                size_of_val(handles),
                null_mut(),
                null(),
            )
        };
        if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// As a process is started with it.
    pub(super) fn as_ptr(&self) -> LPPROC_THREAD_ATTRIBUTE_LIST {
        self.list.as_ptr().cast_mut().cast()
    }
}

impl Drop for HandleList<'_> {
    fn drop(&mut self) {
        // SAFETY: it was initialized, and is not used any more.
        unsafe { DeleteProcThreadAttributeList(self.list.as_mut_ptr().cast()) };
    }
}
