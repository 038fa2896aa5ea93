//! Ownership of a name. Windows removes a pipe's name with its last instance, so there is nothing to give
//! back, and no name is ever stale.

/// A name that we may own.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnedName(());

impl OwnedName {
    /// There is nothing to do.
    pub(crate) fn remove(&self) {}
}
