//! Lines on their way to standard error, several to a write.

use std::{
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line may wait. Writing each by itself wakes whoever reads them as often as there are requests, which
/// costs a busy peer a sixth of its throughput.
const WAIT: Duration = Duration::from_millis(25);

/// Bytes that may wait; whoever brings more writes them out, at the pace of the reader. Nothing is dropped.
const ROOM: usize = 256 * 1024;

/// Collects lines and writes them to `O`: warnings and errors at once, others within [`WAIT`].
#[derive(Debug)]
pub(super) struct LineBuffer<O> {
    waiting: Mutex<Vec<u8>>,
    more: Condvar,
    output: Mutex<Output<O>>,
}

/// Where the lines go.
#[derive(Debug)]
struct Output<O> {
    inner: O,
    /// What stands below the last line, on a terminal; it has no end of line.
    status: String,
}

/// Goes to the first column and erases what stands on the line.
pub(super) const ERASE_LINE: &str = "\r\x1b[K";

impl<O: Write + Send + 'static> LineBuffer<O> {
    /// Starts the thread that writes to `output`.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub(super) fn start(output: O) -> io::Result<Arc<Self>> {
        let (waiting, more) = (Mutex::default(), Condvar::new());
        let output = Mutex::new(Output { inner: output, status: String::new() });
        let buffer = Arc::new(Self { waiting, more, output });
        let kept = Arc::clone(&buffer);
        thread::Builder::new().name("log".to_owned()).spawn(move || kept.run())?;
        Ok(buffer)
    }

    fn run(&self) {
        loop {
            let waiting = self.more.wait_while(lock(&self.waiting), |waiting| waiting.is_empty());
            drop(waiting.unwrap_or_else(PoisonError::into_inner));
            thread::sleep(WAIT);
            self.flush();
        }
    }

    /// Writes everything that waits.
    pub(super) fn flush(&self) {
        // First the output, so that two who write keep the order of the lines.
        let mut output = lock(&self.output);
        let mut lines = std::mem::take(&mut *lock(&self.waiting));
        if lines.is_empty() {
            return;
        }
        if !output.status.is_empty() {
            // In one write, so that nobody sees the terminal without it.
            lines = [ERASE_LINE.as_bytes(), &lines, output.status.as_bytes()].concat();
        }
        output.write(&lines);
    }

    /// Keeps a text below the last line from now on, in place of the one before; nothing takes it away. Only for a
    /// terminal, and shorter than its lines.
    pub(super) fn show_status(&self, text: &str) {
        let mut output = lock(&self.output);
        text.clone_into(&mut output.status);
        output.write(format!("{ERASE_LINE}{text}").as_bytes());
    }

    pub(super) fn push(&self, line: &[u8], at_once: bool) {
        let mut waiting = lock(&self.waiting);
        let was_empty = waiting.is_empty();
        waiting.extend_from_slice(line);
        let full = waiting.len() > ROOM;
        drop(waiting);
        if at_once || full {
            self.flush();
        } else if was_empty {
            self.more.notify_one();
        }
    }
}

impl<O: Write> Output<O> {
    fn write(&mut self, bytes: &[u8]) {
        // There is nowhere to report that nobody reads the log.
        let _ = self.inner.write_all(bytes).and_then(|()| self.inner.flush());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the subscriber writes the lines of one level.
pub(super) struct Lines<O>(pub(super) Arc<LineBuffer<O>>);

/// One line.
pub(super) struct Line<'a, O> {
    buffer: &'a LineBuffer<O>,
    at_once: bool,
}

impl<O: Write + Send + 'static> Write for Line<'_, O> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.buffer.push(line, self.at_once);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a, O: Write + Send + 'static> MakeWriter<'a> for Lines<O> {
    type Writer = Line<'a, O>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { buffer: &self.0, at_once: true }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        Line { buffer: &self.0, at_once: *metadata.level() <= Level::WARN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    struct Sink(mpsc::Sender<String>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(String::from_utf8_lossy(bytes).into_owned()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn sink() -> (Arc<LineBuffer<Sink>>, mpsc::Receiver<String>) {
        let (sender, written) = mpsc::channel();
        (LineBuffer::start(Sink(sender)).unwrap(), written)
    }

    #[test]
    fn lines_wait_for_each_other_and_are_written_by_themselves() {
        let (buffer, written) = sink();
        buffer.push(b"one\n", false);
        buffer.push(b"two\n", false);
        let mut all = String::new();
        while all != "one\ntwo\n" {
            all += &written.recv_timeout(Duration::from_secs(30)).unwrap();
        }
        buffer.push(b"three\n", false);
        assert_eq!(written.recv_timeout(Duration::from_secs(30)).unwrap(), "three\n");
    }

    #[test]
    fn an_error_takes_along_what_waits_and_so_does_a_full_buffer() {
        let (buffer, written) = sink();
        buffer.push(b"one\n", false);
        buffer.push(b"error\n", true);
        let all: String = written.try_iter().collect();
        assert_eq!(all, "one\nerror\n");
        buffer.push(&vec![b'x'; ROOM + 1], false);
        assert_eq!(written.try_iter().map(|text| text.len()).sum::<usize>(), ROOM + 1);
    }
    /// What a terminal shows after these bytes.
    fn shown(bytes: &str) -> String {
        let mut parts = bytes.split(ERASE_LINE);
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
            text += part;
        }
        text
    }

    #[test]
    fn a_status_stays_below_the_lines_until_it_is_taken_away() {
        let (buffer, written) = sink();
        let mut all = String::new();
        buffer.push(b"one\n", true);
        buffer.show_status("half");
        buffer.push(b"two\n", true);
        buffer.show_status("done");
        buffer.push(b"three\nfour\n", true);
        all.extend(written.try_iter());
        assert_eq!(shown(&all), "one\ntwo\nthree\nfour\ndone");
        buffer.show_status("");
        all.extend(written.try_iter());
        assert_eq!(shown(&all), "one\ntwo\nthree\nfour\n");
        buffer.push(b"five\n", true);
        assert_eq!(written.try_iter().collect::<String>(), "five\n");
    }
}
