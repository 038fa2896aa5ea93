//! Programs that are not ours, in both roles.
