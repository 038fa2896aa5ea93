//! A service manager that hands listening pipes over and wants to know when clients can connect: there is none.

use std::io;

use super::listener::Listener;
use super::place::Place;
use crate::os::Mode;

/// Nothing was handed over.
#[derive(Debug)]
pub(crate) struct HandedOver;

impl HandedOver {
    pub(crate) fn take() -> io::Result<Self> {
        Ok(HandedOver)
    }

    pub(crate) fn is_empty(&self) -> bool {
        true
    }

    pub(crate) fn holds(&self, _: u32) -> bool {
        false
    }
}

/// There is nobody to be told.
pub(crate) fn notify_ready() -> io::Result<()> {
    Ok(())
}

impl Listener {
    /// Never asked for, since nothing was handed over.
    pub(crate) fn inherited(_: HandedOver, _: &Place, _: Option<&str>, _: Mode) -> io::Result<(Self, String)> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "on Windows nobody hands pipes over"))
    }
}
