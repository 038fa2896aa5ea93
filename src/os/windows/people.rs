//! Users, and who is at the other end of a pipe.
//!
//! Windows knows users by SIDs. Here one has a number, its last part (which is what `whoami /user` shows
//! last); where two SIDs have the same, the second that is seen gets another. SYSTEM and Administrators are 0:
//! they could take our memory anyway, and what an elevated process makes belongs to Administrators.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::ptr::null_mut;
use std::sync::{LazyLock, Mutex, PoisonError};

use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSidToSidW, GetSecurityInfo, SE_KERNEL_OBJECT,
};
use windows_sys::Win32::Security::{
    GetTokenInformation, LookupAccountNameW, LookupAccountSidW, OWNER_SECURITY_INFORMATION, PSID,
    TOKEN_INFORMATION_CLASS, TOKEN_QUERY, TokenOwner, TokenUser,
};
use windows_sys::Win32::System::Pipes::{GetNamedPipeClientProcessId, GetNamedPipeServerProcessId};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, OpenProcess, OpenProcessToken, PROCESS_QUERY_LIMITED_INFORMATION,
};

use super::pipe::wide;
use crate::os::Peer;

/// LocalSystem, and the group of administrators.
const MIGHTY: [&str; 2] = ["S-1-5-18", "S-1-5-32-544"];
/// Enough for any SID (SECURITY_MAX_SID_SIZE is 68), and for what stands around one.
const ROOM: usize = 256;

/// The SIDs that have been seen, and their numbers.
static SEEN: Mutex<Vec<(u32, String)>> = Mutex::new(Vec::new());

static CURRENT: LazyLock<Option<String>> = LazyLock::new(|| of_current_process(TokenUser));
/// Whom the things belong to that this process makes, unless it says otherwise: for some the user, for others
/// a group that stands for it (which .NET compares for the same reason).
static CURRENT_OWNER: LazyLock<Option<String>> = LazyLock::new(|| of_current_process(TokenOwner));

fn of_current_process(what: TOKEN_INFORMATION_CLASS) -> Option<String> {
    // SAFETY: a constant that stands for this process, and needs no closing.
    of_process(unsafe { GetCurrentProcess() }, what)
}

/// The number of the user whose rights this process acts with.
pub(crate) fn current_user() -> u32 {
    // Nobody has the last number.
    CURRENT.as_deref().map_or(u32::MAX, number)
}

/// The same user's SID.
pub(super) fn current_sid() -> io::Result<&'static str> {
    CURRENT.as_deref().ok_or_else(|| io::Error::other("this process's user cannot be known"))
}

/// The name of user `id`, where it has one.
pub(crate) fn user_name(id: u32) -> Option<String> {
    let known = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let sid = known.iter().find(|(number, _)| *number == id).map(|(_, sid)| sid.clone());
    drop(known);
    account(sid.as_deref().or((id == 0).then_some(MIGHTY[1]))?)
}

/// A user, by name or SID.
pub(crate) fn user_id(name: &str) -> Option<u32> {
    named_sid(name).or_else(|| with_sid(name, as_text)?).as_deref().map(number)
}

/// Groups have no part in a pipe's permissions here.
pub(crate) fn group_id(_: &str) -> Option<u32> {
    // Accepted, so that the option is refused by its own name and not for its value.
    Some(0)
}

/// Who connected to a pipe that we serve: the user of the process that did. (To take on its identity would be
/// surer, but Windows has one that has read something first.)
pub(super) fn client_of(pipe: RawHandle) -> Option<Peer> {
    let mut pid = 0;
    // SAFETY: one u32 is written.
    (unsafe { GetNamedPipeClientProcessId(pipe, &raw mut pid) } != 0)
        .then(|| peer(pid, user_of_process_id(pid)))
        .flatten()
}

/// Who made the pipe that we opened. Its owner tells; Wine's pipes have none, and there its process does.
pub(super) fn server_of(pipe: RawHandle) -> Option<Peer> {
    let mut pid = 0;
    // SAFETY: one u32 is written.
    let told = unsafe { GetNamedPipeServerProcessId(pipe, &raw mut pid) } != 0;
    let pid = if told { pid } else { 0 };
    let owner = owner_of(pipe).or_else(|| user_of_process_id(pid));
    let is_ours = owner.is_some() && owner == *CURRENT_OWNER;
    peer(pid, if is_ours { CURRENT.clone() } else { owner })
}

fn peer(pid: u32, sid: Option<String>) -> Option<Peer> {
    sid.map(|sid| Peer { user: number(&sid), group: 0, pid: Some(pid).filter(|&pid| pid != 0) })
}

fn owner_of(pipe: RawHandle) -> Option<String> {
    let (mut owner, mut descriptor) = (null_mut(), null_mut());
    // SAFETY: two pointers are written; the owner stands in the descriptor, which is ours to free.
    let failed = unsafe {
        GetSecurityInfo(
            pipe,
            SE_KERNEL_OBJECT,
            OWNER_SECURITY_INFORMATION,
            &raw mut owner,
            null_mut(),
            null_mut(),
            null_mut(),
            &raw mut descriptor,
        )
    };
    let sid = (failed == 0 && !owner.is_null()).then(|| as_text(owner)).flatten();
    // SAFETY: it came from a call whose memory is freed so; null is nothing.
    unsafe { LocalFree(descriptor) };
    sid
}

