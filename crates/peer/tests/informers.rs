//! What a peer tells of itself and when, and how it notices that others fall silent; in paused time.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_core::{
    Cid, Metric, Multiaddr, PeerId, Pin, PinDepth, PinKey, ReplicationFactors,
    metric::{PING, UnixNanos},
    pinset::{NoBackend, TrackerSignal, Writer, WriterConfig, mutation::LaneRule},
    ports::{
        BoxFuture, BoxStream, Broadcast, IpfsConnector, PeerSet,
        consensus::{AppliedOn, Operation, OperationKind},
        ipfs_connector::{
            ContentBlock, GcItem, IpfsError, IpfsId, IpfsPin, IpfsPinStatus, PinProgress, PinRequest,
            ProgressSink, RepoStat,
        },
        swarm::PeerEvent,
    },
    tracker::{Action, InFlight, InFlightPin},
};
use cluster_datastore::MemoryStore;
use cluster_peer::{
    DiskInformer, DiskMetric, Informers, InformersConfig, InformersParts, InformersWorker, IpfsWatch,
    MetricsBoard, MonitorWorker, PingValue, PinqueueInformer, TagsInformer,
};
use cluster_runtime::{Effects, now, start_pinset};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, error::TryRecvError, unbounded_channel},
    time::{Instant, advance},
};
use tokio_util::sync::CancellationToken;

const TTL: Duration = Duration::from_secs(30);
const PING_INTERVAL: Duration = Duration::from_secs(15);

/// Collects what is told, with the time.
struct Told(UnboundedSender<(Instant, Metric)>);

impl Broadcast for Told {
    fn publish_metric(&self, metric: &Metric) {
        // A test that has seen enough no longer listens.
        let _ = self.0.send((Instant::now(), metric.clone()));
    }

    fn publish_heads(&self, _: Vec<u8>) {
        panic!("no heads are told");
    }
}

/// A daemon that tells its space, fails, or does not answer (`None`); and says when it was asked.
struct Daemon {
    answer: Mutex<Option<Result<RepoStat, IpfsError>>>,
    asked: UnboundedSender<Instant>,
}

impl Daemon {
    fn becomes(&self, answer: Option<Result<RepoStat, IpfsError>>) {
        *self.answer.lock().unwrap() = answer;
    }
}

fn space(free: u64) -> RepoStat {
    RepoStat { repo_size: 1000, storage_max: 1000 + free }
}

fn down() -> IpfsError {
    IpfsError::Unreachable {
        node: "nowhere".to_owned(),
        path: "repo/stat".to_owned(),
        cause: "on purpose".to_owned(),
    }
}

fn unasked<T>() -> BoxFuture<'static, Result<T, IpfsError>> {
    panic!("only the space is asked for")
}

impl IpfsConnector for Daemon {
    fn repo_stat(&self) -> BoxFuture<'_, Result<RepoStat, IpfsError>> {
        let answer = self.answer.lock().unwrap().clone();
        // A test that has seen enough no longer listens.
        let _ = self.asked.send(Instant::now());
        Box::pin(async {
            match answer {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        })
    }

    fn id(&self) -> BoxFuture<'_, Result<IpfsId, IpfsError>> {
        unasked()
    }

    fn pin(&self, _: PinRequest, _: ProgressSink) -> BoxFuture<'_, Result<(), IpfsError>> {
        unasked()
    }

    fn unpin(&self, _: Cid) -> BoxFuture<'_, Result<(), IpfsError>> {
        unasked()
    }

    fn pin_status(&self, _: Cid, _: PinDepth) -> BoxFuture<'_, Result<IpfsPinStatus, IpfsError>> {
        unasked()
    }

    fn pin_ls(&self, _: IpfsPinStatus) -> BoxStream<'_, Result<IpfsPin, IpfsError>> {
        panic!("only the space is asked for")
    }

    fn resolve(&self, _: String) -> BoxFuture<'_, Result<Cid, IpfsError>> {
        unasked()
    }

    fn swarm_connect(&self, _: Multiaddr) -> BoxFuture<'_, Result<(), IpfsError>> {
        unasked()
    }

    fn swarm_peers(&self) -> BoxFuture<'_, Result<Vec<PeerId>, IpfsError>> {
        unasked()
    }

    fn put_blocks(&self, _: BoxStream<'static, ContentBlock>) -> BoxFuture<'_, Result<(), IpfsError>> {
        unasked()
    }

    fn collect_garbage(&self) -> BoxStream<'_, Result<GcItem, IpfsError>> {
        panic!("only the space is asked for")
    }

    fn config_value(&self, _: String) -> BoxFuture<'_, Result<Option<String>, IpfsError>> {
        unasked()
    }
}

