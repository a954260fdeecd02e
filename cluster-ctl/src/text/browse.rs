//! Changes and totals, which the Go suite does not have.

use super::{Text, cid};
use cluster_client::api_types::{Event, Totals};
use std::io::{self, Write};

impl Text for Event {
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Some(pin) = &self.cid else { return writeln!(out, "{} | cursor {}", self.kind, self.cursor) };
        let what = match &self.status {
            Some(status) => status.to_uppercase(),
            None => self.kind.clone(),
        };
        writeln!(out, "{} | {} | {what} | cursor {}", cid(pin), self.time, self.cursor)
    }
}

impl Text for Totals {
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "pins: {}", self.pins)?;
        for (title, totals) in [
            ("types", &self.types),
            ("statuses on this peer", &self.statuses),
            ("allocations", &self.allocations),
        ] {
            if totals.is_empty() {
                continue;
            }
            writeln!(out, "{title}:")?;
            for (name, total) in totals {
                writeln!(out, "  > {name:<52} : {total}")?;
            }
        }
        Ok(())
    }
}
