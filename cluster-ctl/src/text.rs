//! The text forms of what the API answers, byte for byte as scripts know them (api §4.5).

mod browse;
mod health;
mod id;
mod pin;
mod status;

use std::io::{self, Write};

/// Something that prints as one or more whole lines.
pub(crate) trait Text {
    /// Writes the lines.
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()>;
}

impl Text for String {
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{self}")
    }
}

impl Text for cluster_client::api_types::Version {
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.version)
    }
}

/// An undefined CID shows as the single letter of its empty multibase text.
fn cid(text: &cluster_client::api_types::CidText) -> &str {
    if text.is_defined() { text } else { "b" }
}

#[cfg(test)]
mod tests;
