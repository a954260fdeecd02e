//! A new user follows a cluster whose configuration is published under a name in a private IPFS network of real daemons:
//! a thousand pins arrive, the network is cut, the list is there without it; and nobody but the trusted peer removes any.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_client::{Cid, api_types::PinOptions};
use cluster_testkit::{
    file_server::FileServer,
    kubo::{Kubo, KuboBinary},
    mock_kubo::MockKubo,
};
use cluster_tests::{
    cluster::{pinset, random_secret},
    follower::{Follower, NAME, Running, published, published_by_go},
    world::{LIMIT, World},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

/// Pins of the cluster.
const PINS: usize = 1000;

/// Requests of the publisher at a time.
const AT_ONCE: usize = 32;

const POLL: Duration = Duration::from_millis(50);

/// The cluster: a peer that followers trust, beside a real daemon that has all content.
struct Publisher {
    world: World<Kubo>,
    secret: String,
    pins: Vec<Cid>,
}

impl Publisher {
    async fn start() -> Self {
        let secret = random_secret().unwrap();
        let mut world = World::with_kubo(&[("CLUSTER_SECRET", &secret)]).await.unwrap();
        // Whatever it takes from others, followers take from it.
        world.peer.stop().unwrap();
        let id = world.peer.id().to_owned();
        world.peer.set_variable("CLUSTER_CRDT_TRUSTEDPEERS", &id);
        world.start_again().await.unwrap();
        let folder = world.path("content");
        fs::create_dir(&folder).unwrap();
        for number in 0..PINS {
            fs::write(folder.join(number.to_string()), format!("content {number} of {secret}")).unwrap();
        }
        let added = world.ipfs.ipfs(&["add", "-r", "-Q", "--pin=false", folder.to_str().unwrap()]).unwrap();
        let listed = world.ipfs.ipfs(&["ls", "--size=false", "--resolve-type=false", &added]).unwrap();
        let pins: Vec<Cid> =
            listed.lines().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
        assert_eq!(pins.iter().collect::<BTreeSet<_>>().len(), PINS);
        let publisher = Self { world, secret, pins };
        publisher.pin_all().await;
        publisher
    }

    async fn pin_all(&self) {
        let pins = stream::iter(&self.pins).map(|cid| async move {
            self.world.pin(cid, &PinOptions { name: format!("name of {cid}"), ..PinOptions::default() }).await
        });
        pins.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await.unwrap();
    }

    /// Publishes a text under the daemon's own name and returns the name.
    fn publish(&self, text: &str) -> String {
        let file = self.world.path("published");
        fs::write(&file, text).unwrap();
        let cid = self.world.ipfs.add(&file).unwrap();
        let name = self.world.ipfs.ipfs(&["name", "publish", "--quieter", &format!("/ipfs/{cid}")]).unwrap();
        assert!(name.starts_with('k'), "{name}");
        name
    }

    /// What a list shows of these pins.
    fn lines(&self, status: &str, pins: &[Cid]) -> String {
        let lines: BTreeSet<String> =
            pins.iter().map(|cid| format!("{status:<20} {cid} name of {cid}\n")).collect();
        lines.into_iter().collect()
    }
}

fn sorted(list: &str) -> String {
    list.split_inclusive('\n').collect::<BTreeSet<_>>().into_iter().collect()
}

/// A peer that has the cluster's secret and follows the publisher, whom nobody trusts.
async fn untrusted(publisher: &Publisher) -> World<MockKubo> {
    let mut world = World::with_mock(&[
        ("CLUSTER_SECRET", &publisher.secret),
        ("CLUSTER_CRDT_TRUSTEDPEERS", publisher.world.peer.id()),
    ])
    .await
    .unwrap();
    world.peer.stop().unwrap();
    world.peer.join(&[publisher.world.peer.swarm_address()]);
    world.start_again().await.unwrap();
    let deadline = Instant::now() + LIMIT;
    while pinset(&world.client).await.unwrap().len() != PINS {
        assert!(Instant::now() < deadline, "{}", world.peer.log_text());
        tokio::time::sleep(POLL).await;
    }
    world
}

async fn until_list_is<D>(follower: &Follower<D>, running: &mut Running, what: &str, wanted: &str) {
    follower.until_listed(running, what, |list| sorted(list) == wanted).await.unwrap();
}

async fn stop<D>(follower: &Follower<D>, running: &mut Running) {
    assert!(follower.said(&[NAME, "stop"]).await.unwrap().contains("has stopped"));
    assert_eq!(running.until_ended().await.unwrap(), Some(0), "{}", running.log().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_pins_are_followed_by_name_and_by_url_and_stay_without_the_network() {
    let mut publisher = Publisher::start().await;
    let gate = Kubo::start(&KuboBinary::find_or_build(None).unwrap()).unwrap();
    gate.connect(&publisher.world.ipfs).unwrap();
    let name = publisher.publish(&published_by_go(&publisher.world).unwrap());
    let gateway = gate.gateway().unwrap();

    // By all spellings of the name, through the gateway of the person's own daemon, and by a URL. To who calls it by the
    // name of this machine, Kubo's gateway answers with another place.
    let mut by_name = Follower::beside_kubo(gate).unwrap();
    let called = gateway.replace("127.0.0.1", "localhost");
    for (gateway, spelling) in
        [(&gateway, format!("/ipns/{name}")), (&gateway, format!("ipns://{name}")), (&called, name.clone())]
    {
        let said = by_name.said(&[NAME, "init", "--gateway", gateway, &spelling]).await.unwrap();
        assert!(said.contains(&format!("  {gateway}/ipns/{name}\n")), "{said}");
        let info = by_name.said(&[NAME, "info"]).await.unwrap();
        assert!(info.contains(&format!("Available ({gateway}/ipns/{name})\n")), "{info}");
        by_name.said(&[NAME, "remove", "--force"]).await.unwrap();
    }
    by_name.said(&[NAME, "init", "--gateway", &gateway, &format!("ipns://{name}")]).await.unwrap();
    let by_url = Follower::beside_mock().await.unwrap();
    let mut server = FileServer::start(&published(&publisher.world).unwrap()).unwrap();
    by_url.said(&[NAME, "init", &server.url("/service.toml")]).await.unwrap();

    let all = publisher.lines("pinned", &publisher.pins);
    let mut running = [by_name.start(&[NAME, "run"]).unwrap(), by_url.start(&[NAME, "run"]).unwrap()];
    until_list_is(&by_name, &mut running[0], "all pins by name", &all).await;
    until_list_is(&by_url, &mut running[1], "all pins by URL", &all).await;
    let info = by_name.said(&[NAME, "info"]).await.unwrap();
    assert!(info.contains("Sync: 1000 pins: 1000 pinned, 0 pinning, 0 errors | "), "{info}");
    let held: BTreeSet<String> = by_name.ipfs.pins("recursive").unwrap().into_iter().collect();
    assert!(publisher.pins.iter().all(|cid| held.contains(&cid.to_string())));

    // Somebody removes a pin who is not trusted, and after that somebody who is.
    let stranger = untrusted(&publisher).await;
    let (taken, kept) = (publisher.pins[0], publisher.pins[1]);
    stranger.unpin(&kept).await.unwrap();
    assert_eq!(pinset(&stranger.client).await.unwrap().len(), PINS - 1);
    publisher.world.unpin(&taken).await.unwrap();
    let left: Vec<Cid> = publisher.pins.iter().filter(|cid| **cid != taken).copied().collect();
    let rest = publisher.lines("pinned", &left);
    until_list_is(&by_name, &mut running[0], "the trusted unpin by name", &rest).await;
    until_list_is(&by_url, &mut running[1], "the trusted unpin by URL", &rest).await;
    let deadline = Instant::now() + LIMIT;
    while by_name.ipfs.pins("recursive").unwrap().contains(&taken.to_string()) {
        assert!(Instant::now() < deadline, "the IPFS daemon still has it:\n{}", running[0].log().unwrap());
        tokio::time::sleep(POLL).await;
    }

    // The network is cut and neither place of the configuration answers: both start again by their copies.
    stop(&by_name, &mut running[0]).await;
    stop(&by_url, &mut running[1]).await;
    publisher.world.peer.kill().unwrap();
    publisher.world.ipfs.kill().unwrap();
    by_name.ipfs.ipfs(&["config", "--json", "Addresses.Gateway", "[]"]).unwrap();
    by_name.ipfs.restart().unwrap();
    server.shut();
    let offline = publisher.lines("offline", &left);
    running = [by_name.start(&[NAME, "run"]).unwrap(), by_url.start(&[NAME, "run"]).unwrap()];
    for running in &mut running {
        running.until_logged("the configuration cannot be fetched: using the copy of ").await.unwrap();
        running.until_logged("peer started").await.unwrap();
    }
    until_list_is(&by_name, &mut running[0], "the pins without a network", &rest).await;
    until_list_is(&by_url, &mut running[1], "the pins without a network", &rest).await;
    stop(&by_name, &mut running[0]).await;
    stop(&by_url, &mut running[1]).await;
    assert_eq!(sorted(&by_name.said(&[NAME, "list"]).await.unwrap()), offline);
    assert_eq!(sorted(&by_url.said(&[NAME, "list"]).await.unwrap()), offline);

    // What the stranger said would have been heard: it is once the person trusts it.
    let ids = format!("{},{}", publisher.world.peer.id(), stranger.peer.id());
    by_name.set_variable("CLUSTER_CRDT_TRUSTEDPEERS", &ids);
    by_name.set_variable("CLUSTER_PEERADDRESSES", stranger.peer.swarm_address());
    let mut running = by_name.start(&[NAME, "run"]).unwrap();
    let without: Vec<Cid> = left.iter().filter(|cid| **cid != kept).copied().collect();
    let wanted = publisher.lines("pinned", &without);
    until_list_is(&by_name, &mut running, "the stranger's unpin", &wanted).await;
    stop(&by_name, &mut running).await;
}
