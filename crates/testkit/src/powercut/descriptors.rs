//! Which descriptor of which thread stands for which file of the folder.

use super::event::Inode;
use std::collections::HashMap;

/// A file that was opened once; descriptors made from one another share it, and with it the offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpenFile {
    pub(super) inode: Inode,
    pub(super) offset: u64,
    pub(super) append: bool,
    pub(super) synced: bool,
}

/// Number of an [`OpenFile`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct OpenNumber(usize);

#[derive(Debug, Clone, Copy)]
struct Entry {
    open: OpenNumber,
    close_on_exec: bool,
}

/// The descriptors of all processes.
#[derive(Debug, Default)]
pub(super) struct Descriptors {
    opened: Vec<OpenFile>,
    tables: Vec<HashMap<i64, Entry>>,
    threads: HashMap<u32, usize>,
}

impl Descriptors {
    pub(super) fn knows(&self, thread: u32) -> bool {
        self.threads.contains_key(&thread)
    }

    /// Makes a thread known that nobody made.
    pub(super) fn add_first(&mut self, thread: u32) {
        self.tables.push(HashMap::new());
        self.threads.insert(thread, self.tables.len() - 1);
    }

    /// Makes a thread known that `parent` made.
    pub(super) fn add_child(&mut self, thread: u32, parent: u32, shares_descriptors: bool) {
        let Some(&table) = self.threads.get(&parent) else { return self.add_first(thread) };
        if shares_descriptors {
            self.threads.insert(thread, table);
        } else {
            self.tables.push(self.tables[table].clone());
            self.threads.insert(thread, self.tables.len() - 1);
        }
    }

    pub(super) fn open(&mut self, thread: u32, number: i64, file: OpenFile, close_on_exec: bool) {
        self.opened.push(file);
        let open = OpenNumber(self.opened.len() - 1);
        if let Some(table) = self.table(thread) {
            table.insert(number, Entry { open, close_on_exec });
        }
    }

    pub(super) fn close(&mut self, thread: u32, number: i64) {
        if let Some(table) = self.table(thread) {
            table.remove(&number);
        }
    }

    pub(super) fn close_range(&mut self, thread: u32, first: i64, last: i64) {
        if let Some(table) = self.table(thread) {
            table.retain(|number, _| *number < first || *number > last);
        }
    }

    pub(super) fn duplicate(&mut self, thread: u32, from: i64, to: i64, close_on_exec: bool) {
        let Some(table) = self.table(thread) else { return };
        match table.get(&from).copied() {
            Some(entry) => table.insert(to, Entry { close_on_exec, ..entry }),
            None => table.remove(&to),
        };
    }

    /// The program of a thread was replaced.
    pub(super) fn execute(&mut self, thread: u32) {
        if let Some(table) = self.table(thread) {
            table.retain(|_, entry| !entry.close_on_exec);
        }
    }

    pub(super) fn get(&mut self, thread: u32, number: i64) -> Option<&mut OpenFile> {
        let open = self.table(thread)?.get(&number)?.open;
        self.opened.get_mut(open.0)
    }

    fn table(&mut self, thread: u32) -> Option<&mut HashMap<i64, Entry>> {
        self.tables.get_mut(*self.threads.get(&thread)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(inode: u64) -> OpenFile {
        OpenFile { inode: Inode(inode), offset: 0, append: false, synced: false }
    }

    #[test]
    fn duplicates_share_the_offset_and_threads_the_table() {
        let mut descriptors = Descriptors::default();
        descriptors.add_first(1);
        descriptors.open(1, 3, file(7), true);
        descriptors.duplicate(1, 3, 9, false);
        descriptors.add_child(2, 1, true);
        descriptors.get(2, 9).unwrap().offset = 5;
        assert_eq!(descriptors.get(1, 3).unwrap().offset, 5);
        descriptors.close(2, 3);
        assert_eq!(descriptors.get(1, 3), None);
        assert!(descriptors.get(1, 9).is_some());
    }

    #[test]
    fn a_forked_process_has_its_own_table() {
        let mut descriptors = Descriptors::default();
        descriptors.add_first(1);
        descriptors.open(1, 3, file(7), true);
        descriptors.open(1, 4, file(8), false);
        descriptors.add_child(2, 1, false);
        descriptors.execute(2);
        assert!(descriptors.get(2, 3).is_none() && descriptors.get(2, 4).is_some());
        assert!(descriptors.get(1, 3).is_some());
    }
}
