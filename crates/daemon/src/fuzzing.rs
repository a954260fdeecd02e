//! What the fuzzer calls: configurations from URLs. Nothing here panics unless there is a bug.

use crate::{Config, Environment, config::ConfigFormat};
use std::path::Path;

/// A target: its name, and what reads the bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Each target there is.
pub const TARGETS: [Target; 1] = [("config", config)];

/// Reads a configuration in both notations. One without mistakes is written in each and read as the same.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let read = |text: &str, format| {
        let path = Path::new("/nowhere/service");
        Config::from_text(text, path, format, &Environment::of::<&str, &str>([]))
            .map(|(config, _)| config)
            .ok()
    };
    for format in [ConfigFormat::Toml, ConfigFormat::Json] {
        let Some(config) = read(text, format) else { continue };
        let written = config.to_toml();
        let again = read(&written, ConfigFormat::Toml).map(|config| config.to_toml());
        assert!(again.is_some_and(|again| *again == *written), "a configuration changes");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_is_read() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/corpus");
        for (name, target) in super::TARGETS {
            let mut seeds = 0;
            for seed in std::fs::read_dir(format!("{corpus}/{name}")).unwrap() {
                let bytes = std::fs::read(seed.unwrap().path()).unwrap();
                (0..=bytes.len()).for_each(|length| target(&bytes[..length]));
                seeds += 1;
            }
            assert!(seeds > 0, "{name}");
        }
    }
}
