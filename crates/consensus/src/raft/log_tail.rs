//! What is in memory of the log: its bounds and its latest entries.

use super::position::LogPosition;
use std::{collections::BTreeMap, ops::Range};

/// Bytes of flushed entries kept in memory: those that other peers are still being sent.
const TAIL_BYTES: usize = 4 * 1024 * 1024;

#[derive(Debug)]
struct Item<E> {
    entry: E,
    bytes: usize,
    /// Number of the append that brought it.
    append: u64,
}

/// The bounds of the log, and its entries from some index on; those that are not flushed yet are always among them.
#[derive(Debug)]
pub(super) struct LogTail<E> {
    purged: Option<LogPosition>,
    /// Index of the first entry, if there is one.
    first: Option<u64>,
    last: Option<LogPosition>,
    items: BTreeMap<u64, Item<E>>,
    bytes: usize,
    appends: u64,
    flushed: u64,
}

/// What a range of the log consists of.
#[derive(Debug)]
pub(super) struct Found<E> {
    /// Indexes that have to be read from the store; they lie before those in memory.
    pub(super) stored: Range<u64>,
    /// Entries in memory.
    pub(super) entries: Vec<E>,
}

impl<E: Clone> LogTail<E> {
    /// Takes the bounds of a stored log: up to where it is purged, and its first and last row.
    pub(super) fn new(purged: Option<LogPosition>, stored: Option<(u64, LogPosition)>) -> Self {
        let behind = purged.map_or(0, |purged| purged.index + 1);
        // Rows up to there are left over from a purge that was interrupted.
        let stored = stored.filter(|(_, last)| last.index >= behind);
        Self {
            purged,
            first: stored.map(|(first, _)| first.max(behind)),
            last: stored.map(|(_, last)| last).or(purged),
            items: BTreeMap::new(),
            bytes: 0,
            appends: 0,
            flushed: 0,
        }
    }

    /// Up to where the log is gone.
    pub(super) fn purged(&self) -> Option<LogPosition> {
        self.purged
    }

    /// Where the log ends; a purged place when there is no entry.
    pub(super) fn last(&self) -> Option<LogPosition> {
        self.last
    }

    /// Adds entries at the end; returns the number of the append, for [`LogTail::flushed`].
    pub(super) fn append(&mut self, entries: impl IntoIterator<Item = (LogPosition, E, usize)>) -> u64 {
        self.appends += 1;
        for (position, entry, bytes) in entries {
            self.first.get_or_insert(position.index);
            self.last = Some(position);
            self.bytes += bytes;
            let item = Item { entry, bytes, append: self.appends };
            if let Some(old) = self.items.insert(position.index, item) {
                self.bytes -= old.bytes;
            }
        }
        self.appends
    }

    /// Notes that an append, and with it all before, can be read from the store.
    pub(super) fn flushed(&mut self, append: u64) {
        self.flushed = self.flushed.max(append);
        while self.bytes > TAIL_BYTES
            && let Some(first) = self.items.first_entry()
            && first.get().append <= self.flushed
        {
            self.bytes -= first.remove().bytes;
        }
    }

    /// Returns the number of the append that brought an entry, unless it is flushed.
    pub(super) fn unflushed(&self, index: u64) -> Option<u64> {
        self.items.get(&index).map(|item| item.append).filter(|append| *append > self.flushed)
    }

    /// Forgets entries behind `keep`, or all; returns the indexes that they had.
    pub(super) fn truncate_after(&mut self, keep: Option<LogPosition>) -> Range<u64> {
        let (Some(first), Some(last)) = (self.first, self.last) else { return 0..0 };
        if keep.is_some_and(|keep| keep.index >= last.index) {
            return 0..0;
        }
        let start = keep.map_or(first, |keep| first.max(keep.index + 1));
        let gone = self.items.split_off(&keep.map_or(0, |keep| keep.index + 1));
        self.bytes -= gone.values().map(|item| item.bytes).sum::<usize>();
        if start == first {
            self.first = None;
        }
        self.last = keep.or(self.purged);
        start..last.index + 1
    }

    /// Forgets entries up to a place, which may lie behind the last one; returns the indexes that they had, or none when
    /// they are gone already.
    pub(super) fn purge(&mut self, upto: LogPosition) -> Option<Range<u64>> {
        if self.purged.is_some_and(|purged| purged.index >= upto.index) {
            return None;
        }
        let entries = self.first.zip(self.last).map_or(0..0, |(first, last)| first..last.index + 1);
        let range = entries.start..entries.end.min(upto.index + 1);
        self.purged = Some(upto);
        let kept = self.items.split_off(&(upto.index + 1));
        let gone = std::mem::replace(&mut self.items, kept);
        self.bytes -= gone.values().map(|item| item.bytes).sum::<usize>();
        if self.last.is_none_or(|last| last.index <= upto.index) {
            self.last = Some(upto);
            self.first = None;
        } else {
            self.first = self.first.map(|first| first.max(upto.index + 1));
        }
        Some(range)
    }

