//! `health` and `ipfs`: text as the reference prints it, JSON, and the drawing.

use super::{
    PEER, SECOND, THIRD,
    fake_server::{FakeServer, error, ok},
    run,
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const IPFS_A: &str = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";
const IPFS_B: &str = "QmPFKAGZbUjdzt8BBx8VTWCe9UeUQVcoqHFehSPzN5LSsq";
const OUTSIDER: &str = "QmbFgm5zan8P6eWWmeyfncR5feYEMPbht5b1FW1C37aQ7y";

/// Three members, of which one has no IPFS daemon and no trust; links to a stranger.
fn graph() -> String {
    format!(
        "{{\"cluster_id\":\"{PEER}\",\"id_to_peername\":{{\"{SECOND}\":\"a<b>&c\",\"{PEER}\":\"beta\"}},\
         \"ipfs_links\":{{\"{IPFS_A}\":[\"{IPFS_B}\",\"{OUTSIDER}\"],\"{IPFS_B}\":[\"{IPFS_A}\"]}},\
         \"cluster_links\":{{\"{SECOND}\":[\"{PEER}\"],\"{PEER}\":[\"{THIRD}\",\"{SECOND}\",\"{OUTSIDER}\"],\"{THIRD}\":null}},\
         \"cluster_trust_links\":{{\"{SECOND}\":true,\"{PEER}\":true,\"{THIRD}\":false}},\
         \"cluster_to_ipfs\":{{\"{SECOND}\":\"{IPFS_B}\",\"{PEER}\":\"{IPFS_A}\"}}}}\n"
    )
}

/// The drawing of [`graph`].
const DRAWN: &str = include_str!("graph.dot");

async fn server(graph: String) -> FakeServer {
    FakeServer::start([("GET /health/graph", vec![ok(graph)])]).await
}

#[tokio::test]
async fn the_graph_is_drawn() {
    let server = server(graph()).await;
    let drawn = run(&format!("--host {} health graph", server.host)).await;
    assert_eq!((drawn.code, drawn.err.as_str()), (0, ""));
    assert_eq!(drawn.out, DRAWN.trim_end(), "there is no line end at the end");

    let all = run(&format!("--host {} health graph --all-ipfs-peers", server.host)).await;
    let outsider = format!(
        "I2 [label=< <B> IPFS </B> <BR/> <B> Qm*37aQ7y </B> > group=\"{OUTSIDER}\" color=\"turquoise3\" "
    );
    assert!(all.out.contains(&outsider), "{}", all.out);
    assert!(all.out.contains("\nI3 [label=< <B> IPFS </B> <BR/> <B> Errored </B> > "), "{}", all.out);
    assert!(all.out.contains("\nC1 -> I3 [ style=\"dotted\" ]\n"), "{}", all.out);
    assert!(all.out.ends_with("\nI0 -> I1\nI1 -> I0\nI1 -> I2\n}"), "{}", all.out);
}

#[tokio::test]
async fn a_cluster_of_one_is_drawn() {
    let one = format!(
        "{{\"cluster_id\":\"{PEER}\",\"id_to_peername\":{{\"{PEER}\":\"solo\"}},\"ipfs_links\":{{\"{IPFS_A}\":[]}},\
         \"cluster_links\":{{\"{PEER}\":[]}},\"cluster_trust_links\":{{\"{PEER}\":true}},\
         \"cluster_to_ipfs\":{{\"{PEER}\":\"{IPFS_A}\"}}}}\n"
    );
    let server = server(one).await;
    let drawn = run(&format!("--host {} health graph", server.host)).await;
    assert!(drawn.out.contains("\nC0 [label=< <B> solo </B> <BR/> "), "{}", drawn.out);
    assert_eq!(drawn.out.matches(" -> ").count(), 1);
    assert!(drawn.out.contains("\nC0 -> I0\n"), "{}", drawn.out);
}

#[tokio::test]
async fn an_odd_graph_is_drawn_as_far_as_it_goes() {
    for odd in [
        "null".to_owned(),
        "{}".to_owned(),
        "{\"cluster_id\":\"é\",\"cluster_links\":{\"é\":[\"\"],\"\":[\"é\",\"x\"]},\"ipfs_links\":{\"i\":null}}".to_owned(),
        // The daemon is there but does not say whom it is connected to.
        format!("{{\"cluster_links\":{{\"{PEER}\":[]}},\"cluster_to_ipfs\":{{\"{PEER}\":\"{IPFS_A}\"}}}}"),
    ] {
        let server = server(odd.clone()).await;
        let drawn = run(&format!("--host {} health graph", server.host)).await;
        assert_eq!((drawn.code, drawn.err.as_str()), (0, ""), "{odd}");
        assert!(drawn.out.starts_with("digraph cluster {\n") && drawn.out.ends_with("\n}"), "{}", drawn.out);
        assert_eq!(drawn.out.contains("\nC0 -> I0\n"), odd.contains(IPFS_A), "{}", drawn.out);
    }
}

#[tokio::test]
async fn the_graph_goes_to_a_file_or_is_json() {
    let server = server(graph()).await;
    let file = std::env::temp_dir().join(format!("cluster-ctl-graph-{}.dot", std::process::id()));
    let path = file.display();
    let drawn = run(&format!("--host {} health graph --file {path}", server.host)).await;
    assert_eq!((drawn.code, drawn.out.as_str()), (0, ""), "{}", drawn.err);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), DRAWN.trim_end());
    let json = run(&format!("--host {} --enc=json health graph", server.host)).await;
    assert!(json.out.starts_with(&format!("{{\n    \"cluster_id\": \"{PEER}\",\n")), "{}", json.out);
    let to_file = run(&format!("--host {} --enc=json health graph -f {path}", server.host)).await;
    assert_eq!((to_file.code, to_file.out.as_str()), (0, ""));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), json.out);
    std::fs::remove_file(&file).unwrap();

    let nowhere = run(&format!("--host {} health graph -f {path}/x", server.host)).await;
    assert_eq!((nowhere.code, nowhere.out.as_str()), (1, ""));
    assert!(nowhere.err.starts_with(&format!("error creating output file: {path}/x: ")), "{}", nowhere.err);
}

