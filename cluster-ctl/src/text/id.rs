//! Peers.

use super::Text;
use cluster_client::api_types::{AddrText, Id};
use std::io::{self, Write};

impl Text for Id {
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        if !self.error.is_empty() {
            return writeln!(out, "{} | ERROR: {}", self.id, self.error);
        }
        let others = self.cluster_peers.as_ref().map_or(0, Vec::len).saturating_sub(1);
        writeln!(out, "{} | {} | Sees {others} other peers", self.id, self.peername)?;
        writeln!(out, "  > Addresses:")?;
        write_sorted(&self.addresses, out)?;
        if !self.ipfs.error.is_empty() {
            return writeln!(out, "  > IPFS ERROR: {}", self.ipfs.error);
        }
        writeln!(out, "  > IPFS: {}", self.ipfs.id.as_deref().unwrap_or_default())?;
        write_sorted(&self.ipfs.addresses, out)
    }
}

fn write_sorted(addresses: &Option<Vec<AddrText>>, out: &mut dyn Write) -> io::Result<()> {
    let mut sorted: Vec<&AddrText> = addresses.iter().flatten().collect();
    sorted.sort();
    sorted.into_iter().try_for_each(|address| writeln!(out, "    - {address}"))
}
