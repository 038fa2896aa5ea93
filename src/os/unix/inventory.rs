//! Which named pipes there are, and who serves them: what stands in the temporary directory, and what
//! /proc knows (Linux). Looking disturbs nobody, and every process is looked at once.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::name::{State, explained, look};
use super::place::{NAME_PREFIX, temporary_directory};
use super::procfs::{self, NamedSocket, Role};
use crate::os::{FoundPipe, PipeKind};

/// Everything that could be connected to by a name: what .NET calls named pipes, abstract sockets, and the
/// sockets and FIFOs in the temporary directory.
///
/// # Errors
/// A temporary directory that cannot be read.
pub(crate) fn pipes() -> io::Result<Vec<FoundPipe>> {
    let directory = std::path::absolute(temporary_directory())?;
    let mut files = files_in(&directory).map_err(|error| explained(error, &directory.join(NAME_PREFIX)))?;
    let sockets = procfs::named_sockets();
    for path in dotnet_elsewhere(&sockets) {
        files.entry(path.clone()).or_insert_with(|| File { path, is_fifo: false, user: None });
    }
    let holders = Holders::look(&sockets, &files);
    let mut found: Vec<FoundPipe> = files.values().filter_map(|file| holders.file(file, &sockets)).collect();
    found.extend(abstract_names(&sockets).map(|socket| holders.abstract_name(socket, &sockets)));
    found.sort_by(|one, other| (one.kind, &one.name, &one.path).cmp(&(other.kind, &other.name, &other.path)));
    Ok(found)
}

/// A socket or a FIFO.
struct File {
    path: PathBuf,
    is_fifo: bool,
    user: Option<u32>,
}

fn files_in(directory: &Path) -> io::Result<BTreeMap<PathBuf, File>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        // One that is removed meanwhile is not there.
        let Ok(found) = entry.metadata() else { continue };
        let (kind, path) = (found.file_type(), entry.path());
        if kind.is_socket() || kind.is_fifo() {
            files.insert(path.clone(), File { path, is_fifo: kind.is_fifo(), user: Some(found.uid()) });
        }
    }
    Ok(files)
}

/// Servers that .NET programs with another TMPDIR have.
fn dotnet_elsewhere(sockets: &[NamedSocket]) -> impl Iterator<Item = PathBuf> {
    let listening = sockets.iter().filter(|socket| socket.role == Role::Listens);
    listening.map(|socket| PathBuf::from(OsStr::from_bytes(&socket.path))).filter(|path| {
        let name = path.file_name().map(OsStrExt::as_bytes).unwrap_or_default();
        path.is_absolute() && name.starts_with(NAME_PREFIX.as_bytes())
    })
}

fn abstract_names(sockets: &[NamedSocket]) -> impl Iterator<Item = &NamedSocket> {
    sockets.iter().filter(|socket| socket.role == Role::Listens && socket.path.starts_with(b"@"))
}

/// Who has what open, as far as we may see it.
#[derive(Default)]
struct Holders {
    /// Processes by the number of a named socket that they have.
    of_socket: HashMap<u64, Vec<u32>>,
    /// The same for a FIFO's path, and whether they read it.
    of_fifo: HashMap<PathBuf, Vec<(u32, bool)>>,
    /// Sockets that stand for a file: by its path, as seen from the process that has them.
    at_path: HashMap<PathBuf, u64>,
}

impl Holders {
    /// Looks once at everything that every process has open.
    fn look(sockets: &[NamedSocket], files: &BTreeMap<PathBuf, File>) -> Self {
        let named: HashMap<u64, &NamedSocket> = sockets.iter().map(|socket| (socket.inode, socket)).collect();
        let mut holders = Holders::default();
        for socket in sockets.iter().filter(|socket| socket.role != Role::Serves && socket.path.starts_with(b"/")) {
            holders.stands_at(PathBuf::from(OsStr::from_bytes(&socket.path)), socket.inode);
        }
        for pid in procfs::processes() {
            for (number, target) in procfs::open_files(pid) {
                if let Some(socket) = socket_number(&target).and_then(|inode| named.get(&inode)) {
                    holders.of_socket.entry(socket.inode).or_default().push(pid);
                    let is_relative = !socket.path.starts_with(b"/") && !socket.path.starts_with(b"@");
                    if is_relative
                        && socket.role != Role::Serves
                        && let Some(path) = procfs::seen_from(pid, &socket.path)
                    {
                        holders.stands_at(path, socket.inode);
                    }
                } else if files.get(&target).is_some_and(|file| file.is_fifo) {
                    let reads = procfs::reads(pid, &number);
                    holders.of_fifo.entry(target).or_default().push((pid, reads));
                }
            }
        }
        holders
    }

