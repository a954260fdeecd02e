//! Measures what the server itself costs: a port that answers at once, raw keep-alive clients over loopback.
//!
//! `handler_bench [seconds] [connections]` prints requests a second, the server's CPU time per request (the
//! clients run in a process of their own), what routing alone costs, and the rate of a stream of a million pins.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use cluster_api::{CorsRules, RestConfig, RestServer};
use cluster_core::{
    Cid, Metric, Multiaddr, PeerId, Pin, PinKey, PinKindFilter, StatusFilter,
    pinset::search::{FoundPins, PinSearch},
    ports::{
        BoxFuture, BoxStream, BrowseApi, ClusterApi,
        browse_api::{EventPage, EventStart, FoundStatuses, Totals},
        cluster_api::{
            Alert, ApiError, ConnectGraph, GlobalPinStatus, IpfsPath, MembershipApi, PeerInfo, PinWish,
            RepoGc, Scope,
        },
        consensus::{CrdtHealth, Etag, Precondition, RaftHealth, RequestId},
        swarm::Traffic,
    },
};
use futures_util::{StreamExt, stream};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const CID: &str = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
const STREAMED: usize = 1_000_000;
const PAGE: usize = 1000;

/// Answers at once.
struct Instantly(Etag);

impl MembershipApi for Instantly {
    fn id(&self) -> BoxFuture<'_, PeerInfo> {
        Box::pin(std::future::pending())
    }
    fn peers(&self) -> BoxStream<'static, Result<PeerInfo, ApiError>> {
        Box::pin(stream::empty())
    }
    fn add_peer(&self, _: PeerId, _: Vec<Multiaddr>) -> BoxFuture<'_, Result<PeerInfo, ApiError>> {
        Box::pin(std::future::pending())
    }
    fn remove_peer(&self, _: PeerId, _: bool) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(std::future::pending())
    }
    fn connect_graph(&self) -> BoxFuture<'_, Result<ConnectGraph, ApiError>> {
        Box::pin(std::future::pending())
    }
    fn crdt_health(&self) -> BoxFuture<'_, Result<CrdtHealth, ApiError>> {
        Box::pin(std::future::pending())
    }
    fn raft_health(&self) -> Result<RaftHealth, ApiError> {
        Err(ApiError::NotReady)
    }
    fn set_voter(&self, _: PeerId, _: bool) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(std::future::pending())
    }
    fn alerts(&self) -> Vec<Alert> {
        Vec::new()
    }
    fn traffic(&self) -> Vec<(String, Traffic)> {
        Vec::new()
    }
    fn metric_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn metrics(&self, _: &str) -> Vec<Metric> {
        Vec::new()
    }
    fn collect_garbage(&self, _: Scope) -> BoxFuture<'_, Result<Vec<RepoGc>, ApiError>> {
        Box::pin(std::future::pending())
    }
}

