//! Recounting everything derived.
