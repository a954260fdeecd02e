//! One program for each format that other peers write; what they do is in the crates' `fuzzing` modules, where the
//! gate runs it over the corpus.

pub use libfuzzer_sys;

/// Makes a program of the target with this name.
#[macro_export]
macro_rules! target {
    ($owner:ident, $name:literal) => {
        static TARGET: std::sync::LazyLock<fn(&[u8])> = std::sync::LazyLock::new(|| {
            let found = $owner::fuzzing::TARGETS.iter().find(|(name, _)| *name == $name);
            found.expect("there is no such target").1
        });

        $crate::libfuzzer_sys::fuzz_target!(|bytes: &[u8]| TARGET(bytes));
    };
}
