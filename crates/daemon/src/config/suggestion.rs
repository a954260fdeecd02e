//! Finds the known key that a mistyped one was probably meant to be.

use super::keys;
use std::collections::BTreeSet;

/// Returns the path of the closest known key or section, when there is one close enough to be worth naming.
pub(crate) fn closest(path: &str) -> Option<String> {
    // Every key and every table on the way to one.
    let known: BTreeSet<String> = keys::paths()
        .flat_map(|path| {
            let ends = path.match_indices('.').map(|(at, _)| at).chain([path.len()]);
            ends.map(|end| path[..end].to_owned()).collect::<Vec<_>>()
        })
        .collect();
    let known = || known.iter().cloned();
    let (parent, name) = split(path);
    // A key in the wrong section is named with its right one.
    let siblings = known().filter(|other| split(other).0 == parent);
    let strangers = || known().filter(|other| split(other).1 == name);
    let near = siblings
        .map(|other| (distance(name, split(&other).1), other))
        .filter(|(distance, _)| *distance <= (name.chars().count() / 3).max(2))
        .min();
    match near {
        Some((_, other)) => Some(other),
        None => strangers().next().or_else(|| {
            known()
                .map(|other| (distance(path, &other), other))
                .filter(|(distance, _)| *distance <= (path.chars().count() / 4).max(2))
                .min()
                .map(|(_, other)| other)
        }),
    }
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

/// Counts the letters to insert, remove, replace or swap with their neighbour to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![(0..=to.len()).collect::<Vec<_>>()];
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(a != b);
            let mut best = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_and_wrong_sections_are_recognised() {
        assert_eq!(closest("cluster.peernmae").as_deref(), Some("cluster.peername"));
        assert_eq!(closest("cluster.trusted_peers").as_deref(), Some("consensus.crdt.trusted_peers"));
        assert_eq!(closest("api.resapi").as_deref(), Some("api.restapi"));
        assert_eq!(closest("clutser").as_deref(), Some("cluster"));
        assert_eq!(
            closest("cluster.connection_manager.hi_water").unwrap(),
            "cluster.connection_manager.high_water"
        );
        assert_eq!(closest("cluster.nonsense_that_is_nothing"), None);
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