    /// Looks up a range of indexes, as far as it is part of the log.
    pub(super) fn find(&self, range: Range<u64>) -> Found<E> {
        let entries = self.first.zip(self.last).map_or(0..0, |(first, last)| first..last.index + 1);
        let (start, end) = (range.start.max(entries.start), range.end.min(entries.end));
        if start >= end {
            return Found { stored: start..start, entries: Vec::new() };
        }
        let in_memory = self.items.first_key_value().map_or(end, |(index, _)| *index).clamp(start, end);
        let entries = self.items.range(in_memory..end).map(|(_, item)| item.entry.clone()).collect();
        Found { stored: start..in_memory, entries }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(index: u64) -> LogPosition {
        LogPosition { term: 1, index }
    }

    fn append(tail: &mut LogTail<u64>, indexes: Range<u64>, bytes: usize) -> u64 {
        tail.append(indexes.map(|index| (at(index), index, bytes)))
    }

    #[test]
    fn entries_stay_until_they_are_flushed() {
        let mut tail = LogTail::new(None, None);
        let first = append(&mut tail, 0..3, TAIL_BYTES);
        let second = append(&mut tail, 3..5, TAIL_BYTES);
        assert_eq!(tail.find(0..9).entries, [0, 1, 2, 3, 4]);
        assert_eq!(tail.unflushed(2), Some(first));
        tail.flushed(first);
        assert_eq!((tail.unflushed(2), tail.unflushed(3), tail.unflushed(9)), (None, Some(second), None));
        let found = tail.find(0..9);
        assert_eq!((found.stored, found.entries), (0..3, vec![3, 4]));
        tail.flushed(second);
        let found = tail.find(1..9);
        assert_eq!((found.stored, found.entries), (1..4, vec![4]), "as much as may be kept");
    }

    #[test]
    fn an_entry_that_replaces_another_is_not_flushed_with_it() {
        let mut tail = LogTail::new(None, None);
        let first = append(&mut tail, 0..3, TAIL_BYTES);
        assert_eq!(tail.truncate_after(Some(at(0))), 1..3);
        assert_eq!(tail.truncate_after(Some(at(0))), 0..0, "there is nothing more");
        assert_eq!(tail.last(), Some(at(0)));
        append(&mut tail, 1..4, TAIL_BYTES);
        tail.flushed(first);
        let found = tail.find(0..9);
        assert_eq!((found.stored, found.entries), (0..1, vec![1, 2, 3]));
    }

    #[test]
    fn what_is_purged_is_not_found() {
        let mut tail = LogTail::new(Some(at(4)), Some((3, at(9))));
        append(&mut tail, 10..12, 1);
        let found = tail.find(0..99);
        assert_eq!((found.stored, found.entries), (5..10, vec![10, 11]));
        assert_eq!(tail.purge(at(10)), Some(5..11));
        let found = tail.find(0..99);
        assert_eq!((found.stored, found.entries), (11..11, vec![11]));
        assert_eq!(tail.purge(at(7)), None);
        assert_eq!(tail.purged(), Some(at(10)), "it does not come back");
        assert_eq!(tail.purge(at(30)), Some(11..12));
        assert_eq!((tail.last(), tail.purged()), (Some(at(30)), Some(at(30))));
        assert!(tail.find(0..99).stored.is_empty());
        assert_eq!(tail.truncate_after(None), 0..0);
        assert_eq!(tail.last(), Some(at(30)));
        append(&mut tail, 31..33, 1);
        assert_eq!(tail.truncate_after(None), 31..33);
        assert_eq!(tail.last(), Some(at(30)));
    }

    #[test]
    fn a_log_may_begin_anywhere() {
        let mut tail = LogTail::new(None, None);
        append(&mut tail, 3..5, 1);
        let found = tail.find(0..9);
        assert_eq!((found.stored.is_empty(), found.entries), (true, vec![3, 4]));
    }

    #[test]
    fn an_interrupted_purge_leaves_no_last_entry_behind() {
        let tail: LogTail<u64> = LogTail::new(Some(at(4)), Some((1, at(3))));
        assert_eq!(tail.last(), Some(at(4)));
        assert_eq!(LogTail::<u64>::new(None, Some((1, at(3)))).last(), Some(at(3)));
    }
}
