//! The tracker
