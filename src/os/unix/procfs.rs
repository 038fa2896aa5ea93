//! What /proc says about sockets and who holds them (Linux; elsewhere nothing is known).
//! Looking here disturbs nobody, which a connection to ask would.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A socket with a name.
pub(super) struct NamedSocket {
    /// Its number in the socket file system, by which file descriptors name it.
    pub(super) inode: u64,
    /// The path it was bound to, as its owner wrote it, or `@NAME`.
    pub(super) path: Vec<u8>,
    /// What it is for.
    pub(super) role: Role,
}

/// What a named socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Clients connect to it.
    Listens,
    /// The server's end of a connection, which has its server's name.
    Serves,
    /// Anything else: datagrams, or not yet listening.
    Other,
}

/// `__SO_ACCEPTCON` in the Flags column of /proc/net/unix.
const LISTENS: u32 = 0x0001_0000;
/// `SS_CONNECTED` in its column St.
const CONNECTED: &str = "03";

/// Every socket of this network namespace that listens under a name.
pub(super) fn listening_sockets() -> Vec<NamedSocket> {
    named_sockets().into_iter().filter(|socket| socket.role == Role::Listens).collect()
}

/// Every socket of this network namespace that has a name.
pub(super) fn named_sockets() -> Vec<NamedSocket> {
    let table = fs::read("/proc/net/unix").unwrap_or_default();
    table.split(|&byte| byte == b'\n').skip(1).filter_map(named_socket).collect()
}

/// A line of the table: `Num: RefCount Protocol Flags Type St Inode Path` (proc(5)).
fn named_socket(line: &[u8]) -> Option<NamedSocket> {
    let mut rest = line;
    let mut columns = [""; 7];
    for column in &mut columns {
        rest = rest.trim_ascii_start();
        let end = rest.iter().position(|&byte| byte == b' ')?;
        *column = str::from_utf8(&rest[..end]).ok()?;
        rest = &rest[end..];
    }
    let flags = u32::from_str_radix(columns[3], 16).ok()?;
    let role = match columns[5] {
        _ if flags & LISTENS != 0 => Role::Listens,
        CONNECTED => Role::Serves,
        _ => Role::Other,
    };
    Some(NamedSocket { inode: columns[6].parse().ok()?, path: rest[1..].to_vec(), role })
}

/// The process that listens at `path`, where we may see it.
pub(super) fn listener_at(path: &Path) -> Option<u32> {
    let wanted = std::path::absolute(path).ok()?;
    let named: Vec<NamedSocket> =
        listening_sockets().into_iter().filter(|socket| socket.path.ends_with(last_component(path))).collect();
    processes().find(|&pid| {
        named.iter().any(|socket| holds(pid, socket.inode) && seen_from(pid, &socket.path) == Some(wanted.clone()))
    })
}

fn last_component(path: &Path) -> &[u8] {
    path.file_name().map(OsStrExt::as_bytes).unwrap_or_default()
}

pub(super) fn processes() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn holds(pid: u32, inode: u64) -> bool {
    let socket = format!("socket:[{inode}]");
    open_files(pid).any(|(_, target)| target.as_os_str() == &*socket)
}

/// What a process has open, where we may see it: the numbers, and what is behind them.
pub(super) fn open_files(pid: u32) -> impl Iterator<Item = (OsString, PathBuf)> {
    fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().filter_map(|entry| {
        let entry = entry.ok()?;
        Some((entry.file_name(), fs::read_link(entry.path()).ok()?))
    })
}

/// Does a process read the file that it has open under a number? (`flags` of /proc/PID/fdinfo, proc(5)).
pub(super) fn reads(pid: u32, number: &OsStr) -> bool {
    let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{}", number.display())).unwrap_or_default();
    let flags = info.lines().find_map(|line| u32::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok());
    flags.is_some_and(|flags| flags & 3 != 1)
}

/// The user whose process it is, and the name of its program.
pub(super) fn who_is(pid: u32) -> (Option<u32>, Option<String>) {
    let user = fs::metadata(format!("/proc/{pid}")).ok().map(|found| found.uid());
    let program = fs::read(format!("/proc/{pid}/comm")).ok();
    (user, program.map(|name| String::from_utf8_lossy(name.trim_ascii_end()).into_owned()))
}

/// The absolute form of a path that process `pid` wrote, perhaps relative to its own directory.
pub(super) fn seen_from(pid: u32, path: &[u8]) -> Option<PathBuf> {
    let directory = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
    std::path::absolute(directory.join(OsStr::from_bytes(path))).ok()
}
