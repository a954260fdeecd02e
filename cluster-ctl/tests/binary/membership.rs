//! `peers`.

use super::{
    PEER, SECOND,
    fake_server::{FakeServer, empty, error, ok},
    run,
};

fn id(peer: &str) -> String {
    format!(
        "{{\"id\":\"{peer}\",\"addresses\":[\"/ip4/192.0.2.9/tcp/9096/p2p/{peer}\",\"/ip4/192.0.2.1/tcp/9096/p2p/{peer}\"],\
         \"cluster_peers\":[\"{PEER}\",\"{SECOND}\"],\"cluster_peers_addresses\":[],\"version\":\"1.1.6\",\"commit\":\"\",\
         \"rpc_protocol_version\":\"x\",\"error\":\"\",\"ipfs\":{{\"id\":\"I\",\"addresses\":null,\"error\":\"\"}},\
         \"peername\":\"beta\"}}\n"
    )
}

#[tokio::test]
async fn members_are_listed_one_after_another() {
    let failed = format!("{{\"id\":\"{SECOND}\",\"error\":\"gone\"}}\n");
    let server = FakeServer::start([("GET /peers", vec![ok(id(PEER) + &failed)])]).await;
    let text = run(&format!("--host {} peers ls", server.host)).await;
    assert_eq!(
        (text.code, text.out),
        (
            0,
            format!(
                "{PEER} | beta | Sees 1 other peers\n  > Addresses:\n    - /ip4/192.0.2.1/tcp/9096/p2p/{PEER}\n    \
                 - /ip4/192.0.2.9/tcp/9096/p2p/{PEER}\n  > IPFS: I\n{SECOND} | ERROR: gone\n"
            )
        )
    );
    let json = run(&format!("--host {} --enc=json peers ls", server.host)).await;
    assert_eq!(json.out.matches("\n}\n").count(), 2, "{}", json.out);
    assert!(json.out.starts_with(&format!("{{\n    \"id\": \"{PEER}\",\n")), "{}", json.out);
}

#[tokio::test]
async fn a_peer_is_added_by_its_id_or_an_address() {
    let place = "/ip4/192.0.2.1/tcp/9096";
    let other = "/dns4/beta.example/tcp/9096";
    let whole = |place: &str| format!("{place}/p2p/{SECOND}");
    for (arguments, addresses) in [
        (SECOND.to_owned(), vec![]),
        (format!("/p2p/{SECOND}"), vec![]),
        (format!("{SECOND} {place} {}", whole(other)), vec![place, other]),
        (whole(place), vec![place]),
        (format!("{} {other}", whole(place)), vec![place, other]),
    ] {
        let server = FakeServer::start([("POST /peers", vec![ok(id(SECOND))])]).await;
        let added = run(&format!("--host {} peers add {arguments}", server.host)).await;
        assert_eq!(added.code, 0, "{added:?}");
        assert!(added.out.starts_with(&format!("{SECOND} | beta | Sees 1 other peers\n")), "{}", added.out);
        let list: Vec<String> = addresses.into_iter().map(|place| format!("\"{}\"", whole(place))).collect();
        let list =
            if list.is_empty() { String::new() } else { format!(",\"addresses\":[{}]", list.join(",")) };
        assert_eq!(server.asked(), [format!("POST /peers {{\"peer_id\":\"{SECOND}\"{list}}}")]);
    }
    let server = FakeServer::start([("POST /peers", vec![ok(id(SECOND))])]).await;
    let json = run(&format!("--host {} --enc json peers add {SECOND}", server.host)).await;
    assert!(json.out.starts_with(&format!("{{\n    \"id\": \"{SECOND}\",\n")), "{}", json.out);
}

