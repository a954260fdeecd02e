//! Ways to a daemon: Unix sockets, TLS, and none at all.

use super::*;
use cluster_testkit::mock_kubo::{End, Endpoint, PinnedAs, Script};
use futures_util::{StreamExt, future::join_all};
use multiaddr::{Multiaddr, Protocol};
use std::{
    net::SocketAddr,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional},
    net::{TcpListener, TcpStream, UnixListener},
    task::AbortHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
};

/// Ends a task with the test.
struct Front(AbortHandle);

impl Drop for Front {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn front(task: impl Future<Output = ()> + Send + 'static) -> Front {
    Front(tokio::spawn(task).abort_handle())
}

/// Passes a connection on to the stand-in.
async fn pass_on(mut near: impl AsyncRead + AsyncWrite + Unpin, mock: SocketAddr) {
    if let Ok(mut far) = TcpStream::connect(mock).await {
        let _ = copy_bidirectional(&mut near, &mut far).await;
    }
}

/// Uses a daemon in every way: one object, a stream with progress, a list, an error, and a call that is given up.
async fn use_it(kubo: &Kubo, mock: &MockKubo) {
    kubo.id().await.unwrap();
    mock.script(Endpoint::PinAdd, Script::default().with_progress(3, Duration::from_millis(1), Some(7)));
    let (sink, seen) = collect();
    kubo.pin(request(cid(1), PinDepth::RECURSIVE), sink).await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 3);
    mock.seed((2..3_000).map(cid), PinnedAs::Recursive);
    let kind = cluster_core::ports::ipfs_connector::IpfsPinStatus::Recursive;
    assert_eq!(kubo.pin_ls(kind).filter(|pin| std::future::ready(pin.is_ok())).count().await, 2_999);
    mock.script(Endpoint::PinAdd, Script::ending(End::Trailer("merkledag: gone".to_owned())));
    let error = pin(kubo, cid(1)).await.unwrap_err();
    assert!(matches!(&error, IpfsError::Api { message, .. } if message == "merkledag: gone"), "{error:?}");
    mock.script(Endpoint::PinAdd, Script::ending(End::Hang));
    let given_up = async { assert!(mock.wait_until(LIMIT, |m| m.open_calls(Endpoint::PinAdd) == 1).await) };
    tokio::select! {
        outcome = pin(kubo, cid(1)) => panic!("{outcome:?}"),
        () = given_up => {}
    }
    assert!(mock.wait_until(LIMIT, |m| m.open_calls(Endpoint::PinAdd) == 0).await);
}

#[tokio::test]
async fn a_daemon_behind_a_unix_socket_is_used() {
    let mock = mock().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let text = path.to_str().unwrap().to_owned();
    let listener = UnixListener::bind(&path).unwrap();
    let address = mock.address();
    let _front = front(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(pass_on(stream, address));
        }
    });
    let node = Multiaddr::empty().with(Protocol::Unix(text.trim_start_matches('/').into()));
    let kubo = Kubo::new(KuboConfig { node: node.clone(), ..config(&mock) }).unwrap();
    use_it(&kubo, &mock).await;

    drop(folder);
    let kubo = Kubo::new(KuboConfig { node, ..config(&mock) }).unwrap();
    let error = kubo.id().await.unwrap_err().to_string();
    let start = format!("cannot reach the IPFS daemon at /unix{text} (id): ");
    assert!(error.starts_with(&start) && error.contains("No such file"), "{error}");
}

/// Puts TLS before the stand-in, with a fresh certificate of its own for `127.0.0.1` and `localhost`; returns the
/// port and the certificate as PEM.
async fn tls_front(mock: &MockKubo) -> (u16, String, Front) {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(own.key_pair.serialize_der()).unwrap();
    let tls = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, address) = (listener.local_addr().unwrap().port(), mock.address());
    let front = front(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    pass_on(stream, address).await;
                }
            });
        }
    });
    (port, own.cert.pem(), front)
}

/// Names the port of a daemon with TLS to this test program when it runs once more as its own child.
const CHILD: &str = "CLUSTER_IPFS_TEST_TLS_PORT";

