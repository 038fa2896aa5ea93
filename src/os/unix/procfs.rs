//! What /proc says about sockets and who holds them (Linux; elsewhere nothing is known).
//! Looking here disturbs nobody, which a connection to ask would.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A socket that listens.
pub(super) struct ListeningSocket {
    /// Its number in the socket file system, by which file descriptors name it.
    inode: u64,
    /// The path it was bound to, as its owner wrote it.
    pub(super) path: Vec<u8>,
}

/// `__SO_ACCEPTCON` in the Flags column of /proc/net/unix.
const LISTENS: u32 = 0x0001_0000;

/// Every socket of this network namespace that listens under a name.
pub(super) fn listening_sockets() -> Vec<ListeningSocket> {
    let table = fs::read("/proc/net/unix").unwrap_or_default();
    table.split(|&byte| byte == b'\n').skip(1).filter_map(listening_socket).collect()
}

/// A line of the table: `Num: RefCount Protocol Flags Type St Inode Path` (proc(5)).
fn listening_socket(line: &[u8]) -> Option<ListeningSocket> {
    let mut rest = line;
    let mut columns = [""; 7];
    for column in &mut columns {
        rest = rest.trim_ascii_start();
        let end = rest.iter().position(|&byte| byte == b' ')?;
        *column = str::from_utf8(&rest[..end]).ok()?;
        rest = &rest[end..];
    }
    let flags = u32::from_str_radix(columns[3], 16).ok()?;
    (flags & LISTENS != 0)
        .then(|| Some(ListeningSocket { inode: columns[6].parse().ok()?, path: rest[1..].to_vec() }))
        .flatten()
}

/// The process that listens at `path`, where we may see it.
pub(super) fn listener_at(path: &Path) -> Option<u32> {
    let wanted = std::path::absolute(path).ok()?;
    let named: Vec<ListeningSocket> =
        listening_sockets().into_iter().filter(|socket| socket.path.ends_with(last_component(path))).collect();
    processes().find(|&pid| {
        named.iter().any(|socket| holds(pid, socket.inode) && seen_from(pid, &socket.path) == Some(wanted.clone()))
    })
}

fn last_component(path: &Path) -> &[u8] {
    path.file_name().map(OsStrExt::as_bytes).unwrap_or_default()
}

fn processes() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn holds(pid: u32, inode: u64) -> bool {
    let socket = format!("socket:[{inode}]");
    fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .any(|target| target.as_os_str() == &*socket)
}

/// The absolute form of a path that process `pid` wrote, perhaps relative to its own directory.
fn seen_from(pid: u32, path: &[u8]) -> Option<std::path::PathBuf> {
    let directory = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
    std::path::absolute(directory.join(std::ffi::OsStr::from_bytes(path))).ok()
}
