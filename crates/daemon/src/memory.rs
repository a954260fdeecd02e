//! How the process asks the system for memory.

/// Has memory given out in ordinary pages. The allocator asks for huge ones, and a process that needs a few MiB then
/// occupies twice as much, for no gain that could be measured.
pub fn keep_pages_small() {
    #[cfg(target_os = "linux")]
    if rustix::thread::disable_transparent_huge_pages(true).is_err() {
        // An old kernel: more memory is used, nothing else.
    }
}
