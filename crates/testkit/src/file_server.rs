//! An HTTP server with one file.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

/// Serves one file on a free loopback port, to whoever asks for any path, until it is shut or dropped.
#[derive(Debug)]
pub struct FileServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    answer: Mutex<Vec<u8>>,
    asked: AtomicUsize,
    last: Mutex<String>,
    shut: AtomicBool,
}

impl FileServer {
    /// Starts to serve a text.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn start(text: &str) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let mut server =
            Self { address: listener.local_addr()?, shared: Arc::new(Shared::default()), thread: None };
        server.serve(text);
        server.listen(listener);
        Ok(server)
    }

    /// Returns the URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Serves another text from now on.
    pub fn serve(&self, text: &str) {
        self.answer("200 OK", &[], text);
    }

    /// Answers with another status, further headers and a body from now on.
    pub fn answer(&self, status: &str, headers: &[&str], body: &str) {
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        *lock(&self.shared.answer) = answer.into_bytes();
    }

    /// Counts the requests so far.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }

    /// Returns the first line of the last request.
    pub fn last_request(&self) -> String {
        lock(&self.shared.last).clone()
    }

    /// Closes the port.
    pub fn shut(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.shared.shut.store(true, Ordering::SeqCst);
            // Wakes the thread; one that is gone needs no waking.
            let _ = TcpStream::connect(self.address);
            let _ = thread.join();
        }
    }

    fn listen(&mut self, listener: TcpListener) {
        let shared = self.shared.clone();
        self.thread = Some(std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.shut.load(Ordering::SeqCst) {
                    return;
                }
                // A client that leaves is its own affair.
                let _ = stream.and_then(|stream| shared.talk(stream));
            }
        }));
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        self.shut();
    }
}

impl Shared {
    fn talk(&self, stream: TcpStream) -> io::Result<()> {
        let mut lines = BufReader::new(&stream).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        for line in lines {
            if line?.is_empty() {
                break;
            }
        }
        *lock(&self.last) = first;
        self.asked.fetch_add(1, Ordering::SeqCst);
        (&stream).write_all(&lock(&self.answer))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
