//! HTTPS: both versions of HTTP, renewed and damaged certificates, and who does not speak it.

use crate::{
    fake_api::{CID, FakeApi},
    raw_client::{DEADLINE, connect, exchange, parse, read_all},
    server::{TestServer, config},
};
use cluster_api::{ConnectionLimits, RestConfig, RestServer, TlsFiles};
use cluster_core::{Pin, ports::cluster_api::ApiError};
use futures_util::stream;
use rcgen::{CertificateParams, KeyPair};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName},
    },
};

const SHORT: Duration = Duration::from_millis(200);

/// A folder with a certificate and its key.
struct Pair {
    folder: tempfile::TempDir,
}

impl Pair {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a fresh certificate and key.
    fn write(&self) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
        fs::write(self.path("cert.pem"), own.pem()).unwrap();
        fs::write(self.path("key.pem"), key.serialize_pem()).unwrap();
        own.der().clone()
    }

    fn config(&self) -> RestConfig {
        let files = TlsFiles { cert: self.path("cert.pem"), key: self.path("key.pem") };
        RestConfig { tls: Some(files), ..config() }
    }
}

/// Opens a secure connection to a server that has exactly this certificate.
async fn secure(
    address: SocketAddr,
    certificate: &CertificateDer<'static>,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let mut tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::from(address.ip());
    TlsConnector::from(Arc::new(tls)).connect(name, connect(address).await).await
}

async fn ask(mut stream: TlsStream<TcpStream>, line: &str) -> crate::raw_client::Answer {
    let request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.expect("the server closes in time").unwrap();
    parse(&String::from_utf8(bytes).unwrap())
}

