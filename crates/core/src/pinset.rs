//! The pinset
