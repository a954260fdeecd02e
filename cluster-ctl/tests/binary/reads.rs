//! Commands that change nothing, and what a server's errors look like.

use super::{
    CID, PEER,
    fake_server::{FakeServer, empty, error, ok, stream},
    pin, pin_text, run, status, status_text,
};

#[tokio::test]
async fn id_and_version_in_both_encodings() {
    let id = format!(
        "{{\"id\":\"{PEER}\",\"addresses\":[],\"cluster_peers\":[\"{PEER}\"],\"version\":\"1.1.6\",\"ipfs\":{{\"addresses\":null,\
         \"error\":\"a<b\"}},\"peername\":\"alpha\"}}\n"
    );
    let server =
        FakeServer::start([("GET /id", vec![ok(id)]), ("GET /version", vec![ok("{\"version\":\"1.1.6\"}")])])
            .await;
    let host = &server.host;
    let text = run(&format!("--host {host} id")).await;
    assert_eq!(
        (text.code, text.out.as_str()),
        (0, format!("{PEER} | alpha | Sees 0 other peers\n  > Addresses:\n  > IPFS ERROR: a<b\n").as_str())
    );
    let json = run(&format!("-l={host} -enc json id")).await;
    assert!(
        json.out.starts_with(&format!("{{\n    \"id\": \"{PEER}\",\n    \"addresses\": [],\n")),
        "{}",
        json.out
    );
    assert!(json.out.contains("        \"error\": \"a\\u003cb\"\n"), "{}", json.out);
    assert_eq!(run(&format!("-l {host} version")).await.out, "1.1.6\n");
    assert_eq!(run(&format!("--enc=json -l {host} version")).await.out, "{\n    \"version\": \"1.1.6\"\n}\n");
}

#[tokio::test]
async fn refused_connections_exit_1_and_name_the_host() {
    // Taken but not listening, so that nobody else can listen there.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let host = format!("/ip4/127.0.0.1/tcp/{}", socket.local_addr().unwrap().port());
    let failed = run(&format!("--host {host} id")).await;
    assert_eq!(failed.code, 1);
    assert!(
        failed.out.starts_with(&format!("An error occurred:\n  Code: 0\n  Message: {host}: ")),
        "{failed:?}"
    );
    assert!(failed.out.contains("refused"), "{failed:?}");

    let server = FakeServer::start([("GET /version", vec![ok("{\"version\":\"1.1.6\"}")])]).await;
    let second = run(&format!("--host {host},{} version", server.host)).await;
    assert_eq!((second.code, second.out.as_str()), (0, "1.1.6\n"));
}

#[tokio::test]
async fn server_errors_exit_2_on_standard_output() {
    let server = FakeServer::start([("GET /id", vec![error(401, "unauthorized: no auth provided")])]).await;
    let host = &server.host;
    let text = run(&format!("--host {host} pin ls {CID}")).await;
    assert_eq!(text.code, 2);
    assert_eq!(text.out, "An error occurred:\n  Code: 501\n  Message: not supported by this version\n");
    assert_eq!(text.err, "");
    let json = run(&format!("--host {host} --enc=json id")).await;
    assert_eq!(json.code, 2);
    assert_eq!(json.out, "{\n    \"code\": 401,\n    \"message\": \"unauthorized: no auth provided\"\n}\n");
    for line in ["health graph", "health alerts", "health metrics ping", "health bandwidth", "ipfs gc"] {
        let run = run(&format!("--host {host} {line}")).await;
        assert_eq!(run.code, 2, "{line}: {run:?}");
        assert!(run.out.contains("Code: 501"), "{line}");
    }
}

#[tokio::test]
async fn a_missing_pin_is_404_exit_2() {
    let missing = error(404, "pin is not part of the pinset");
    let server = FakeServer::start([("DELETE /pins/ipfs/bafkqaaa", vec![missing])]).await;
    let run = run(&format!("--host {} pin rm bafkqaaa", server.host)).await;
    assert_eq!(run.code, 2);
    assert_eq!(run.out, "An error occurred:\n  Code: 404\n  Message: pin is not part of the pinset\n");
}

#[tokio::test]
async fn lists_empty_full_and_broken() {
    let server = FakeServer::start([
        (
            "GET /pins",
            vec![
                empty(),
                stream(status("pinned") + &status("pinning"), ""),
                stream(status("pinned"), "boom"),
            ],
        ),
        ("GET /allocations", vec![ok(pin() + &pin())]),
        ("POST /pins/recover", vec![empty()]),
        ("GET /peers", vec![stream("{\"id\":\"a\",\"error\":\"gone\"}\n", "")]),
    ])
    .await;
    let host = &server.host;
    let none = run(&format!("--host {host} status")).await;
    assert_eq!((none.code, none.out.as_str()), (0, ""));
    let two = run(&format!("--host {host} status {CID} bafkqaaa")).await;
    assert_eq!((two.code, two.out), (0, status_text("PINNED") + &status_text("PINNING")));
    let broken = run(&format!("--host {host} status --local --filter pinned,error")).await;
    assert_eq!(broken.code, 2);
    assert_eq!(broken.out, status_text("PINNED") + "An error occurred:\n  Code: 500\n  Message: boom\n");
    assert_eq!(run(&format!("--host {host} pin ls")).await.out, pin_text() + &pin_text());
    let json = run(&format!("--host {host} --enc json pin ls --filter pin")).await;
    assert_eq!(json.out.matches("\n}\n").count(), 2, "{}", json.out);
    assert_eq!(run(&format!("--host {host} recover")).await.code, 0);
    assert_eq!(run(&format!("--host {host} peers ls")).await.out, "a | ERROR: gone\n");
    assert_eq!(
        server.asked(),
        [
            "GET /pins".to_owned(),
            format!("GET /pins?cids={CID}%2Cbafkqaaa"),
            "GET /pins?filter=pinned%2Cerror&local=true".to_owned(),
            "GET /allocations?filter=all".to_owned(),
            "GET /allocations?filter=pin".to_owned(),
            "POST /pins/recover".to_owned(),
            "GET /peers".to_owned(),
        ]
    );
}

#[tokio::test]
async fn one_status_and_one_recovery() {
    let server = FakeServer::start([
        ("GET /pins/bafkqaaa", vec![ok(status("pin_error"))]),
        ("POST /pins/bafkqaaa/recover", vec![ok(status("pin_queued"))]),
    ])
    .await;
    let host = &server.host;
    assert_eq!(run(&format!("--host {host} status bafkqaaa --local")).await.out, status_text("PIN_ERROR"));
    assert_eq!(run(&format!("--host {host} recover bafkqaaa")).await.out, status_text("PIN_QUEUED"));
    assert_eq!(server.asked(), ["GET /pins/bafkqaaa?local=true", "POST /pins/bafkqaaa/recover"]);
}

#[tokio::test]
async fn credentials_are_sent_over_plain_http_only_when_forced() {
    let server = FakeServer::start([("GET /version", vec![ok("{\"version\":\"x\"}")])]).await;
    let run = run(&format!("--host {} --basic-auth u:p --force-http version", server.host)).await;
    assert_eq!((run.code, run.out.as_str()), (0, "x\n"));
}

#[tokio::test]
async fn a_reader_that_leaves_ends_the_program_silently() {
    let server = FakeServer::start([("GET /allocations", vec![ok(pin().repeat(2000))])]).await;
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_cluster-ctl"))
        .args(["--host", &server.host, "pin", "ls"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
}
