//! Which named pipes there are: Windows has all of them in one directory. To ask for more than stands there a
//! pipe has to be opened, which would make us its client: so nothing is known of who serves it.

use std::fs;
use std::io;

use crate::os::{FoundPipe, PipeKind};

/// Where all pipes are.
const DIRECTORY: &str = r"\\.\pipe\";

/// All named pipes, by their names.
///
/// # Errors
/// A directory that cannot be read: Wine 8 has none (ERROR_BAD_DEV_TYPE).
pub(crate) fn pipes() -> io::Result<Vec<FoundPipe>> {
    let found = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        // What is the size of a file is the number of instances of a pipe.
        Ok(pipe(&entry.file_name().to_string_lossy(), entry.metadata()?.len()))
    };
    let mut pipes = fs::read_dir(DIRECTORY)?.map(found).collect::<io::Result<Vec<_>>>()?;
    pipes.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(pipes)
}

/// A name is there as long as somebody serves it, so that none is stale. Windows counts instances, whether they
/// have a client or wait for one.
fn pipe(name: &str, instances: u64) -> FoundPipe {
    FoundPipe {
        name: name.to_owned(),
        path: format!("{DIRECTORY}{name}"),
        kind: PipeKind::Name,
        is_live: true,
        user: None,
        pid: None,
        program: None,
        connections: usize::try_from(instances).unwrap_or(usize::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_live_and_nobodys() {
        let found = pipe(r"LOCAL\x", 3);
        assert_eq!((found.path.as_str(), found.connections), (r"\\.\pipe\LOCAL\x", 3));
        assert!(found.is_live && found.user.is_none() && found.pid.is_none());
    }
}
