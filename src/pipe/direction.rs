//! Which way bytes go, always from this process's side (.NET's `PipeDirection`).

use crate::os::OneWay;

/// What this process does with the pipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Direction {
    /// It receives.
    In,
    /// It sends.
    Out,
    /// Both, at once.
    #[default]
    InOut,
}

impl Direction {
    /// Do we send?
    pub(crate) fn sends(self) -> bool {
        self != Direction::In
    }

    /// Do we receive?
    pub(crate) fn receives(self) -> bool {
        self != Direction::Out
    }
}

impl From<OneWay> for Direction {
    fn from(way: OneWay) -> Self {
        match way {
            OneWay::In => Direction::In,
            OneWay::Out => Direction::Out,
        }
    }
}
