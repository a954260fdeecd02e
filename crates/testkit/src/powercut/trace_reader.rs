//! Lines of a trace put together to calls: streaming, with the calls of many threads interleaved.

use super::{error::PowercutError, event::Position};
use std::{
    collections::HashMap,
    io::{self, BufRead},
};

/// One call, with the positions where it began and had returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    /// The thread.
    pub(super) thread: u32,
    pub(super) name: String,
    /// The arguments, as printed.
    pub(super) arguments: String,
    /// What it returned, as printed; `None` when the trace ended before, or the thread did.
    pub(super) outcome: Option<String>,
    pub(super) start: Position,
    pub(super) end: Option<Position>,
}

impl Call {
    /// The number that was returned; `None` when there is none (interrupted, never returned).
    pub(super) fn returned(&self) -> Option<i64> {
        super::arguments::number(self.outcome.as_deref()?)
    }
}

/// Reads calls from a trace that `strace -f` wrote. They come in the order in which they ended; those that never
/// ended come last.
pub(super) struct TraceReader<R> {
    lines: R,
    position: Position,
    open: HashMap<u32, Call>,
}

impl<R: BufRead> TraceReader<R> {
    pub(super) fn new(lines: R) -> Self {
        Self { lines, position: 0, open: HashMap::new() }
    }

    /// The position of the line that was read last.
    pub(super) fn position(&self) -> Position {
        self.position
    }

    /// Reads on until a call is complete.
    pub(super) fn next_call(&mut self) -> Result<Option<Call>, PowercutError> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = self.lines.read_until(b'\n', &mut line);
            if read.map_err(|source: io::Error| self.failed(source))? == 0 {
                let first = self.open.values().min_by_key(|call| call.start).map(|call| call.thread);
                return Ok(first.and_then(|thread| self.open.remove(&thread)));
            }
            self.position += 1;
            if line.last() != Some(&b'\n') {
                // The recorder was killed while it wrote this line.
                continue;
            }
            let text = std::str::from_utf8(&line).map_err(|_| self.odd("not text"))?.trim_end();
            if let Some(call) = self.on_line(text)? {
                return Ok(Some(call));
            }
        }
    }

    fn on_line(&mut self, line: &str) -> Result<Option<Call>, PowercutError> {
        let (thread, text) = line.split_once(' ').ok_or_else(|| self.odd(line))?;
        let thread: u32 = thread.parse().map_err(|_| self.odd(line))?;
        let text = text.trim_start();
        if text.starts_with("+++") {
            // The thread ended; what it was doing never returned.
            return Ok(self.open.remove(&thread));
        }
        if text.starts_with("---") {
            return Ok(None);
        }
        if let Some(rest) = text.strip_prefix("<... ") {
            let (name, rest) = rest.split_once(" resumed>").ok_or_else(|| self.odd(line))?;
            let mut call = self.open.remove(&thread).ok_or_else(|| self.odd(line))?;
            if call.name != name {
                return Err(self.odd(line));
            }
            if let Some(more) = rest.strip_suffix("<unfinished ...>") {
                call.arguments.push_str(more);
                self.open.insert(thread, call);
                return Ok(None);
            }
            let (more, outcome) = ending(rest).ok_or_else(|| self.odd(line))?;
            call.arguments.push_str(more);
            call.outcome = Some(outcome.to_owned());
            call.end = Some(self.position);
            return Ok(Some(call));
        }
        let (name, rest) = text.split_once('(').ok_or_else(|| self.odd(line))?;
        let call = |arguments: &str| Call {
            thread,
            name: name.to_owned(),
            arguments: arguments.to_owned(),
            outcome: None,
            start: self.position,
            end: None,
        };
        if let Some(arguments) = rest.strip_suffix("<unfinished ...>") {
            let open = call(arguments);
            if self.open.insert(thread, open).is_some() {
                return Err(self.odd(line));
            }
            return Ok(None);
        }
        let (arguments, outcome) = ending(rest).ok_or_else(|| self.odd(line))?;
        Ok(Some(Call { outcome: Some(outcome.to_owned()), end: Some(self.position), ..call(arguments) }))
    }

    fn odd(&self, line: &str) -> PowercutError {
        PowercutError::Line { position: self.position, text: line.chars().take(200).collect() }
    }

    fn failed(&self, source: io::Error) -> PowercutError {
        PowercutError::Io { action: "read", path: "the trace".into(), source }
    }
}

/// Splits `arguments) = outcome`.
fn ending(text: &str) -> Option<(&str, &str)> {
    let (arguments, outcome) = text.rsplit_once(" = ")?;
    Some((arguments.trim_end().strip_suffix(')')?, outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Call> {
        let mut reader = TraceReader::new(text.as_bytes());
        std::iter::from_fn(|| reader.next_call().unwrap()).collect()
    }

    #[test]
    fn a_line_is_a_call() {
        let calls = read("12  write(3<\\x2f\\x61>, \"\\x61\", 1) = 1\n12  close(3)        = 0\n");
        assert_eq!(calls.len(), 2);
        assert_eq!((calls[0].start, calls[0].end, calls[0].returned()), (1, Some(1), Some(1)));
        assert_eq!(calls[1].arguments, "3");
    }

    #[test]
    fn a_call_that_others_interrupt_is_put_together() {
        let calls = read(
            "1  read(4<\\x61>,  <unfinished ...>\n\
             2  fdatasync(8<\\x2f\\x74> <unfinished ...>\n\
             1  <... read resumed>\"\\x23\", 4096) = 1\n\
             2  <... fdatasync resumed>) = 0\n",
        );
        assert_eq!(calls[0].name, "read");
        assert_eq!(calls[0].arguments, "4<\\x61>,  \"\\x23\", 4096");
        assert_eq!((calls[0].start, calls[0].end), (1, Some(3)));
        assert_eq!((calls[1].start, calls[1].end, calls[1].returned()), (2, Some(4), Some(0)));
    }

    #[test]
    fn failures_interruptions_and_ends_are_told_apart() {
        let calls = read(
            "1  openat(AT_FDCWD<\\x2f>, \"\\x61\", O_RDONLY) = -1 ENOENT (No such file or directory)\n\
             1  read(3<\\x61>, 0x7ffe, 10) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)\n\
             1  --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER} ---\n\
             2  write(3<\\x61>, \"\\x61\", 1 <unfinished ...>\n\
             2  +++ killed by SIGKILL +++\n\
             1  fsync(3<\\x61> <unfinished ...>\n",
        );
        assert_eq!(calls[0].returned(), Some(-1));
        assert_eq!((calls[1].returned(), calls[1].end), (None, Some(2)));
        assert_eq!((calls[2].returned(), calls[2].end, calls[2].start), (None, None, 4));
        assert_eq!((calls[3].name.as_str(), calls[3].end), ("fsync", None));
    }

    #[test]
    fn a_last_line_without_an_end_is_left_out() {
        assert_eq!(read("1  close(3) = 0\n1  close(").len(), 1);
    }

    #[test]
    fn nonsense_is_an_error() {
        assert!(TraceReader::new(&b"hello\n"[..]).next_call().is_err());
        assert!(TraceReader::new(&b"1  <... read resumed>) = 0\n"[..]).next_call().is_err());
    }
}