/// A metric that expires `seconds` from now, up to its last field.
fn metric(name: &str, peer: &str, value: &str, weight: i64, seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs() as i64;
    let expire = (now + seconds) * 1_000_000_000;
    format!(
        "{{\"name\":\"{name}\",\"peer\":\"{peer}\",\"value\":\"{value}\",\"expire\":{expire},\"valid\":true,\
         \"weight\":{weight},\"partitionable\":false,\"received_at\":1769854800000000000"
    )
}

#[tokio::test]
async fn metrics_of_each_peer() {
    let half_hour = 90 * 60;
    let list = format!(
        "[{}}},{}}},{}}}]\n",
        metric("freespace", PEER, "9000000000", 9_000_000_000, half_hour),
        metric("freespace", SECOND, "x<y", 0, half_hour),
        metric("freespace", THIRD, "83000000", 83_000_000, -3 * half_hour),
    );
    let server = FakeServer::start([
        ("GET /monitor/metrics/freespace", vec![ok(list)]),
        ("GET /monitor/metrics", vec![ok("[\"ping\",\"tag:group\"]\n")]),
        ("GET /monitor/metrics/none", vec![ok("[]\n")]),
    ])
    .await;
    let host = &server.host;
    let text = run(&format!("--host {host} health metrics freespace")).await;
    assert_eq!(
        (text.code, text.out),
        (
            0,
            format!(
                "{PEER} | freespace: 9.0 GB | Expires in: 1 hour from now\n\
                 {SECOND} | freespace: x<y | Expires in: 1 hour from now\n\
                 {THIRD} | freespace: 83 MB | Expires in: 4 hours ago\n"
            )
        )
    );
    let json = run(&format!("--host {host} --enc=json health metrics freespace")).await;
    assert!(
        json.out.starts_with("[\n    {\n        \"name\": \"freespace\",\n")
            && json.out.ends_with("    }\n]\n"),
        "{}",
        json.out
    );
    assert_eq!(run(&format!("--host {host} health metrics")).await.out, "ping\ntag:group\n");
    let names = run(&format!("--host {host} --enc json health metrics")).await;
    assert_eq!(names.out, "[\n    \"ping\",\n    \"tag:group\"\n]\n");
    let none = run(&format!("--host {host} health metrics none")).await;
    assert_eq!((none.code, none.out.as_str()), (0, ""));
    assert_eq!(run(&format!("--host {host} --enc json health metrics none")).await.out, "[]\n");
}

#[tokio::test]
async fn alerts_newest_first() {
    let alert =
        format!("{},\"triggered_at\":\"2001-01-31T10:21:00.5Z\"}}", metric("ping", PEER, "", 0, -5400));
    let server =
        FakeServer::start([("GET /health/alerts", vec![ok(format!("[{alert}]\n")), ok("[]\n")])]).await;
    let text = run(&format!("--host {} health alerts", server.host)).await;
    let years = text.out.split("Triggered at: ").nth(1).unwrap_or_default().to_owned();
    assert_eq!(text.out, format!("{PEER}: ping. Expired at: 1 hour ago. Triggered at: {years}"));
    assert!(years.ends_with(" years ago\n"), "{years}");
    let none = run(&format!("--host {} --enc=json health alerts", server.host)).await;
    assert_eq!((none.code, none.out.as_str()), (0, "[]\n"));
}

