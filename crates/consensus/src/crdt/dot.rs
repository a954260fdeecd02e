//! The history as a drawing in the DOT language (api §12.4).

use super::{Block, BlockId, rows::decode_height};
use cluster_core::ports::datastore::{Cursor, Snapshot, StoreError, Tree};
use std::fmt::Write;

/// Blocks read at a time: each may take megabytes.
const BLOCKS: usize = 16;

/// Heads read at a time.
const HEADS: usize = 1024;

/// Letters of a block's name that its label shows.
const SHORT: usize = 4;

/// Draws the heads and every block that is here, and hands it out in pieces. Blocks come in the order they are stored
/// in: to draw them from the heads downwards one would have to remember which are drawn already.
///
/// # Errors
/// When the store fails, and whatever `print` fails with.
pub fn draw<E: From<StoreError>>(
    view: &dyn Snapshot,
    mut print: impl FnMut(&str) -> Result<(), E>,
) -> Result<(), E> {
    print("digraph CRDTDAG {\nsubgraph heads {\n")?;
    let mut cursor = Cursor::all(Tree::Heads);
    while !cursor.is_done() {
        for (key, row) in cursor.next_page_of(view, HEADS)? {
            if let (Some(head), Some(_)) = (BlockId::from_slice(&key), decode_height(&row)) {
                print(&format!("{head}\n"))?;
            }
        }
    }
    print("}\n")?;
    let mut cursor = Cursor::all(Tree::Blocks);
    while !cursor.is_done() {
        for (key, bytes) in cursor.next_page_of(view, BLOCKS)? {
            if let Some(id) = BlockId::from_slice(&key) {
                print(&node(&id, &bytes))?;
            }
        }
    }
    print("}\n")
}

/// Draws a block and the edges to those it follows.
fn node(id: &BlockId, bytes: &[u8]) -> String {
    let name = id.to_string();
    let short = name.get(name.len().saturating_sub(SHORT)..).unwrap_or_default();
    let Ok(Block { links, delta }) = Block::decode(bytes) else {
        return format!("{name} [label=\"{short}: damaged\"]\n");
    };
    let (adds, removals) = (delta.elements.len(), delta.tombstones.len());
    let (mut edge, mut group) = (String::new(), String::new());
    for link in links {
        let _ = write!(edge, "{link} ");
        let _ = writeln!(group, "{link}");
    }
    format!(
        "{name} [label=\"{priority} | {short}: +{adds} -{removals}\"]\n{name} -> {{{edge}}}\nsubgraph sg_{name} {{\n{group}}}\n",
        priority = delta.priority
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crdt::{Delta, Element};

    #[test]
    fn a_block_is_drawn_with_its_edges() {
        let (first, second) = (BlockId([1; 32]), BlockId([2; 32]));
        let element = Element { key: "/K".to_owned(), value: vec![1] };
        let delta = Delta { elements: vec![element], priority: 7, ..Delta::default() };
        let bytes = Block { links: vec![second, first], delta }.encode();
        let id = BlockId::of(&bytes);
        let (name, short) = (id.to_string(), &id.to_string()[55..]);
        assert_eq!(
            node(&id, &bytes),
            format!(
                "{name} [label=\"7 | {short}: +1 -0\"]\n{name} -> {{{first} {second} }}\nsubgraph sg_{name} {{\n{first}\n{second}\n}}\n"
            )
        );
        assert_eq!(node(&id, b"no"), format!("{name} [label=\"{short}: damaged\"]\n"));
    }
}
