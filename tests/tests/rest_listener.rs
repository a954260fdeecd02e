//! The listener of the REST API as an operator sets it up: HTTPS, tokens, the access log's file, limits and time-outs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use anyhow::Result;
use cluster_client::{CertificateCheck, Client, Host, TlsProblem};
use cluster_testkit::{
    mock_kubo::MockKubo,
    service::{Programs, Service},
};
use cluster_tests::world::LIMIT;
use rcgen::{CertificateParams, KeyPair};
use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Command, Output},
    time::{Duration, Instant},
};

const FILES: [(&str, &str); 2] =
    [("CLUSTER_RESTAPI_SSLCERTFILE", "cert.pem"), ("CLUSTER_RESTAPI_SSLKEYFILE", "key.pem")];

/// A peer that is not started yet, beside a stand-in.
struct Bench {
    peer: Service,
    _ipfs: MockKubo,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn new(environment: &[(&str, &str)]) -> Self {
        let ipfs = MockKubo::start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let program = Programs::build().unwrap().service;
        let peer = Service::init(&program, &folder.path().join("peer"), &ipfs.api(), environment).unwrap();
        // What a system trusts that does not know the peer's.
        fs::write(folder.path().join("others.pem"), certificate(4000).1).unwrap();
        Self { peer, _ipfs: ipfs, folder }
    }

    async fn started(environment: &[(&str, &str)]) -> Self {
        let mut bench = Self::new(environment).await;
        bench.peer.start().unwrap();
        bench
    }

    /// Returns a path in the peer's base folder.
    fn path(&self, name: &str) -> PathBuf {
        self.peer.base().join(name)
    }

    /// Writes a fresh certificate for this machine, valid until the begin of a year, and its key.
    fn write_certificate(&self, until: i32) {
        let (key, certificate) = certificate(until);
        fs::write(self.path("key.pem"), key).unwrap();
        fs::write(self.path("cert.pem"), certificate).unwrap();
    }

    /// Runs `cluster-ctl` against the peer; it trusts the peer's certificate when told so.
    fn ctl(&self, trusts: bool, arguments: &[&str]) -> Output {
        let mut command = Command::new(Programs::build().unwrap().ctl);
        let trusted = if trusts { self.path("cert.pem") } else { self.folder.path().join("others.pem") };
        command.env("SSL_CERT_FILE", trusted).env_remove("SSL_CERT_DIR").env_remove("CLUSTER_CREDENTIALS");
        command.args(["--host", self.peer.rest()]).args(arguments).output().unwrap()
    }

    /// Sends bytes as they are and reads until the peer closes.
    fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        read_all(&mut stream)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.peer.socket().unwrap()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream
    }
}

/// Makes a key and a certificate for this machine, valid until the begin of a year.
fn certificate(until: i32) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut wanted = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    wanted.not_before = rcgen::date_time_ymd(2000, 1, 1);
    wanted.not_after = rcgen::date_time_ymd(until, 1, 1);
    let own = wanted.self_signed(&key).unwrap();
    let pem = |label: &str, bytes: &[u8]| {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", data_encoding::BASE64.encode(bytes))
    };
    (pem("PRIVATE KEY", key.serialized_der()), pem("CERTIFICATE", own.der()))
}

fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        // A reset is an end as well.
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
        _ => String::from_utf8(bytes).unwrap(),
    }
}

fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n").into_bytes()
}

async fn client(peer: &Service, check: CertificateCheck) -> Result<Client> {
    Ok(Client::builder(vec![Host::parse(peer.rest())?]).https(check).build().await?)
}

