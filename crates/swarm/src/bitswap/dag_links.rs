//! Finds what a block of the DAG links to.

use super::{
    fields::{Value, next_field},
    message::parse_cid,
};
use cid::Cid;

/// Most links of one block that are followed; blocks of the DAG have as many as there were heads.
const MAX_LINKS: usize = 256;

/// Returns the links of a dag-pb block (field 2 of the node, field 1 of the link), as many as can be read.
pub(super) fn dag_links(mut block: &[u8]) -> Vec<Cid> {
    let mut links = Vec::new();
    while let Ok(Some((field, value))) = next_field(&mut block)
        && links.len() < MAX_LINKS
    {
        if let (2, Value::Bytes(mut link)) = (field, value)
            && let Ok(Some((1, Value::Bytes(cid)))) = next_field(&mut link)
        {
            links.extend(parse_cid(cid));
        }
    }
    links
}