fn disk() -> Option<DiskInformer> {
    Some(DiskInformer { metric_ttl: TTL, metric: DiskMetric::FreeSpace })
}

fn tags(tags: &[(&str, &str)]) -> Option<TagsInformer> {
    let tags: BTreeMap<String, String> = tags.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
    Some(TagsInformer { metric_ttl: TTL, tags })
}

fn only_ping() -> InformersConfig {
    let (disk, tags, pinqueue) = (None, None, None);
    InformersConfig { peername: "me".to_owned(), ping_interval: PING_INTERVAL, disk, tags, pinqueue }
}

/// A running worker and all around it.
struct Running {
    informers: Informers,
    board: MetricsBoard,
    watch: IpfsWatch,
    daemon: Arc<Daemon>,
    asked: UnboundedReceiver<Instant>,
    store: Arc<MemoryStore>,
    in_flight: InFlight,
    told: UnboundedReceiver<(Instant, Metric)>,
    began: Instant,
    stop: CancellationToken,
}

impl Running {
    fn start(config: InformersConfig, trigger: u64) -> Self {
        Self::start_with(config, trigger, Arc::new(MemoryStore::new()), InFlight::default())
    }

    fn start_with(
        config: InformersConfig,
        trigger: u64,
        store: Arc<MemoryStore>,
        in_flight: InFlight,
    ) -> Self {
        let (sender, told) = unbounded_channel();
        let (asking, asked) = unbounded_channel();
        let daemon = Daemon { answer: Mutex::new(Some(Ok(space(500)))), asked: asking };
        let running = Self {
            informers: Informers::new(trigger),
            board: MetricsBoard::new(PeerId::random()),
            watch: IpfsWatch::default(),
            daemon: Arc::new(daemon),
            asked,
            store,
            in_flight,
            told,
            began: Instant::now(),
            stop: CancellationToken::new(),
        };
        let parts = InformersParts {
            board: running.board.clone(),
            broadcast: Arc::new(Told(sender)),
            ipfs: running.daemon.clone(),
            watch: running.watch.clone(),
            store: running.store.clone(),
            in_flight: running.in_flight.clone(),
        };
        let worker = InformersWorker::new(config, parts, running.informers.clone());
        tokio::spawn(worker.run(running.stop.clone()));
        running
    }

    /// Returns the next metric of a name and the milliseconds since the start at which it was told.
    async fn next(&mut self, name: &str) -> (u128, Metric) {
        loop {
            let (at, metric) = self.told.recv().await.expect("the worker runs");
            if metric.name == name {
                return ((at - self.began).as_millis(), metric);
            }
        }
    }

    async fn times(&mut self, name: &str, n: usize) -> Vec<u128> {
        let mut times = Vec::new();
        for _ in 0..n {
            times.push(self.next(name).await.0);
        }
        times
    }

    /// Returns the milliseconds since the start at which the daemon was asked next.
    async fn asked_at(&mut self, n: usize) -> Vec<u128> {
        let mut times = Vec::new();
        for _ in 0..n {
            times.push((self.asked.recv().await.expect("the worker runs") - self.began).as_millis());
        }
        times
    }

