//! `-x` and `--log`: what passes, both ways, as `hexdump -C` shows it, with time, connection and
//! direction.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use crate::{os, stderr};

/// Bytes on a line.
const WIDTH: usize = 16;

/// Where the bytes that pass are shown.
#[derive(Debug, Default)]
pub(crate) struct Dump {
    on_stderr: bool,
    log: Option<File>,
    /// The first error of the log: it is said once, at the end, and the bytes go on moving.
    failed: Mutex<Option<io::Error>>,
}

impl Dump {
    /// Shows on stderr, in a file of its own, or in both. The file is the user's alone: what passes may
    /// be secret.
    pub(crate) fn open(on_stderr: bool, log: Option<&Path>) -> io::Result<Self> {
        let create = |path| os::private(OpenOptions::new().write(true).create(true).truncate(true)).open(path);
        Ok(Dump { on_stderr, log: log.map(create).transpose()?, failed: Mutex::default() })
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.on_stderr || self.log.is_some()
    }

    /// Shows what passes in one direction of a connection.
    pub(crate) fn direction<'a>(&'a self, connection: u64, arrow: &'a str) -> impl Fn(&[u8]) + use<'a> {
        let offset = AtomicU64::new(0);
        move |bytes| {
            let start = offset.fetch_add(bytes.len() as u64, Relaxed);
            let time = humantime::format_rfc3339_micros(SystemTime::now());
            self.write(&format!("{time} #{connection} {arrow} {} bytes\n{}", bytes.len(), hexdump(start, bytes)));
        }
    }

    fn write(&self, text: &str) {
        if self.on_stderr {
            stderr::show(text);
        }
        if let Some(mut log) = self.log.as_ref()
            && let Err(error) = log.write_all(text.as_bytes())
        {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }

    /// The error that left the log incomplete, once.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// As `hexdump -C`, but that equal lines are all shown. Nothing in it can harm a terminal.
fn hexdump(mut offset: u64, bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(WIDTH) * 79);
    for line in bytes.chunks(WIDTH) {
        let _ = write!(text, "{offset:08x} ");
        for place in 0..WIDTH {
            let gap = if place % 8 == 0 { " " } else { "" };
            let _ = match line.get(place) {
                Some(byte) => write!(text, "{gap}{byte:02x} "),
                None => write!(text, "{gap}   "),
            };
        }
        text.push_str(" |");
        text.extend(line.iter().map(|&byte| if (0x20..0x7f).contains(&byte) { char::from(byte) } else { '.' }));
        text.push_str("|\n");
        offset += line.len() as u64;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `printf 'hello, world!\n\033[31m\000' | hexdump -C` prints, less its last line.
    #[test]
    fn it_looks_like_hexdump() {
        assert_eq!(
            hexdump(0, b"hello, world!\n\x1b[31m\0"),
            "00000000  68 65 6c 6c 6f 2c 20 77  6f 72 6c 64 21 0a 1b 5b  |hello, world!..[|\n\
             00000010  33 31 6d 00                                       |31m.|\n"
        );
    }
}
