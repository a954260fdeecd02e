//! Standard output in one of two encodings (api §4.4, §4.5).

use crate::{failure::Failure, progress::Progress, text::Text};
use cluster_client::api_types::json;
use serde::Serialize;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Text,
    Json,
}

/// Where results go.
pub(crate) struct Output {
    encoding: Encoding,
    out: BufWriter<StdoutLock<'static>>,
    /// A person watches: show every object as it comes.
    live: bool,
    progress: Progress,
}

impl Output {
    /// Takes standard output.
    pub(crate) fn new(encoding: &str) -> Result<Self, Failure> {
        let encoding = match encoding {
            "text" => Encoding::Text,
            "json" => Encoding::Json,
            _ => return Err(Failure::client("", "unsupported encoding")),
        };
        let live = io::stdout().is_terminal();
        Ok(Self { encoding, out: BufWriter::new(io::stdout().lock()), live, progress: Progress::new() })
    }

    /// Lends what tells a person that a command takes long.
    pub(crate) fn progress(&mut self) -> &mut Progress {
        &mut self.progress
    }

    /// Clears the terminal for what is printed, or counts what goes elsewhere.
    fn on_object(&mut self) {
        if self.live { self.progress.end() } else { self.progress.received() }
    }

    /// Prints one object.
    pub(crate) fn object<T: Serialize + Text>(&mut self, object: &T) -> io::Result<()> {
        self.on_object();
        match self.encoding {
            Encoding::Text => object.write_text(&mut self.out)?,
            Encoding::Json => self.json(object)?,
        }
        if self.live { self.out.flush() } else { Ok(()) }
    }

    /// Prints one object of a stream without an end, as one line, and hands it over.
    pub(crate) fn line<T: Serialize + Text>(&mut self, object: &T) -> io::Result<()> {
        self.on_object();
        match self.encoding {
            Encoding::Text => object.write_text(&mut self.out)?,
            Encoding::Json => {
                let mut bytes = Vec::new();
                json::to_line(object, &mut bytes).map_err(io::Error::other)?;
                self.out.write_all(&bytes)?;
            }
        }
        self.out.flush()
    }

    /// Prints a list: line after line as text, one array as JSON.
    pub(crate) fn array<T: Serialize + Text>(&mut self, objects: &[T]) -> io::Result<()> {
        self.progress.end();
        match self.encoding {
            Encoding::Text => objects.iter().try_for_each(|o| o.write_text(&mut self.out)),
            Encoding::Json => self.json(objects),
        }
    }

    /// Prints what is encoded already.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.progress.end();
        self.out.write_all(bytes)
    }

    /// Says whether JSON is wanted.
    pub(crate) fn is_json(&self) -> bool {
        self.encoding == Encoding::Json
    }

    /// Hands everything over.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn json<T: Serialize + ?Sized>(&mut self, value: &T) -> io::Result<()> {
        let mut bytes = Vec::new();
        json::to_indented(value, &mut bytes).map_err(io::Error::other)?;
        self.out.write_all(&bytes)
    }
}