/// Waits until the server shows a certificate.
async fn until_served(address: SocketAddr, certificate: &CertificateDer<'static>) {
    let started = Instant::now();
    while secure(address, certificate, &[]).await.is_err() {
        assert!(started.elapsed() < DEADLINE, "the new certificate is not served");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn both_versions_of_http_by_alpn_and_the_first_without_it() {
    let pair = Pair::new();
    let certificate = pair.write();
    let server = TestServer::with(pair.config(), ConnectionLimits::default()).await;
    for (offered, chosen) in [
        (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
        (&["http/1.1"][..], Some(&b"http/1.1"[..])),
        (&[][..], None),
    ] {
        let mut stream = secure(server.address, &certificate, offered).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), chosen, "{offered:?}");
        if chosen == Some(b"h2") {
            stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
            stream.write_all(b"\0\0\x03\x01\x05\0\0\0\x01\x82\x86\x84").await.unwrap();
            let text = "{\"code\":404,\"message\":\"not found\"}\n";
            let (mut bytes, mut buffer) = (Vec::new(), [0; 1024]);
            while !bytes.windows(text.len()).any(|w| w == text.as_bytes()) {
                let got = timeout(DEADLINE, stream.read(&mut buffer)).await.unwrap().unwrap();
                assert_ne!(got, 0, "{bytes:?}");
                bytes.extend_from_slice(&buffer[..got]);
            }
            continue;
        }
        let pins = || Ok::<_, ApiError>(vec![Pin::new(CID.parse().unwrap()); 500]);
        server.api.stream_pins(stream::iter([pins(), pins()]));
        let answer = ask(stream, "GET /allocations").await;
        assert_eq!((answer.status, answer.body.lines().count()), (200, 1000));
        // Nobody asked for it.
        assert_eq!(answer.trailer("x-stream-error"), [""]);
    }
}

/// Gathers what is logged on this thread.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        std::io::Write::write(&mut *self.0.lock().unwrap(), bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Logged {
    fn count(&self, text: &str) -> usize {
        String::from_utf8_lossy(&self.0.lock().unwrap()).matches(text).count()
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_served_and_a_damaged_one_is_not() {
    let logged = Logged::default();
    let writer = logged.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let _scope = tracing::subscriber::set_default(subscriber);
    let pair = Pair::new();
    let first = pair.write();
    let server = TestServer::with(pair.config(), ConnectionLimits::default()).await;
    until_served(server.address, &first).await;
    let second = pair.write();
    until_served(server.address, &second).await;
    assert!(secure(server.address, &first, &[]).await.is_err(), "the old one is gone");
    for (number, damage) in
        (1..).zip(["no certificate", "-----BEGIN CERTIFICATE-----\nMII!\n-----END CERTIFICATE-----\n"])
    {
        fs::write(pair.path("cert.pem"), damage).unwrap();
        let deadline = Instant::now() + DEADLINE;
        while logged.count("the certificate from before is served on") < number {
            assert!(Instant::now() < deadline, "nobody looks at the file");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(secure(server.address, &second, &[]).await.is_ok(), "{damage}");
    }
    let third = pair.write();
    until_served(server.address, &third).await;
}

#[tokio::test]
async fn plain_http_is_told_to_use_https_and_other_bytes_are_not_answered() {
    let pair = Pair::new();
    let certificate = pair.write();
    let server = TestServer::with(pair.config(), ConnectionLimits::default()).await;
    let line = "POST /pins/ipfs/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n";
    for request in ["GET /id HTTP/1.0\r\n\r\n".to_owned(), line.to_owned() + &"x".repeat(50_000)] {
        let mut stream = connect(server.address).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = parse(&String::from_utf8(read_all(&mut stream).await).unwrap());
        answer.is_error(
            400,
            "this port speaks HTTPS and was asked in plain HTTP: use https (cluster-ctl --https)",
        );
    }
    let mut stream = connect(server.address).await;
    stream.write_all(b"\0\x01\x02\x03").await.unwrap();
    let mut answer = Vec::new();
    // A reset is an end as well.
    let _ = timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("the server closes in time");
    assert!(answer.is_empty());
    assert!(server.api.calls().is_empty());
    let stream = secure(server.address, &certificate, &[]).await.unwrap();
    assert_eq!(ask(stream, "GET /version").await.status, 200);
}

#[tokio::test]
async fn the_limits_of_connections_hold_over_tls_too() {
    let pair = Pair::new();
    let certificate = pair.write();
    let limits = ConnectionLimits {
        write_timeout: Some(SHORT),
        idle_timeout: Some(SHORT),
        ..ConnectionLimits::default()
    };
    let config = RestConfig { read_header_timeout: Some(5 * SHORT), ..pair.config() };
    let server = TestServer::with(config, limits).await;
    for start in [&b""[..], b"\x16\x03\x01\x02\0\x01"] {
        assert_eq!(exchange(server.address, start).await, "", "a handshake that does not end");
    }
    let mut stream = secure(server.address, &certificate, &[]).await.unwrap();
    stream.write_all(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    // The connection is cut off without a goodbye of TLS.
    let _ = timeout(DEADLINE, stream.read_to_end(&mut rest)).await.expect("closed when idle for too long");
    assert!(rest.ends_with(b"}\n"));

    let (given_up, noticed) = oneshot::channel::<()>();
    let endless = stream::unfold(given_up, |held| async move {
        Some((Ok::<_, ApiError>(vec![Pin::new(CID.parse().unwrap()); 1000]), held))
    });
    server.api.stream_pins(endless);
    let mut stream = secure(server.address, &certificate, &[]).await.unwrap();
    stream.write_all(b"GET /allocations HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(timeout(DEADLINE, noticed).await.expect("given up in time").is_err());
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named_with_what_is_wrong() {
    let (pair, other) = (Pair::new(), Pair::new());
    other.write();
    let secret = fs::read_to_string(other.path("key.pem")).unwrap();
    let first_line = secret.lines().nth(1).unwrap();
    let bind = |pair: &Pair| RestServer::bind(pair.config(), Arc::new(FakeApi::default()));
    let write = |name: &str, text: &str| fs::write(pair.path(name), text).unwrap();
    let certificate = fs::read_to_string(other.path("cert.pem")).unwrap();
    let encrypted = secret.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let cut = &secret[..secret.len() / 2];
    for (cert, key, words) in [
        (None, secret.as_str(), &["ssl_cert_file: cannot read", "cert.pem", "No such file"][..]),
        (Some("x"), &secret, &["ssl_cert_file", "holds no certificate in PEM"]),
        (Some(&*certificate), "x", &["ssl_key_file", "key.pem", "no private key in PEM"]),
        (Some(&*certificate), &encrypted, &["ssl_key_file", "must be decrypted first"]),
        (Some(&*certificate), cut, &["ssl_key_file", "is damaged", "has no end"]),
        (
            Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            &secret,
            &["ssl_cert_file", "cannot be used"],
        ),
    ] {
        match cert {
            Some(text) => write("cert.pem", text),
            None => drop(fs::remove_file(pair.path("cert.pem"))),
        }
        write("key.pem", key);
        let error = bind(&pair).await.unwrap_err().to_string();
        assert!(error.starts_with("api.restapi.ssl_"), "{error}");
        assert!(words.iter().all(|word| error.contains(word)), "{words:?}: {error}");
        assert!(!error.contains(first_line), "the key is shown: {error}");
    }
    pair.write();
    write("key.pem", &secret);
    let error = bind(&pair).await.unwrap_err().to_string();
    let named = |path: &Path| error.contains(&path.display().to_string());
    assert!(error.contains("is not that of the first certificate"), "{error}");
    assert!(named(&pair.path("cert.pem")) && named(&pair.path("key.pem")), "{error}");
}
