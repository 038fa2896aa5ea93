//! Anonymous pipes on Windows: not there yet. HANDLEs in decimal, and a handle list in STARTUPINFOEX so
//! that a child inherits these and no others: which is why they are handed over with the command, and not
//! by being inheritable.

use std::fmt;
use std::io;
use std::process::Command;
use std::sync::Arc;

use super::not_yet;
use super::pumps::{Sink, Source, Wake};

#[derive(Debug)]
pub(crate) struct HandleId;

impl HandleId {
    pub(crate) fn reserve(_count: usize) -> io::Result<Vec<Self>> {
        Err(not_yet("spawn-child"))
    }

    pub(crate) fn child_reads(&mut self, _over: Arc<Wake>, _size: Option<usize>) -> io::Result<Sink> {
        Err(not_yet("spawn-child"))
    }

    pub(crate) fn child_writes(&mut self, _over: Arc<Wake>, _size: Option<usize>) -> io::Result<Source> {
        Err(not_yet("spawn-child"))
    }
}

impl fmt::Display for HandleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0")
    }
}

/// A handle has no path here.
pub(crate) fn handle_path(id: &HandleId) -> String {
    id.to_string()
}

pub(crate) fn hand_over(_: &mut Command, _: Vec<HandleId>) {}
