//! What happened: the last events as text, all of them as a digest.

use crate::simulator::Trace;
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Events kept for the report of a failure.
const KEPT: usize = 60;

pub(super) struct Journal {
    trace: Trace,
    began: Instant,
    lines: Mutex<Lines>,
}

struct Lines {
    last: VecDeque<String>,
    course: u64,
}

impl Journal {
    pub(super) fn new(trace: Trace) -> Self {
        let lines = Lines { last: VecDeque::new(), course: 0xcbf2_9ce4_8422_2325 };
        Self { trace, began: Instant::now(), lines: Mutex::new(lines) }
    }

    /// Returns the virtual time since the beginning.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Tells of an event.
    pub(super) fn say(&self, text: &str) {
        let millis = self.elapsed().as_millis();
        let line = format!("{:>4}.{:03} {text}", millis / 1000, millis % 1000);
        if self.trace == Trace::On {
            eprintln!("{line}");
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.fold(line.as_bytes());
        if lines.last.len() == KEPT {
            lines.last.pop_front();
        }
        lines.last.push_back(line);
    }

    /// Takes note of an event that is too small to be told of.
    pub(super) fn note(&self, what: &str, parts: &[u64]) {
        if self.trace == Trace::On {
            let millis = self.elapsed().as_millis();
            eprintln!("{:>4}.{:03}   {what} {parts:?}", millis / 1000, millis % 1000);
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.fold(&self.elapsed().as_nanos().to_be_bytes());
        parts.iter().for_each(|part| lines.fold(&part.to_be_bytes()));
    }

    pub(super) fn course(&self) -> u64 {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).course
    }

    /// Returns the last events.
    pub(super) fn last(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.last.iter().fold(String::new(), |text, line| text + "\n" + line)
    }
}

impl Lines {
    /// FNV-1a.
    fn fold(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.course = (self.course ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