    /// Of two that were bound to the same path the younger one has it.
    fn stands_at(&mut self, path: PathBuf, inode: u64) {
        let has_it = self.at_path.entry(path).or_insert(inode);
        *has_it = inode.max(*has_it);
    }

    fn file(&self, file: &File, sockets: &[NamedSocket]) -> Option<FoundPipe> {
        let name = file.path.file_name().unwrap_or_default();
        let bare =
            name.as_bytes().strip_prefix(NAME_PREFIX.as_bytes()).filter(|bare| !bare.is_empty() && !file.is_fifo);
        let kind = match bare {
            Some(_) => PipeKind::Name,
            None if file.is_fifo => PipeKind::Fifo,
            None => PipeKind::Socket,
        };
        let name = String::from_utf8_lossy(bare.unwrap_or(name.as_bytes())).into_owned();
        let found = FoundPipe { name, path: file.path.display().to_string(), kind, ..nothing(file.user) };
        if file.is_fifo { Some(self.fifo(file, found)) } else { self.socket(file, sockets, found) }
    }

    fn socket(&self, file: &File, sockets: &[NamedSocket], found: FoundPipe) -> Option<FoundPipe> {
        let inode = self.at_path.get(&file.path).copied();
        let is_live = match look(&file.path) {
            Ok(State::Free) => return None,
            Ok(state) => state == State::Live,
            // Another user's: the table knows.
            Err(_) => inode.is_some(),
        };
        let listening = sockets.iter().find(|socket| Some(socket.inode) == inode).filter(|_| is_live);
        Some(listening.map_or(FoundPipe { is_live, ..found.clone() }, |socket| self.served(socket, sockets, found)))
    }

    fn abstract_name(&self, socket: &NamedSocket, sockets: &[NamedSocket]) -> FoundPipe {
        let path = String::from_utf8_lossy(&socket.path).into_owned();
        let found = FoundPipe { name: path[1..].to_owned(), path, kind: PipeKind::Abstract, ..nothing(None) };
        self.served(socket, sockets, found)
    }

    /// What is known of a live socket.
    fn served(&self, socket: &NamedSocket, sockets: &[NamedSocket], found: FoundPipe) -> FoundPipe {
        let none = Vec::new();
        let pids = |inode: u64| self.of_socket.get(&inode).unwrap_or(&none);
        let holders = pids(socket.inode);
        // The first one has handed it on to others, if there are any; systemd keeps what it has handed on.
        let pid = holders.iter().copied().filter(|&pid| pid != 1).min().or(holders.first().copied());
        let is_its_own = |client: &NamedSocket| {
            socket.path.starts_with(b"/")
                || socket.path.starts_with(b"@")
                || pids(client.inode).iter().any(|pid| holders.contains(pid))
        };
        let clients = sockets.iter().filter(|client| client.role == Role::Serves && client.path == socket.path);
        let connections = clients.filter(|client| is_its_own(client)).count();
        let (user, program) = pid.map_or((None, None), procfs::who_is);
        FoundPipe { is_live: true, user: user.or(found.user), pid, program, connections, ..found }
    }

    /// A FIFO is served by who reads it, and its clients are the others who have it open.
    fn fifo(&self, file: &File, found: FoundPipe) -> FoundPipe {
        let mut pids: Vec<(u32, bool)> = self.of_fifo.get(&file.path).cloned().unwrap_or_default();
        pids.sort_by_key(|&(pid, reads)| (pid, !reads));
        let Some(&(pid, _)) = pids.iter().find(|(_, reads)| *reads).or(pids.first()) else { return found };
        pids.dedup_by_key(|(pid, _)| *pid);
        let (user, program) = procfs::who_is(pid);
        FoundPipe {
            is_live: true,
            user: user.or(found.user),
            pid: Some(pid),
            program,
            connections: pids.len() - 1,
            ..found
        }
    }
}

fn nothing(user: Option<u32>) -> FoundPipe {
    let (name, path) = (String::new(), String::new());
    FoundPipe { name, path, kind: PipeKind::Socket, is_live: false, user, pid: None, program: None, connections: 0 }
}

/// The number in `socket:[123]`.
fn socket_number(target: &Path) -> Option<u64> {
    let digits = target.as_os_str().as_bytes().strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    str::from_utf8(digits).ok()?.parse().ok()
}