#[tokio::test]
async fn the_dag_and_its_fingerprint() {
    let health = "{\"heads\":[\"bafkqaaa\",\"bafkqaalb\"],\"height\":7,\"blocks_known\":11,\"blocks_merged\":9,\
                  \"blocks_missing\":2,\"open_walks\":1,\"dirty\":true,\"elements\":5,\"tombstones\":3,\
                  \"pending_operations\":4,\"fingerprint\":\"00ff\"}\n";
    let server = FakeServer::start([(
        "GET /health/crdt",
        vec![ok(health), ok(health), error(404, "404 page not found")],
    )])
    .await;
    let host = &server.host;
    let text = run(&format!("--host {host} health crdt")).await;
    assert_eq!(
        (text.code, text.out.as_str()),
        (
            0,
            "Heads: 2 | Height: 7 | Dirty: true\n  - bafkqaaa\n  - bafkqaalb\n\
             Blocks: 11 known, 9 merged, 2 missing | Open walks: 1\n\
             Elements: 5 | Tombstones: 3 | Pending operations: 4\nFingerprint: 00ff\n"
        )
    );
    let json = run(&format!("--host {host} --enc json health crdt")).await;
    assert!(json.out.contains("    \"blocks_missing\": 2,\n"), "{}", json.out);
    let old = run(&format!("--host {host} health crdt")).await;
    assert_ne!(old.code, 0);
}

#[tokio::test]
async fn who_leads_and_how_far_the_log_is() {
    let health = "{\"state\":\"leader\",\"leader\":\"QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn\",\"term\":3,\
                  \"ready\":true,\"last_index\":9,\"committed_index\":8,\"applied_index\":6,\"snapshot_index\":null,\
                  \"purged_index\":null,\"log_entries\":10,\"lag\":2,\"error\":\"the disk is full\",\"members\":[{\"peer\":\
                  \"QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn\",\"role\":\"voter\",\"lag\":1,\"heard_ms_ago\":70}]}\n";
    let server = FakeServer::start([("GET /health/raft", vec![ok(health)])]).await;
    let text = run(&format!("--host {} health raft", server.host)).await;
    let peer = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";
    assert_eq!(
        (text.code, text.out),
        (
            0,
            format!(
                "State: leader | Ready: true | Term: 3 | Leader: {peer}\n\
                 Log: last 9, committed 8, applied 6, snapshot none, purged none | Entries: 10 | Lag: 2\n  - {peer} | voter \
                 | Lag: 1 | Heard 70 ms ago\nError: the disk is full\n"
            )
        )
    );
}

#[tokio::test]
async fn garbage_by_peer() {
    let gc = format!(
        "{{\"peer_map\":{{\"{PEER}\":{{\"peer\":\"{PEER}\",\"peername\":\"beta\",\"keys\":[{{\"key\":\"bafkqaaa\"}},\
         {{\"key\":null,\"error\":\"busy\"}}]}},\"{SECOND}\":{{\"peer\":\"{SECOND}\",\"peername\":\"\",\"keys\":[],\
         \"error\":\"down\"}},\"{THIRD}\":{{\"peer\":\"{THIRD}\",\"peername\":\"gamma\",\"keys\":[]}}}}}}\n"
    );
    let server =
        FakeServer::start([("POST /ipfs/gc", vec![ok(gc.clone()), ok(gc), error(500, "down")])]).await;
    let text = run(&format!("--host {} ipfs gc", server.host)).await;
    assert_eq!(
        (text.code, text.out),
        (
            0,
            format!(
                "{SECOND} | ERROR: down\n  > CIDs:\ngamma          \n  > CIDs:\n\
                 beta           \n  > CIDs:\n    - bafkqaaa\n    - ERROR: busy\n"
            )
        )
    );
    let json = run(&format!("--host {} --enc=json ipfs gc", server.host)).await;
    assert!(json.out.starts_with("{\n    \"peer_map\": {\n"), "{}", json.out);
    assert!(
        json.out.contains("            \"keys\": [],\n            \"error\": \"down\"\n"),
        "{}",
        json.out
    );
    let failed = run(&format!("--host {} ipfs gc --local", server.host)).await;
    let message = "An error occurred:\n  Code: 500\n  Message: down\n";
    assert_eq!((failed.code, failed.out.as_str()), (2, message));
    assert_eq!(server.asked(), ["POST /ipfs/gc", "POST /ipfs/gc", "POST /ipfs/gc?local=true"]);
}