/// The certificates a system trusts are read once per process, so the one who trusts is a process of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_behind_tls_is_used_when_its_certificate_is_trusted() {
    if let Ok(port) = std::env::var(CHILD) {
        return trusting(&port).await;
    }
    let mock = mock().await;
    let (port, certificate, _front) = tls_front(&mock).await;
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted.pem");
    std::fs::write(&trusted, certificate).unwrap();
    let name = "reach::a_daemon_behind_tls_is_used_when_its_certificate_is_trusted";
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", name, "--nocapture"]).env(CHILD, port.to_string());
    child.env("SSL_CERT_FILE", &trusted).env_remove("SSL_CERT_DIR");
    let output = tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(mock.calls(Endpoint::Id), 3, "{said}");
    assert_eq!(mock.pinned(&cid(1)), Some(PinnedAs::Recursive));
}

/// The child's part.
async fn trusting(port: &str) {
    let here = [
        "/ip4/127.0.0.1/tcp/PORT/https",
        "/dns4/localhost/tcp/PORT/https",
        "/ip4/127.0.0.1/tcp/PORT/tls/http",
    ];
    for node in here {
        let kubo = Kubo::new(KuboConfig::new(node.replace("PORT", port).parse().unwrap())).unwrap();
        kubo.id().await.unwrap();
        pin(&kubo, cid(1)).await.unwrap();
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_is_refused() {
    let mock = mock().await;
    let (port, _, _front) = tls_front(&mock).await;
    let node = format!("/ip4/127.0.0.1/tcp/{port}/https");
    let kubo = Kubo::new(KuboConfig { node: node.parse().unwrap(), ..config(&mock) }).unwrap();
    let error = kubo.id().await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot reach the IPFS daemon at {node} (id): ")), "{error}");
    assert!(error.contains("certificate"), "{error}");
    assert_eq!(mock.calls(Endpoint::Id), 0);
}

#[tokio::test]
async fn a_daemon_without_tls_is_not_taken_for_one_with_it() {
    let mock = mock().await;
    let node = format!("{}/https", mock.api()).parse().unwrap();
    let kubo = Kubo::new(KuboConfig { node, ..config(&mock) }).unwrap();
    let error = kubo.id().await.unwrap_err();
    assert!(matches!(error, IpfsError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn requests_to_a_daemon_that_is_gone_are_spaced_out_until_it_is_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let node = format!("/ip4/127.0.0.1/tcp/{}", listener.local_addr().unwrap().port());
    let tries = Arc::new(AtomicU64::new(0));
    let counted = tries.clone();
    let gone = front(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
    let ipfs_request_timeout = Duration::from_secs(10);
    let config = KuboConfig { ipfs_request_timeout, ..KuboConfig::new(node.parse().unwrap()) };
    let kubo = Kubo::new(config).unwrap();
    for _ in 0..11 {
        let error = kubo.id().await.unwrap_err();
        assert!(matches!(error, IpfsError::Unreachable { .. }), "{error:?}");
    }
    let began = std::time::Instant::now();
    let gone_by = tokio::time::timeout(Duration::from_millis(1_500), join_all((0..50).map(|_| kubo.id())));
    assert!(gone_by.await.is_err());
    let most = 11 + 1 + began.elapsed().as_secs();
    let tries = tries.load(Ordering::SeqCst);
    assert!(tries <= most, "{tries} of at most {most}");

    // At one request per second these would not be done in time.
    drop(gone);
    let port: u16 = node.rsplit('/').next().unwrap().parse().unwrap();
    let back = loop {
        // The port is free once the task before is gone.
        match MockKubo::bind(([127, 0, 0, 1], port).into()).await {
            Ok(mock) => break mock,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let answers = join_all((0..50).map(|_| kubo.id())).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(back.calls(Endpoint::Id), 50);
}

#[tokio::test]
async fn a_call_that_was_never_sent_says_what_kept_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let node = format!("/ip4/127.0.0.1/tcp/{}", listener.local_addr().unwrap().port());
    // Nobody listens there from here on.
    drop(listener);
    let pin_timeout = Duration::from_millis(200);
    let config = KuboConfig { pin_timeout, ..KuboConfig::new(node.parse().unwrap()) };
    let kubo = Kubo::new(config).unwrap();
    for number in 0..13 {
        let error = kubo.pin(request(cid(number), PinDepth::RECURSIVE), ignore()).await.unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(&format!("cannot reach the IPFS daemon at {node} (pin/add?")), "{text}");
        assert!(text.contains("refused"), "{text}");
    }
}