/// Asserts what a run of `cluster-ctl` printed and how it ended.
#[track_caller]
fn expect(output: &Output, code: i32, words: &[&str]) {
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is missing: {text}");
    }
    if code != 0 {
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("Message: ")).collect();
        assert_eq!((lines.len(), text.lines().count()), (1, 3), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_over_https_is_reached_by_client_and_ctl() {
    let mut bench = Bench::new(&FILES).await;
    bench.write_certificate(4000);
    bench.peer.start().unwrap();
    let id = bench.peer.id().to_owned();
    let unchecked = client(&bench.peer, CertificateCheck::Off).await.unwrap();
    assert_eq!(unchecked.id().await.unwrap().id.to_string(), id);
    let mut peers = unchecked.peers().await.unwrap();
    assert_eq!(peers.next().await.unwrap().unwrap().id.to_string(), id);
    let checked = client(&bench.peer, CertificateCheck::Full).await.unwrap();
    let error = checked.id().await.unwrap_err();
    assert_eq!((error.code(), error.tls_problem()), (0, Some(TlsProblem::Untrusted)), "{error}");

    expect(&bench.ctl(true, &["--https", "id"]), 0, &[&id]);
    expect(&bench.ctl(false, &["--https", "--no-check-certificate", "id"]), 0, &[&id]);
    let refused = bench.ctl(false, &["--https", "id"]);
    expect(&refused, 1, &["Code: 0", "nobody this system trusts", "SSL_CERT_FILE", "--no-check-certificate"]);
    expect(&bench.ctl(true, &["id"]), 2, &["Code: 400", "this port speaks HTTPS", "cluster-ctl --https"]);
    let answer = bench.exchange(&get("/id", ""));
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("\"code\":400"), "{answer}");

    // A certificate that has run out is served, for some clients do not look; the peer says so, and ctl what to do.
    bench.write_certificate(2020);
    let started = Instant::now();
    let expired = loop {
        let error = checked.id().await.err().and_then(|error| error.tls_problem());
        if error == Some(TlsProblem::Expired) {
            break bench.ctl(true, &["--https", "id"]);
        }
        assert!(started.elapsed() < LIMIT, "{error:?}\n{}", bench.peer.log_text());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    expect(&expired, 1, &["Code: 0", "has expired: it must be renewed there", "--no-check-certificate"]);
    let log = bench.peer.log_text();
    assert!(log.contains("REST API (HTTPS): ") && log.contains("clients refuse it: renew it"), "{log}");
    bench.peer.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn https_to_a_port_without_it_says_so() {
    let bench = Bench::started(&[]).await;
    expect(&bench.ctl(false, &["--https", "id"]), 1, &["does not speak HTTPS", "leave out --https"]);
    let with_password = bench.ctl(false, &["--basic-auth", "ann:secret", "id"]);
    expect(&with_password, 1, &["does not speak HTTPS", "--force-http"]);
    expect(&bench.ctl(false, &["--basic-auth", "ann:secret", "--force-http", "version"]), 0, &["1.1.6"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_cannot_be_used_keep_the_peer_from_starting() {
    let mut bench = Bench::new(&FILES).await;
    let error = bench.peer.start().unwrap_err().to_string();
    assert!(
        error.contains("api.restapi.ssl_cert_file: cannot read ") && error.contains("cert.pem"),
        "{error}"
    );
    bench.peer.set_variable("CLUSTER_RESTAPI_SSLKEYFILE", "");
    let error = bench.peer.start().unwrap_err().to_string();
    assert!(error.contains("a certificate without ssl_key_file"), "{error}");
    for (name, _) in FILES {
        bench.peer.set_variable(name, "");
    }
    bench.peer.set_variable("CLUSTER_RESTAPI_HTTPLOGFILE", "nowhere/rest.log");
    let error = bench.peer.start().unwrap_err().to_string();
    assert!(error.contains("api.restapi.http_log_file: cannot open "), "{error}");
    assert!(error.contains("nowhere/rest.log") && error.contains("No such file"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_replaces_the_password_and_neither_is_logged() {
    let users = ("CLUSTER_RESTAPI_BASICAUTHCREDENTIALS", "ann:correct-horse");
    let bench = Bench::started(&[users, ("CLUSTER_RESTAPI_HTTPLOGFILE", "rest.log")]).await;
    let basic = format!("Authorization: Basic {}\r\n", data_encoding::BASE64.encode(b"ann:correct-horse"));
    let post = |header: &str| {
        let head = "POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n";
        bench.exchange(format!("{head}{header}\r\n").as_bytes())
    };
    let answer = post(&basic);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let body: serde_json::Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let token = body["token"].as_str().unwrap();
    let bearer = format!("Authorization: Bearer {token}\r\n");
    assert!(bench.exchange(&get("/version", &bearer)).starts_with("HTTP/1.1 200 "));
    assert!(post(&bearer).contains(token));
    for wrong in [format!("Authorization: Bearer {token}x\r\n"), String::new()] {
        let answer = post(&wrong);
        assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("unauthorized"), "{answer}");
    }
    let log = fs::read_to_string(bench.path("rest.log")).unwrap_or_default() + &bench.peer.log_text();
    assert!(!log.contains("correct-horse") && !log.contains(token), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_access_log_goes_to_its_file_and_follows_its_name() {
    let mut bench = Bench::started(&[("CLUSTER_RESTAPI_HTTPLOGFILE", "rest.log")]).await;
    let (file, moved) = (bench.path("rest.log"), bench.path("rest.log.1"));
    let until = |file: &PathBuf, line: &str| {
        let started = Instant::now();
        while !fs::read_to_string(file).unwrap_or_default().contains(line) {
            assert!(started.elapsed() < LIMIT, "no {line:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    bench.exchange(&get("/version?n=1", ""));
    until(&file, "\"GET /version?n=1 HTTP/1.1\" 200 ");
    fs::rename(&file, &moved).unwrap();
    bench.exchange(&get("/version?n=2", ""));
    until(&file, "\"GET /version?n=2 HTTP/1.1\" 200 ");
    assert!(!fs::read_to_string(&moved).unwrap().contains("n=2"));
    bench.exchange(&get("/version?n=3", ""));
    bench.peer.stop().unwrap();
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("n=3") && text.starts_with("127.0.0.1 - - ["), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_and_time_outs_are_those_of_the_configuration() {
    let bench = Bench::started(&[
        ("CLUSTER_RESTAPI_READTIMEOUT", "1s"),
        ("CLUSTER_RESTAPI_READHEADERTIMEOUT", "0s"),
        ("CLUSTER_RESTAPI_IDLETIMEOUT", "700ms"),
        ("CLUSTER_RESTAPI_MAXHEADERBYTES", "20000"),
    ])
    .await;
    // Without a limit of its own, the one of the whole request bounds its head.
    for start in ["", "GET /vers", "GET /version HTTP/1.1\r\nHost: x\r\n"] {
        assert_eq!(bench.exchange(start.as_bytes()), "", "{start:?}");
    }
    let body = bench.exchange(b"POST /peers HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{");
    assert!(body.starts_with("HTTP/1.1 408 ") && body.contains("did not arrive in time"), "{body}");
    let idle = bench.exchange(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(idle.starts_with("HTTP/1.1 200 "), "{idle}");
    let large = |size: usize| bench.exchange(&get("/version", &format!("X: {}\r\n", "x".repeat(size))));
    assert!(large(19_000).starts_with("HTTP/1.1 200 "));
    assert!(large(40_000).starts_with("HTTP/1.1 431 "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_and_their_trailers_are_as_every_client_expects_them() {
    let bench = Bench::started(&[]).await;
    let empty = bench.exchange(&get("/allocations", ""));
    assert!(empty.starts_with("HTTP/1.1 204 ") && empty.ends_with("\r\n\r\n"), "{empty}");
    let cid = cluster_tests::world::made_up_cid(1).unwrap();
    let pin = format!("POST /pins/{cid} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(bench.exchange(pin.as_bytes()).starts_with("HTTP/1.1 200 "));
    for te in ["", "TE: trailers\r\n"] {
        let text = bench.exchange(&get("/allocations?stream-channels=true", te));
        let lower = text.to_ascii_lowercase();
        assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
        for line in ["transfer-encoding: chunked\r\n", "trailer: x-stream-error\r\n"] {
            assert!(lower.contains(line), "{line}: {text}");
        }
        assert!(lower.ends_with("\r\n0\r\nx-stream-error: \r\n\r\n"), "{te:?}: {text:?}");
        assert_eq!(lower.matches("content-type: application/json\r\n").count(), 1, "{text}");
    }
    let old = bench.exchange(b"GET /allocations HTTP/1.0\r\n\r\n");
    let (head, body) = old.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200 ") && !head.to_ascii_lowercase().contains("chunked"), "{head}");
    let one: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(one["cid"], cid.to_string());
}