fn user_of_process_id(pid: u32) -> Option<String> {
    // SAFETY: a process that is not there, or may not be asked, is a null handle.
    let process = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid) };
    if process.is_null() {
        return None;
    }
    // SAFETY: just opened.
    let process = unsafe { OwnedHandle::from_raw_handle(process) };
    of_process(process.as_raw_handle(), TokenUser)
}

/// The SID of a process's user, or of the owner of what it makes.
fn of_process(process: RawHandle, what: TOKEN_INFORMATION_CLASS) -> Option<String> {
    let mut token = null_mut();
    // SAFETY: one handle is written if the call succeeds.
    if unsafe { OpenProcessToken(process, TOKEN_QUERY, &raw mut token) } == 0 {
        return None;
    }
    // SAFETY: just opened.
    let token = unsafe { OwnedHandle::from_raw_handle(token) };
    // u64s, so that the structure in front is aligned.
    let mut answer = [0_u64; ROOM / 8];
    let (mut length, room) = (0, u32::try_from(ROOM).unwrap_or(0));
    // SAFETY: the buffer has that room.
    let told =
        unsafe { GetTokenInformation(token.as_raw_handle(), what, answer.as_mut_ptr().cast(), room, &raw mut length) };
    // SAFETY: both are answered with a structure that begins with a SID, which stands behind it in the buffer.
    (told != 0).then(|| as_text(unsafe { *answer.as_ptr().cast::<PSID>() })).flatten()
}

fn number(sid: &str) -> u32 {
    if MIGHTY.contains(&sid) {
        return 0;
    }
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((number, _)) = seen.iter().find(|(_, other)| other == sid) {
        return *number;
    }
    let mut number = sid.rsplit('-').next().and_then(|last| last.parse().ok()).unwrap_or(1);
    while number == 0 || number == u32::MAX || seen.iter().any(|(other, _)| *other == number) {
        number = number.wrapping_add(1_000_000);
    }
    seen.push((number, sid.to_owned()));
    number
}

fn as_text(sid: PSID) -> Option<String> {
    let mut text = null_mut();
    // SAFETY: the SID is valid, and the answer is a text that ends in a zero and is ours to free.
    if unsafe { ConvertSidToStringSidW(sid, &raw mut text) } == 0 {
        return None;
    }
    // SAFETY: up to its zero the text is there.
    let length = (0..usize::MAX).find(|&at| unsafe { *text.add(at) } == 0).unwrap_or(0);
    // SAFETY: as above.
    let sid = String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(text, length) });
    // SAFETY: freed as its maker says, and not used any more.
    unsafe { LocalFree(text.cast()) };
    Some(sid)
}

/// Calls `with` with the SID that `text` is.
fn with_sid<T>(text: &str, with: impl FnOnce(PSID) -> T) -> Option<T> {
    let (text, mut sid) = (wide(text), null_mut());
    // SAFETY: the text ends in a zero, and the answer is ours to free.
    if unsafe { ConvertStringSidToSidW(text.as_ptr(), &raw mut sid) } == 0 {
        return None;
    }
    let result = with(sid);
    // SAFETY: freed as its maker says, and not used any more.
    unsafe { LocalFree(sid) };
    Some(result)
}

fn named_sid(name: &str) -> Option<String> {
    let name = wide(name);
    let (mut sid, mut domain) = ([0_u64; ROOM / 8], [0_u16; ROOM]);
    let room = u32::try_from(ROOM).unwrap_or(0);
    let (mut sid_room, mut domain_room, mut kind) = (room, room, 0);
    // SAFETY: the name ends in a zero, and the buffers have the room that is given.
    let found = unsafe {
        LookupAccountNameW(
            std::ptr::null(),
            name.as_ptr(),
            sid.as_mut_ptr().cast(),
            &raw mut sid_room,
            domain.as_mut_ptr(),
            &raw mut domain_room,
            &raw mut kind,
        )
    };
    (found != 0).then(|| as_text(sid.as_mut_ptr().cast())).flatten()
}

fn account(sid: &str) -> Option<String> {
    let (mut name, mut domain) = ([0_u16; ROOM], [0_u16; ROOM]);
    let room = u32::try_from(ROOM).unwrap_or(0);
    let (mut name_room, mut domain_room, mut kind) = (room, room, 0);
    let found = with_sid(sid, |sid| {
        // SAFETY: the SID is valid, and the buffers have the room that is given.
        unsafe {
            LookupAccountSidW(
                std::ptr::null(),
                sid,
                name.as_mut_ptr(),
                &raw mut name_room,
                domain.as_mut_ptr(),
                &raw mut domain_room,
                &raw mut kind,
            )
        }
    })?;
    let text =
        |buffer: &[u16], length: u32| String::from_utf16_lossy(buffer.get(..length as usize).unwrap_or_default());
    (found != 0).then(|| format!(r"{}\{}", text(&domain, domain_room), text(&name, name_room)))
}
