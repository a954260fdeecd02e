//! The file that remembers peers between runs (wire-protocol §6, api §6.11).

use super::address_book::AddressBook;
use cluster_core::{Multiaddr, PeerId};
use libp2p::multiaddr::Protocol;
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
};

/// Bytes read of the file; what comes after is ignored.
const MAX_FILE: u64 = 4 << 20;

/// Splits an address into the peer at its end and the rest.
pub(super) fn split(address: &Multiaddr) -> Option<(PeerId, Multiaddr)> {
    let mut rest = address.clone();
    match rest.pop() {
        Some(Protocol::P2p(peer)) => Some((peer, rest)),
        _ => None,
    }
}

/// Parses the file: one address a line, each ending in `/p2p/<id>`; the first lines rank first. Other lines are
/// skipped.
pub(super) fn parse(text: &str) -> Vec<(PeerId, Multiaddr)> {
    let lines = text.lines().map(str::trim).filter(|line| line.starts_with('/'));
    lines.filter_map(|line| split(&line.parse().ok()?)).collect()
}

/// Takes the lines that name a domain instead of a peer. Go looks them up; here they are kept for it and not used.
pub(super) fn domains(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| line.starts_with("/dnsaddr/"));
    lines
        .filter(|line| line.parse().is_ok_and(|address| split(&address).is_none()))
        .map(str::to_owned)
        .collect()
}

/// Writes what the file holds: the domains that stood in it, then all peers.
pub(super) fn format(book: &AddressBook, own: &PeerId, domains: &[String]) -> String {
    let mut text: String = domains.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    for peer in book.ranked().iter().filter(|peer| *peer != own) {
        for address in book.addresses_of(peer) {
            text.push_str(&address.to_string());
            text.push('\n');
        }
    }
    text
}

/// Reads the file; one that is not there is empty.
pub(super) fn read(path: &Path) -> io::Result<String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Replaces the file as a whole: after a crash it is the old one or the new one. Blocks.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    let beside = path.with_file_name(name);
    let mut file = File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_bad_lines_are_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peerstore");
        assert_eq!(read(&path).unwrap(), "");
        let (a, b, own) = (PeerId::random(), PeerId::random(), PeerId::random());
        let mut book = AddressBook::default();
        book.give(
            a,
            &["/ip4/1.2.3.4/tcp/1".parse().unwrap(), "/dns4/x.example/tcp/2".parse().unwrap()],
            7,
            false,
        );
        book.give(b, &["/ip4/1.2.3.4/tcp/3/ws".parse().unwrap()], 0, true);
        book.give(own, &["/ip4/1.2.3.4/tcp/4".parse().unwrap()], 0, true);
        let text = format(&book, &own, &[]);
        assert_eq!(text, format!("/ip4/1.2.3.4/tcp/3/ws/p2p/{b}\n/dns4/x.example/tcp/2/p2p/{a}\n"));
        write(&path, &text).unwrap();
        let more = format!("{}\n# note\n/ip4/1.2.3.4\n/nonsense/1\n  \n", read(&path).unwrap());
        let peers: Vec<PeerId> = parse(&more).into_iter().map(|(peer, _)| peer).collect();
        assert_eq!(peers, [b, a]);
        let more = format!("/dnsaddr/x.example\n/dnsaddr/y.example/p2p/{a}\n/dnsaddr\n{more}");
        assert_eq!(domains(&more), ["/dnsaddr/x.example"]);
        assert_eq!(format(&book, &own, &domains(&more)), format!("/dnsaddr/x.example\n{text}"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
