//! Where the file of a program is.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

/// The file of a program: what has a directory in front is that file, everything else is looked for in PATH
/// and in Windows' own directory; never in the current one, where anybody may have put something.
pub(super) fn find(program: &OsStr) -> io::Result<PathBuf> {
    let path = Path::new(program);
    if path.components().nth(1).is_some() || path.is_absolute() {
        return runnable(path).ok_or_else(|| io::ErrorKind::NotFound.into()).and_then(no_script);
    }
    let system = std::env::var_os("SystemRoot").map(|root| Path::new(&root).join("System32"));
    let in_path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&in_path).chain(system).find_map(|directory| runnable(&directory.join(path)));
    found.ok_or_else(|| io::ErrorKind::NotFound.into()).and_then(no_script)
}

/// `path`, or with `.exe` behind it.
fn runnable(path: &Path) -> Option<PathBuf> {
    let with_exe = || {
        let mut name = path.as_os_str().to_owned();
        name.push(".exe");
        PathBuf::from(name)
    };
    [path.to_owned(), with_exe()].into_iter().find(|path| path.is_file())
}

/// cmd takes a command line apart by rules of its own: an argument could become a command.
fn no_script(path: PathBuf) -> io::Result<PathBuf> {
    let is_script =
        path.extension().is_some_and(|end| end.eq_ignore_ascii_case("bat") || end.eq_ignore_ascii_case("cmd"));
    if is_script {
        let why = "a script is run by its own program: write 'cmd /c' in front";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok(path)
}
