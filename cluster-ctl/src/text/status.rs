//! Statuses of pins.

use super::{Text, cid};
use cluster_client::api_types::GlobalPinInfo;
use std::io::{self, Write};

impl Text for GlobalPinInfo {
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "{}", cid(&self.cid))?;
        if !self.name.is_empty() {
            write!(out, " | {}", self.name)?;
        }
        writeln!(out, ":")?;
        for (peer, status) in self.peers() {
            let name = if status.peername.is_empty() { peer } else { status.peername.as_str() };
            write!(out, "    > {name:<20} : {}", status.status.name().to_uppercase())?;
            if !status.error.is_empty() {
                write!(out, ": {}", status.error)?;
            }
            writeln!(
                out,
                " | {} | Attempts: {} | Priority: {}",
                status.timestamp, status.attempt_count, status.priority_pin
            )?;
        }
        Ok(())
    }
}