impl ClusterApi for Instantly {
    fn is_readable(&self) -> bool {
        true
    }
    fn read_barrier(&self) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(std::future::pending())
    }
    fn pin(&self, wish: PinWish) -> BoxFuture<'_, Result<(Pin, Etag), ApiError>> {
        Box::pin(std::future::ready(Ok((wish.pin, self.0))))
    }
    fn unpin(
        &self,
        _: PinKey,
        _: Precondition,
        _: Option<RequestId>,
    ) -> BoxFuture<'_, Result<Pin, ApiError>> {
        Box::pin(std::future::ready(Err(ApiError::NotPinned)))
    }
    fn resolve(&self, _: IpfsPath) -> BoxFuture<'_, Result<Cid, ApiError>> {
        Box::pin(std::future::ready(Err(ApiError::NotPinned)))
    }
    fn allocation(&self, key: PinKey) -> BoxFuture<'_, Result<(Pin, Etag), ApiError>> {
        Box::pin(std::future::ready(Ok((Pin::new(key.cid()), self.0))))
    }
    fn allocations(&self, _: PinKindFilter) -> BoxStream<'static, Result<Vec<Pin>, ApiError>> {
        let pin = Pin::new(CID.parse().unwrap());
        Box::pin(stream::iter((0..STREAMED / PAGE).map(move |_| Ok(vec![pin.clone(); PAGE]))))
    }
    fn status(&self, _: PinKey, _: Scope) -> BoxFuture<'_, Result<GlobalPinStatus, ApiError>> {
        Box::pin(std::future::ready(Err(ApiError::NotPinned)))
    }
    fn status_all(
        &self,
        _: StatusFilter,
        _: Scope,
    ) -> BoxStream<'static, Result<Vec<GlobalPinStatus>, ApiError>> {
        stream::empty().boxed()
    }
    fn recover(&self, _: PinKey, _: Scope) -> BoxFuture<'_, Result<GlobalPinStatus, ApiError>> {
        Box::pin(std::future::ready(Err(ApiError::NotPinned)))
    }
    fn recover_all(&self, _: Scope) -> BoxStream<'static, Result<Vec<GlobalPinStatus>, ApiError>> {
        stream::empty().boxed()
    }
}

impl BrowseApi for Instantly {
    fn search_pins(
        &self,
        _: PinSearch,
        _: Option<Vec<u8>>,
        _: usize,
    ) -> BoxFuture<'_, Result<FoundPins, ApiError>> {
        Box::pin(std::future::ready(Ok(FoundPins { pins: Vec::new(), next: None })))
    }
    fn search_statuses(
        &self,
        _: PinSearch,
        _: StatusFilter,
        _: Scope,
        _: Option<Vec<u8>>,
        _: usize,
    ) -> BoxFuture<'_, Result<FoundStatuses, ApiError>> {
        Box::pin(std::future::ready(Ok(FoundStatuses { statuses: Vec::new(), next: None })))
    }
    fn pinset_at_once(&self, _: PinKindFilter) -> BoxStream<'static, Result<Vec<Pin>, ApiError>> {
        stream::empty().boxed()
    }
    fn totals(&self) -> BoxFuture<'_, Result<Totals, ApiError>> {
        Box::pin(std::future::ready(Ok(Totals::default())))
    }
    fn events(
        &self,
        _: EventStart,
        _: bool,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<EventPage, ApiError>>, ApiError>> {
        Box::pin(std::future::ready(Ok(stream::empty().boxed())))
    }
}

fn config() -> RestConfig {
    RestConfig {
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        tls: None,
        log_file: None,
        read_header_timeout: Some(Duration::from_secs(5)),
        max_header_bytes: 4096,
        credentials: None,
        headers: Default::default(),
        cors: CorsRules::default(),
    }
}

fn request() -> Vec<u8> {
    format!(
        "POST /pins/ipfs/{CID}?mode=recursive&name=item-123456&replication-max=-1&replication-min=-1&shard-size=0\
         &user-allocations= HTTP/1.1\r\nHost: 127.0.0.1:9094\r\nUser-Agent: bench\r\nContent-Length: 0\r\n\
         Accept-Encoding: gzip\r\n\r\n"
    )
    .into_bytes()
}

#[tokio::main(flavor = "current_thread")]
async fn client(address: SocketAddr, seconds: u64, connections: usize) {
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut tasks = Vec::new();
    for _ in 0..connections {
        tasks.push(tokio::spawn(async move {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (request, mut buffer, mut count) = (request(), vec![0; 8192], 0u64);
            while Instant::now() < until {
                stream.write_all(&request).await.unwrap();
                // Answers come in one piece: they are small and written at once.
                let got = stream.read(&mut buffer).await.unwrap();
                assert!(buffer[..got].starts_with(b"HTTP/1.1 200") && buffer[..got].ends_with(b"}\n"));
                count += 1;
            }
            count
        }));
    }
    let mut total = 0;
    for task in tasks {
        total += task.await.unwrap();
    }
    println!("{total}");
}

