//! Where connections come from: TCP ports and Unix sockets.

use crate::BindError;
use cluster_core::Multiaddr;
use multiaddr::Protocol;
use std::{
    fmt, fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::{
        fs::{FileTypeExt, MetadataExt},
        net::UnixStream as StdUnixStream,
    },
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpSocket, TcpStream, UnixListener},
    sync::{Mutex, mpsc},
};

/// Connections that may wait until they are taken: as many as the system allows by default. Where they do not fit, a client
/// waits a second and more before its system tries again.
const BACKLOG: u32 = 4096;

/// Longest path that the address of a Unix socket has room for, in bytes.
const LONGEST_PATH: usize = 107;

/// A place that is listened on.
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixSocket),
    Streams(HttpStreams),
}

/// Connections that somebody else takes, such as streams of libp2p.
pub struct HttpStreams {
    /// Where they come from, for people.
    pub name: String,
    /// The connections; each is one HTTP/1.1 connection.
    pub incoming: Mutex<mpsc::Receiver<Box<dyn ByteStream>>>,
}

/// A connection, both directions.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for T {}

/// A Unix socket whose file goes away with it.
pub(crate) struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and number of the file: one that somebody else made in its place stays.
    made: Option<(u64, u64)>,
}

/// A connection.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    /// One that nobody listens in to: a Unix socket, or a stream of somebody else's.
    Other(Box<dyn ByteStream>),
}

impl fmt::Debug for dyn ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stream")
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Listener {
    /// Takes an address.
    #[expect(clippy::unused_async, reason = "listening needs a runtime, which only a task is sure to have")]
    pub(crate) async fn bind(address: &Multiaddr) -> Result<Self, BindError> {
        if let Some(path) = unix_path(address) {
            return UnixSocket::bind(path, address).map(Self::Unix);
        }
        let socket = socket(address).ok_or_else(|| BindError::Kind { address: address.clone() })?;
        listen(socket).map(Self::Tcp).map_err(|source| failed(address, source))
    }

    /// Returns where it listens, if that is a TCP port.
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(_) | Self::Streams(_) => None,
        }
    }

    /// Waits for a connection and says whose it is. Whoever comes by a Unix socket is of this machine.
    ///
    /// # Cancel safety
    /// No connection is lost when the future is dropped.
    pub(crate) async fn accept(&self) -> io::Result<(Stream, IpAddr)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, remote) = listener.accept().await?;
                // Answers are small and waited for.
                let _ = stream.set_nodelay(true);
                Ok((Stream::Tcp(stream), remote.ip().to_canonical()))
            }
            Self::Unix(socket) => {
                let (stream, _) = socket.listener.accept().await?;
                Ok((Stream::Other(Box::new(stream)), Ipv4Addr::LOCALHOST.into()))
            }
            Self::Streams(streams) => match streams.incoming.lock().await.recv().await {
                // Where it comes from is not known here.
                Some(stream) => Ok((Stream::Other(stream), Ipv4Addr::UNSPECIFIED.into())),
                None => std::future::pending().await,
            },
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.local_addr()) {
            (Self::Unix(socket), _) => write!(f, "{}", socket.path.display()),
            (Self::Streams(streams), _) => f.write_str(&streams.name),
            (Self::Tcp(_), Some(address)) => write!(f, "{address}"),
            (Self::Tcp(_), None) => f.write_str("(closed)"),
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restarted peer takes its port although connections of the one before are not quite gone.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl UnixSocket {
    /// Takes a path. The file of a socket on which nobody listens any more, as a crash leaves it, is replaced.
    fn bind(path: PathBuf, address: &Multiaddr) -> Result<Self, BindError> {
        let io = |source| failed(address, source);
        if path.as_os_str().len() > LONGEST_PATH {
            return Err(BindError::LongPath { path });
        }
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io(error)),
            Ok(metadata) if !metadata.file_type().is_socket() => return Err(BindError::NoSocket { path }),
            Ok(_) => match StdUnixStream::connect(&path) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    fs::remove_file(&path).map_err(io)?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(io(error)),
                Ok(_) => return Err(BindError::Taken { address: address.clone() }),
            },
        }
        let listener = UnixListener::bind(&path).map_err(io)?;
        let made = identity(&path);
        Ok(Self { listener, path, made })
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        if self.made.is_some() && identity(&self.path) == self.made {
            // A file that stays is stale, which the next one that listens there sees.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

fn failed(address: &Multiaddr, source: io::Error) -> BindError {
    let address = address.clone();
    match source.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken { address },
        _ => BindError::Io { address, source },
    }
}

/// Returns the path of a Unix socket; in the configuration's addresses its first slash may be missing.
fn unix_path(address: &Multiaddr) -> Option<PathBuf> {
    let mut parts = address.iter();
    match (parts.next(), parts.next()) {
        (Some(Protocol::Unix(path)), None) => Some(Path::new("/").join(&*path)),
        _ => None,
    }
}

fn socket(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        Protocol::Dns(name) | Protocol::Dns4(name) if name == "localhost" => [127, 0, 0, 1].into(),
        _ => return None,
    };
    match (parts.next()?, parts.next(), parts.next()) {
        (Protocol::Tcp(port), None | Some(Protocol::Http), None) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Other(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Other(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Other(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Other(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Other(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Other(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UnixStream;

    fn address(path: &Path) -> Multiaddr {
        let path = path.to_str().unwrap().trim_start_matches('/').to_owned();
        Multiaddr::empty().with(Protocol::Unix(path.into()))
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        // What a crash leaves: the file of a socket that is closed.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let listener = Listener::bind(&address(&path)).await.unwrap();
        let taken = Listener::bind(&address(&path)).await.err().unwrap();
        assert!(matches!(taken, BindError::Taken { .. }), "{taken}");
        let (accepted, _client) = tokio::join!(listener.accept(), UnixStream::connect(&path));
        assert!(accepted.unwrap().1.is_loopback());
        drop(listener);
        assert!(!path.exists(), "the file stayed");
    }

    #[tokio::test]
    async fn hundreds_of_connections_wait_for_a_busy_server() {
        let anywhere = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
        let listener = Listener::bind(&anywhere).await.unwrap();
        let address = listener.local_addr().unwrap();
        // Nobody takes them: one that does not fit is never established.
        let opening = async {
            let mut open = Vec::new();
            for _ in 0..600 {
                open.push(TcpStream::connect(address).await.unwrap());
            }
            open
        };
        let open = tokio::time::timeout(std::time::Duration::from_secs(30), opening).await;
        assert_eq!(open.expect("the system's queue is too short").len(), 600);
    }

    #[tokio::test]
    async fn what_is_no_socket_stays_and_long_paths_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "kept").unwrap();
        let error = Listener::bind(&address(&path)).await.err().unwrap().to_string();
        assert!(error.contains("is no socket"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"kept");
        let long = folder.path().join("x".repeat(100));
        let error = Listener::bind(&address(&long)).await.err().unwrap().to_string();
        assert!(error.contains("longer than"), "{error}");
    }
}