#[tokio::test]
async fn a_peer_that_cannot_be_reached_is_the_servers_error() {
    let refused = error(500, "cannot connect to peer x: refused");
    let server = FakeServer::start([("POST /peers", vec![refused])]).await;
    let added = run(&format!("--host {} peers add {SECOND}", server.host)).await;
    let text = "An error occurred:\n  Code: 500\n  Message: cannot connect to peer x: refused\n";
    assert_eq!((added.code, added.out.as_str(), added.err.as_str()), (2, text, ""));
}

#[tokio::test]
async fn a_removal_says_nothing_when_it_succeeds() {
    let line = format!("DELETE /peers/{SECOND}").leak();
    let refused = error(500, "crdt consensus component cannot remove peers");
    let server = FakeServer::start([(&*line, vec![empty(), empty(), refused])]).await;
    for flags in ["", "--forget"] {
        let removed = run(&format!("--host {} peers rm {SECOND} {flags}", server.host)).await;
        assert_eq!((removed.code, removed.out.as_str(), removed.err.as_str()), (0, "", ""));
    }
    let failed = run(&format!("--host {} --enc json peers rm {SECOND}", server.host)).await;
    assert_eq!(failed.code, 2);
    assert_eq!(
        failed.out,
        "{\n    \"code\": 500,\n    \"message\": \"crdt consensus component cannot remove peers\"\n}\n"
    );
    assert_eq!(server.asked(), [line.to_owned(), format!("{line}?forget=true"), line.to_owned()]);
}

#[tokio::test]
async fn members_get_a_vote_and_lose_it_and_strong_reads_say_so() {
    let [promote, demote] = ["promote", "demote"].map(|verb| &*format!("POST /peers/{SECOND}/{verb}").leak());
    let server = FakeServer::start([
        (promote, vec![empty()]),
        (demote, vec![empty()]),
        ("GET /peers", vec![empty(), empty()]),
    ])
    .await;
    for verb in ["promote", "demote"] {
        let changed =
            run(&format!("--host {} --consistency strong peers {verb} {SECOND}", server.host)).await;
        assert_eq!((changed.code, changed.out.as_str(), changed.err.as_str()), (0, "", ""));
    }
    for consistency in ["strong", "local"] {
        let listed = run(&format!("--host {} --consistency {consistency} peers ls", server.host)).await;
        assert_eq!(listed.code, 0);
    }
    let expected = [promote, demote, "GET /peers?consistency=strong", "GET /peers"];
    assert_eq!(server.asked(), expected);
}

#[tokio::test]
async fn addresses_in_place_of_ids_are_explained() {
    let place = "/ip4/192.0.2.1/tcp/9096";
    let whole = format!("{place}/p2p/{SECOND}");
    for (line, text) in [
        (
            format!("peers rm {whole}"),
            format!("peer ID: \"{whole}\" is a multiaddress: give the peer ID at its end, {SECOND}"),
        ),
        (
            format!("peers rm --forget {place}"),
            format!("peer ID: \"{place}\" is a multiaddress: a peer ID looks like "),
        ),
        ("peers add nope".to_owned(), "peer ID: \"nope\" is not a peer ID; ".to_owned()),
        (
            format!("peers add {place}"),
            format!("address: \"{place}\" does not say who is there: add /p2p/<peer ID>"),
        ),
        ("peers add /nope".to_owned(), "address: \"/nope\" is not a multiaddress ".to_owned()),
        (format!("peers add {SECOND} nope"), "address: \"nope\" is not a multiaddress ".to_owned()),
        (
            format!("peers add {PEER} {whole}"),
            format!("address: \"{place}\" is an address of peer {SECOND}, not of {PEER}"),
        ),
        (
            format!("peers add {SECOND} /p2p/{SECOND}"),
            format!("address: \"/p2p/{SECOND}\" does not say where the peer is"),
        ),
    ] {
        let run = run(&format!("--host /ip4/127.0.0.1/tcp/1 {line}")).await;
        assert_eq!((run.code, run.out.as_str()), (1, ""), "{line}");
        assert!(run.err.starts_with(&format!("error parsing {text}")), "{line}: {}", run.err);
    }
}