/// User and system time of this process, in microseconds.
fn cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<u64> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|f| f.parse().unwrap())
        .collect();
    fields.iter().sum::<u64>() * 1_000_000 / rustix::param::clock_ticks_per_second()
}

fn drive(address: SocketAddr, seconds: u64, connections: usize) {
    let before = cpu();
    let started = Instant::now();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["client", &address.to_string(), &seconds.to_string(), &connections.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let total: u64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    let rate = total as f64 / started.elapsed().as_secs_f64();
    let cost = (cpu() - before) as f64 / total as f64;
    println!("{connections} connections: {rate:.0} requests/s, {cost:.1} us of server CPU a request");
}

fn stream_pins(address: SocketAddr) {
    let before = cpu();
    let started = Instant::now();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /allocations HTTP/1.0\r\n\r\n").unwrap();
    let mut reader = BufReader::with_capacity(1 << 20, stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let first = started.elapsed();
    let (mut bytes, mut buffer) = (0, vec![0; 1 << 20]);
    loop {
        match reader.read(&mut buffer).unwrap() {
            0 => break,
            got => bytes += got,
        }
    }
    println!(
        "{STREAMED} pins: first byte {first:.1?}, total {:.2?}, {} MB, {:.2} s of server CPU",
        started.elapsed(),
        bytes / 1_000_000,
        (cpu() - before) as f64 / 1e6
    );
}

/// What the framework's routing costs, beside matching on segments by hand.
async fn routing() {
    use axum::{Router, body::Body, routing::get};
    use tower::Service;
    const ROUNDS: u32 = 1_000_000;
    let answer = || async { http::Response::new(Body::empty()) };
    let mut router = Router::new();
    for path in [
        "/id",
        "/version",
        "/peers",
        "/pins",
        "/pins/{hash}",
        "/pins/{hash}/recover",
        "/pins/recover",
        "/allocations",
    ] {
        router = router.route(path, get(answer).post(answer));
    }
    for namespace in ["ipfs", "ipns", "ipld"] {
        router = router.route(&format!("/pins/{namespace}/{{*path}}"), get(answer).post(answer));
    }
    let uri: http::Uri = format!("/pins/ipfs/{CID}?name=x").parse().unwrap();
    let make = || http::Request::post(uri.clone()).body(Body::empty()).unwrap();
    let started = Instant::now();
    for _ in 0..ROUNDS {
        std::hint::black_box(router.clone().call(make()).await.unwrap());
    }
    let framework = started.elapsed() / ROUNDS;
    let started = Instant::now();
    for _ in 0..ROUNDS {
        let request = make();
        let mut segments = request.uri().path().split('/').skip(1);
        let found = match (request.method().as_str(), segments.next(), segments.next(), segments.next()) {
            ("POST", Some("pins"), Some("ipfs" | "ipns" | "ipld"), Some(_)) => answer().await,
            _ => panic!(),
        };
        std::hint::black_box(found);
    }
    println!("routing: {framework:.0?} with the framework, {:.0?} by hand", started.elapsed() / ROUNDS);
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|a| a == "client") {
        let number = |i: usize| arguments[i].parse().unwrap();
        return client(arguments[1].parse().unwrap(), number(2) as u64, number(3));
    }
    let number = |i: usize, or: u64| arguments.get(i).map_or(or, |a| a.parse().unwrap());
    let (seconds, connections) = (number(0, 5), number(1, 256) as usize);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        routing().await;
        let api = Arc::new(Instantly(Etag::of(b"value")));
        let server = RestServer::bind(config(), api).await.unwrap();
        let address = server.local_addrs()[0];
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(server.serve(async { drop(stopped.await) }));
        tokio::task::spawn_blocking(move || {
            for connections in [1, 16, connections] {
                drive(address, seconds, connections);
            }
            stream_pins(address);
        })
        .await
        .unwrap();
        drop(stop);
        serving.await.unwrap();
    });
}
