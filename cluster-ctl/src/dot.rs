//! The connection graph in the DOT language, byte for byte as the reference draws it (api §4.9).

use cluster_client::api_types::{ConnectGraph, PeerText};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

/// How a node looks.
struct Look {
    color: &'static str,
    shape: &'static str,
    double: bool,
}

const SELF: Look = Look { color: "orange", shape: "box3d", double: true };
const TRUSTED: Look = Look { color: "orange", shape: "box3d", double: false };
const UNTRUSTED: Look = Look { color: "darkorange3", shape: "box3d", double: false };
const IPFS: Look = Look { color: "turquoise3", shape: "cylinder", double: false };
const NO_IPFS: Look = Look { color: "firebrick1", shape: "cylinder", double: false };

/// The graph with the names of its nodes.
struct Drawing<'a> {
    graph: &'a ConnectGraph,
    members: BTreeMap<&'a PeerText, String>,
    ipfs: BTreeMap<&'a PeerText, String>,
    /// Members without an IPFS peer, and the nodes that stand for the missing ones.
    missing: BTreeMap<&'a PeerText, String>,
}

/// Draws the graph; there is no line end after the last brace. Links from IPFS peers of the cluster to others are
/// drawn only with `all_ipfs_peers`, those to peers that are no members never.
pub(crate) fn draw(graph: &ConnectGraph, all_ipfs_peers: bool, out: &mut dyn Write) -> io::Result<()> {
    Drawing::new(graph, all_ipfs_peers).write(out)
}

impl<'a> Drawing<'a> {
    fn new(graph: &'a ConnectGraph, all_ipfs_peers: bool) -> Self {
        let members: BTreeMap<_, _> = graph
            .cluster_links
            .iter()
            .flatten()
            .enumerate()
            .map(|(n, (peer, _))| {
                let letter = if *peer != graph.cluster_id && is_trusted(graph, peer) { 'T' } else { 'C' };
                (peer, format!("{letter}{n}"))
            })
            .collect();
        let mut ipfs: BTreeSet<&PeerText> = graph.cluster_to_ipfs.iter().flatten().map(|(_, i)| i).collect();
        for (peer, linked) in graph.ipfs_links.iter().flatten() {
            ipfs.insert(peer);
            if all_ipfs_peers {
                ipfs.extend(linked.iter().flatten());
            }
        }
        let without = members.keys().copied().filter(|peer| ipfs_of(graph, peer).is_none());
        let missing = without.zip(ipfs.len()..).map(|(peer, n)| (peer, format!("I{n}"))).collect();
        let ipfs = ipfs.into_iter().zip(0..).map(|(peer, n)| (peer, format!("I{n}"))).collect();
        Self { graph, members, ipfs, missing }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "digraph cluster {{\n/* The nodes of the connectivity graph */")?;
        writeln!(out, "/* The cluster-service peers */\nsubgraph  {{\nrank=\"min\"")?;
        for (peer, node) in &self.members {
            let name = self.graph.id_to_peername.as_ref().and_then(|names| names.get(*peer));
            let look = if **peer == self.graph.cluster_id {
                SELF
            } else if is_trusted(self.graph, peer) {
                TRUSTED
            } else {
                UNTRUSTED
            };
            write_node(out, node, name.map_or("", String::as_str), &shortened(peer), peer, &look)?;
        }
        writeln!(out, "}}\n\n/* The ipfs peers */\nsubgraph  {{\nrank=\"max\"")?;
        for (peer, node) in &self.ipfs {
            write_node(out, node, "IPFS", &shortened(peer), peer, &IPFS)?;
        }
        for (peer, node) in &self.missing {
            write_node(out, node, "IPFS", "Errored", peer, &NO_IPFS)?;
        }
        writeln!(out, "}}\n\n/* Edges representing active connections in the cluster */")?;
        writeln!(out, "/* The connections among cluster-service peers */")?;
        self.write_edges(&self.members, &self.graph.cluster_links, out)?;
        writeln!(out, "\n/* The connections between cluster peers and their ipfs daemons */")?;
        for (peer, node) in &self.members {
            if let Some(missing) = self.missing.get(peer) {
                writeln!(out, "{node} -> {missing} [ style=\"dotted\" ]")?;
            } else if let Some(ipfs) = ipfs_of(self.graph, peer).and_then(|ipfs| self.ipfs.get(ipfs)) {
                writeln!(out, "{node} -> {ipfs}")?;
            }
        }
        writeln!(out, "\n/* The swarm peer connections among ipfs daemons in the cluster */")?;
        self.write_edges(&self.ipfs, &self.graph.ipfs_links, out)?;
        write!(out, "}}")
    }

    /// Writes the links whose both ends are drawn.
    fn write_edges(
        &self,
        nodes: &BTreeMap<&PeerText, String>,
        links: &Option<BTreeMap<PeerText, Option<Vec<PeerText>>>>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        for (peer, linked) in links.iter().flatten() {
            for other in linked.iter().flatten() {
                if let (Some(from), Some(to)) = (nodes.get(peer), nodes.get(other)) {
                    writeln!(out, "{from} -> {to}")?;
                }
            }
        }
        Ok(())
    }
}

fn is_trusted(graph: &ConnectGraph, peer: &PeerText) -> bool {
    graph.cluster_trust_links.as_ref().and_then(|links| links.get(peer)).copied().unwrap_or_default()
}

fn ipfs_of<'a>(graph: &'a ConnectGraph, peer: &PeerText) -> Option<&'a PeerText> {
    graph.cluster_to_ipfs.as_ref()?.get(peer)
}

fn write_node(
    out: &mut dyn Write,
    node: &str,
    title: &str,
    id: &str,
    group: &PeerText,
    look: &Look,
) -> io::Result<()> {
    let Look { color, shape, double } = look;
    let peripheries = if *double { "peripheries=\"2\" " } else { "" };
    writeln!(
        out,
        "{node} [label=< <B> {} </B> <BR/> <B> {} </B> > group={group:?} color=\"{color}\" style=\"filled\" \
         colorscheme=\"x11\" fontcolor=\"black\" fontname=\"Arial\" shape=\"{shape}\" {peripheries}]",
        escaped(title),
        escaped(id)
    )
}

/// Labels are read as HTML, and names are free text.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Shortens an ID to its first two and last six characters.
fn shortened(id: &str) -> String {
    let start = id.char_indices().nth(2).map_or(id.len(), |(at, _)| at);
    let end = id.char_indices().rev().nth(5).map_or(0, |(at, _)| at);
    format!("{}*{}", id.get(..start).unwrap_or_default(), id.get(end..).unwrap_or_default())
}
