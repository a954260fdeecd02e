//! The access log in a file of its own (api §6.6), opened anew when it was moved away, as logrotate does.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    mem,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

/// How long a line may wait for others.
const WAIT: Duration = Duration::from_millis(25);

/// Bytes of lines that may wait. When the disk is slower than the requests, lines beyond are left out and counted: no
/// request waits for its line.
const ROOM: usize = 4 << 20;

/// The file; its last lines are written when it is dropped.
#[derive(Debug)]
pub(crate) struct AccessLogFile {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Lines left out.
    lost: u64,
    ended: bool,
}

impl AccessLogFile {
    /// Opens the file, for reading by everyone (mode 0644), and starts the thread that writes to it.
    ///
    /// # Errors
    /// When the system refuses the file or the thread.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        let file = open(&path)?;
        let shared = Arc::<Shared>::default();
        let writer = Writer { shared: shared.clone(), path, file, failed: false };
        let writer = thread::Builder::new().name("access log".to_owned()).spawn(move || writer.run())?;
        Ok(Self { shared, writer: Some(writer) })
    }

    /// Takes a line, which needs no end.
    pub(crate) fn push(&self, line: &str) {
        let mut waiting = lock(&self.shared.waiting);
        if waiting.lines.len() + line.len() >= ROOM {
            waiting.lost += 1;
            return;
        }
        let was_empty = waiting.lines.is_empty();
        waiting.lines.extend_from_slice(line.as_bytes());
        waiting.lines.push(b'\n');
        drop(waiting);
        if was_empty {
            self.shared.more.notify_one();
        }
    }
}

impl Drop for AccessLogFile {
    fn drop(&mut self) {
        lock(&self.shared.waiting).ended = true;
        self.shared.more.notify_one();
        if let Some(writer) = self.writer.take() {
            // One that panicked has nothing left to write.
            let _ = writer.join();
        }
    }
}

struct Writer {
    shared: Arc<Shared>,
    path: PathBuf,
    file: File,
    /// The last write failed, and that was said.
    failed: bool,
}

impl Writer {
    fn run(mut self) {
        loop {
            let waiting = lock(&self.shared.waiting);
            let idle = |waiting: &mut Waiting| waiting.lines.is_empty() && !waiting.ended;
            let waiting = self.shared.more.wait_while(waiting, idle).unwrap_or_else(PoisonError::into_inner);
            let ended = waiting.ended;
            drop(waiting);
            if !ended {
                thread::sleep(WAIT);
            }
            let mut waiting = lock(&self.shared.waiting);
            let (lines, lost) = (mem::take(&mut waiting.lines), mem::take(&mut waiting.lost));
            drop(waiting);
            self.write(&lines, lost);
            if ended {
                return;
            }
        }
    }

    fn write(&mut self, lines: &[u8], lost: u64) {
        let written = self.follow().and_then(|()| self.file.write_all(lines));
        let path = self.path.display();
        if let Err(error) = &written
            && !self.failed
        {
            tracing::warn!(target: "restapi", %path, %error, "the access log cannot be written, lines are lost");
        }
        self.failed = written.is_err();
        if lost > 0 {
            tracing::warn!(target: "restapi", %path, lines = lost, "the access log is slower than the requests");
        }
    }

    /// Opens the file anew when another one, or none, has its name.
    fn follow(&mut self) -> io::Result<()> {
        let same = |a: &fs::Metadata, b: &fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        match fs::metadata(&self.path) {
            Ok(named) if same(&named, &self.file.metadata()?) => {}
            _ => self.file = open(&self.path)?,
        }
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o644).open(path)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::unix::fs::PermissionsExt, time::Instant};

    fn until(path: &Path, text: &str) {
        let started = Instant::now();
        while fs::read_to_string(path).unwrap_or_default() != text {
            assert!(started.elapsed() < Duration::from_secs(20), "{:?}", fs::read_to_string(path));
            thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn lines_are_appended_and_follow_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("log"), folder.path().join("log.1"));
        fs::write(&path, "before\n").unwrap();
        let log = AccessLogFile::open(path.clone()).unwrap();
        log.push("one");
        log.push("two");
        until(&path, "before\none\ntwo\n");
        fs::rename(&path, &moved).unwrap();
        log.push("three");
        until(&path, "three\n");
        assert_eq!(fs::read_to_string(&moved).unwrap(), "before\none\ntwo\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o133, 0);
        fs::remove_file(&path).unwrap();
        log.push("four");
        drop(log);
        assert_eq!(fs::read_to_string(&path).unwrap(), "four\n");
    }

    #[test]
    fn a_disk_that_is_full_stops_no_request() {
        let log = AccessLogFile::open(PathBuf::from("/dev/full")).unwrap();
        let line = "x".repeat(1 << 20);
        for _ in 0..50 {
            log.push(&line);
            assert!(lock(&log.shared.waiting).lines.len() <= ROOM);
        }
        drop(log);
    }
}
