//! Entries of the pinset.

use super::{Text, cid};
use cluster_client::{
    PinMode,
    api_types::{PeerText, Pin},
};
use std::io::{self, Write};

impl Text for Pin {
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let options = &self.options;
        let direct = if options.mode == PinMode::Direct { "-DIRECT" } else { "" };
        write!(
            out,
            "{} | {} | {}{direct} | ",
            cid(&self.cid),
            options.name,
            self.kind.name().to_uppercase()
        )?;
        let (min, max) = (options.replication_factor_min, options.replication_factor_max);
        if (min, max) == (-1, -1) {
            write!(out, "Repl. Factor: -1 | Allocations: [everywhere]")?;
        } else {
            let mut peers: Vec<&PeerText> = self.allocations.iter().flatten().collect();
            peers.sort();
            let peers: Vec<&str> = peers.into_iter().map(PeerText::as_str).collect();
            write!(out, "Repl. Factor: {min}--{max} | Allocations: [{}]", peers.join(" "))?;
        }
        match self.max_depth {
            0 => write!(out, " | Direct")?,
            depth if depth < 0 => write!(out, " | Recursive")?,
            depth => write!(out, " | Recursive-{depth}")?,
        }
        let metadata = options.metadata.as_ref().is_some_and(|m| !m.is_empty());
        write!(out, " | Metadata: {}", if metadata { "yes" } else { "no" })?;
        let date = |time: cluster_client::api_types::Timestamp, none: &str| {
            if time.is_zero() { none.to_owned() } else { time.date_and_time() }
        };
        writeln!(out, " | Exp: {} | Added: {}", date(options.expire_at, "∞"), date(self.timestamp, "unknown"))
    }
}