    /// Lets the worker do what is due.
    async fn settle(&self) {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_told_at_once_and_every_interval_and_noted_here() {
    let mut r = Running::start(only_ping(), 0);
    let before = UnixNanos::from_millis(now().plus(2 * PING_INTERVAL));
    let (at, ping) = r.next(PING).await;
    let after = UnixNanos::from_millis(now().plus(2 * PING_INTERVAL));
    assert_eq!(at, 0);
    assert!(before <= ping.expires && ping.expires <= after, "{ping:?}");
    let expected =
        Metric { name: PING.to_owned(), peer: r.board.me(), weight: 0, valid: true, ..ping.clone() };
    assert_eq!(ping, expected);
    assert_eq!(ping.value, r#"{"peer_name":"me"}"#);
    assert_eq!(r.times(PING, 3).await, [15_000, 30_000, 45_000]);
    r.settle().await;
    assert_eq!(r.board.metrics(PING).len(), 1);
    // Nothing but pings was told.
    assert_eq!(r.board.metric_names(), [PING]);
}

#[tokio::test(start_paused = true)]
async fn a_ping_repeats_what_the_ipfs_daemon_last_said() {
    let mut r = Running::start(only_ping(), 0);
    r.next(PING).await;
    let told: Multiaddr = "/ip4/10.0.0.1/tcp/4001".parse().unwrap();
    let id = IpfsId {
        id: PeerId::random(),
        addresses: vec!["/ip4/127.0.0.1/tcp/4001".parse().unwrap(), told.clone()],
    };
    r.watch.note(id.clone());
    let value = PingValue { peername: "me".to_owned(), ipfs_id: Some(id.id), ipfs_addresses: vec![told] };
    for _ in 0..3 {
        assert_eq!(PingValue::decode(&r.next(PING).await.1.value), value);
    }
}

#[tokio::test(start_paused = true)]
async fn space_is_told_every_half_of_its_time_and_twice_as_often_while_that_fails() {
    let mut r = Running::start(InformersConfig { disk: disk(), ..only_ping() }, 0);
    assert_eq!(r.asked_at(2).await, [0, 15_000]);
    r.daemon.becomes(Some(Err(down())));
    // At 30 s, and again after a quarter of the time.
    assert_eq!(r.asked_at(3).await, [30_000, 37_500, 45_000]);
    r.daemon.becomes(Some(Ok(space(7))));
    assert_eq!(r.asked_at(2).await, [52_500, 67_500]);
    // A full repository is no failure, but nothing to tell.
    r.daemon.becomes(Some(Ok(space(0))));
    assert_eq!(r.asked_at(2).await, [82_500, 97_500]);
    r.daemon.becomes(Some(Ok(space(8))));
    let mut told = Vec::new();
    for _ in 0..5 {
        let (at, metric) = r.next("freespace").await;
        assert_eq!(metric.value, metric.weight.to_string());
        told.push((at, metric.weight));
    }
    assert_eq!(told, [(0, 500), (15_000, 500), (52_500, 7), (67_500, 7), (112_500, 8)]);
    r.settle().await;
    assert_eq!(r.board.metrics("freespace")[0].value, "8");
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_does_not_answer_holds_nothing_else_up() {
    let mut r =
        Running::start(InformersConfig { disk: disk(), tags: tags(&[("group", "a")]), ..only_ping() }, 0);
    r.daemon.becomes(None);
    assert_eq!(r.times(PING, 3).await, [0, 15_000, 30_000]);
    let (at, tag) = r.next("tag:group").await;
    assert_eq!((at, tag.value.as_str(), tag.weight, tag.partitionable), (30_000, "a", 0, true));
}

#[tokio::test(start_paused = true)]
async fn every_tag_is_a_metric_and_no_tags_are_none() {
    let mut r =
        Running::start(InformersConfig { tags: tags(&[("group", "a"), ("zone", "z")]), ..only_ping() }, 0);
    r.next("tag:zone").await;
    r.settle().await;
    assert_eq!(r.board.metric_names(), [PING, "tag:group", "tag:zone"]);
    let mut none = Running::start(InformersConfig { tags: tags(&[]), ..only_ping() }, 0);
    none.times(PING, 3).await;
    assert_eq!(none.board.metric_names(), [PING]);
}

struct NoTracker;

impl Effects<Infallible> for NoTracker {
    fn committed(&self, _: Vec<Infallible>) {}

    fn tracked(&self, _: Vec<TrackerSignal>) {}

    fn recovered(&self) {}
}

#[tokio::test(start_paused = true)]
async fn pins_that_wait_are_counted_without_those_in_work() {
    let store = Arc::new(MemoryStore::new());
    let config = WriterConfig {
        local: PeerId::random(),
        replication: ReplicationFactors::EVERYWHERE,
        lanes: LaneRule { max_age: Duration::from_secs(86_400), max_retries: 5 },
        applied_on: AppliedOn::Local,
    };
    let writer = Writer::open(store.clone(), NoBackend, config).unwrap();
    let (pinset, writer) = start_pinset(writer, Arc::new(NoTracker)).unwrap();
    let in_flight = InFlight::default();
    for number in 0..5 {
        let key = PinKey::from_bytes(&[1, 0x55, 0, 1, number]).unwrap();
        pinset.submit(Operation::new(OperationKind::Pin(Box::new(Pin::new(key.cid()))))).await.unwrap();
        let action = [Action::Pin, Action::Unpin][usize::from(number % 2)];
        if number < 2 {
            let progress = PinProgress::default();
            in_flight.start(key, InFlightPin { action, revision: 1, since: now(), progress });
        }
    }
    let pinqueue = Some(PinqueueInformer { metric_ttl: TTL, weight_bucket_size: 2 });
    let mut r = Running::start_with(InformersConfig { pinqueue, ..only_ping() }, 0, store, in_flight);
    let (_, metric) = r.next("pinqueue").await;
    assert_eq!((metric.value.as_str(), metric.weight, metric.partitionable), ("4", -2, false));
    drop(pinset);
    assert!(writer.join());
}

#[tokio::test(start_paused = true)]
async fn whoever_listens_from_now_on_hears_all_but_not_in_too_many_bursts() {
    let mut r =
        Running::start(InformersConfig { disk: disk(), tags: tags(&[("group", "a")]), ..only_ping() }, 0);
    r.next("freespace").await;
    r.settle().await;
    while r.told.try_recv().is_ok() {}
    advance(Duration::from_millis(100)).await;
    r.informers.on_peer(PeerEvent::Connected(PeerId::random()));
    r.settle().await;
    assert_eq!(r.told.try_recv(), Err(TryRecvError::Empty));
    // The first one hears all at once.
    r.informers.on_peer(PeerEvent::ListensToMetrics(PeerId::random()));
    let mut names = Vec::new();
    for _ in 0..3 {
        let (at, metric) = r.told.recv().await.unwrap();
        assert_eq!((at - r.began).as_millis(), 100);
        names.push(metric.name);
    }
    names.sort();
    assert_eq!(names, ["freespace", PING, "tag:group"]);
    // The next thousand share one burst.
    for _ in 0..1000 {
        r.informers.on_peer(PeerEvent::ListensToMetrics(PeerId::random()));
        r.settle().await;
    }
    assert_eq!(r.times(PING, 2).await, [2_100, 17_100]);
    // What was told in a burst need not be told again before its time.
    r.informers.publish_all_now();
    assert_eq!(r.times(PING, 2).await, [17_100, 32_100]);
}

#[tokio::test(start_paused = true)]
async fn every_nth_pin_tells_all() {
    let mut r = Running::start(only_ping(), 3);
    r.next(PING).await;
    advance(Duration::from_secs(1)).await;
    for _ in 0..2 {
        r.informers.on_pin_event();
        r.settle().await;
        assert_eq!(r.told.try_recv(), Err(TryRecvError::Empty));
    }
    r.informers.on_pin_event();
    assert_eq!(r.next(PING).await.0, 1_000);
    let mut never = Running::start(only_ping(), 0);
    never.next(PING).await;
    (0..100).for_each(|_| never.informers.on_pin_event());
    assert_eq!(never.next(PING).await.0, 15_000);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_after_the_stop() {
    let mut r = Running::start(only_ping(), 0);
    r.next(PING).await;
    r.stop.cancel();
    r.informers.publish_all_now();
    // The worker is gone, and with it who could tell.
    assert!(r.told.recv().await.is_none());
}

fn expired(name: &str, peer: PeerId) -> Metric {
    Metric {
        name: name.to_owned(),
        peer,
        value: String::new(),
        expires: UnixNanos(1),
        valid: true,
        weight: 0,
        partitionable: false,
        received_at: UnixNanos::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn silent_peers_are_told_once_and_this_one_is_never_among_them() {
    let board = MetricsBoard::new(PeerId::random());
    let began = Instant::now();
    let (worker, mut silent) = MonitorWorker::new(board.clone(), Duration::from_secs(15));
    let stop = CancellationToken::new();
    let running = tokio::spawn(worker.run(stop.clone()));
    let (a, b) = (PeerId::random(), PeerId::random());
    board.on_own_metric(expired(PING, board.me()));
    board.on_metric(expired(PING, a));
    board.on_metric(expired("freespace", a));
    let alert = silent.recv().await.unwrap();
    assert_eq!((alert.metric.name.as_str(), alert.metric.peer), (PING, a));
    assert_eq!(began.elapsed(), Duration::from_secs(15));
    // Ours and the two of the other peer are listed; only one is to be acted on.
    assert_eq!(board.alerts().len(), 3);
    advance(Duration::from_secs(60)).await;
    board.on_metric(expired(PING, b));
    assert_eq!(silent.recv().await.unwrap().metric.peer, b);
    assert_eq!(board.members(), [board.me()]);
    stop.cancel();
    running.await.unwrap();
    assert!(silent.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn alerts_go_on_whether_or_not_anybody_acts_on_them() {
    for listened in [true, false] {
        let board = MetricsBoard::new(PeerId::random());
        let (worker, silent) = MonitorWorker::new(board.clone(), Duration::from_secs(15));
        let silent = listened.then_some(silent);
        for _ in 0..300 {
            board.on_metric(expired(PING, PeerId::random()));
        }
        let stop = CancellationToken::new();
        let running = tokio::spawn(worker.run(stop.clone()));
        // Paused time goes on by itself when the worker has nothing else to do.
        tokio::time::sleep(Duration::from_secs(16)).await;
        board.on_metric(expired(PING, PeerId::random()));
        tokio::time::sleep(Duration::from_secs(15)).await;
        assert_eq!(board.alerts().len(), 301);
        stop.cancel();
        running.await.unwrap();
        let mut waiting = 0;
        if let Some(mut silent) = silent {
            while silent.recv().await.is_some() {
                waiting += 1;
            }
        }
        assert_eq!(waiting, if listened { 256 } else { 0 });
    }
}
