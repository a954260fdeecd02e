//! The access log, in a process of its own: which lines are written at all is decided once per process.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]
// The modules are those of the other suite, which uses more of them.
#![allow(dead_code)]

#[path = "rest/fake_api.rs"]
mod fake_api;
#[path = "rest/raw_client.rs"]
mod raw_client;
#[path = "rest/server.rs"]
mod server;

use crate::{
    raw_client::{DEADLINE, ask},
    server::TestServer,
};
use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Instant,
};
use tracing::instrument::WithSubscriber;

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn each_request_is_one_line_in_the_common_format() {
    let written = Written::default();
    let writer = written.clone();
    // A single thread, so that the subscriber of this thread sees the tasks of the server.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("restapilog=info")
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let scope = tracing::subscriber::set_default(subscriber);
    runtime.block_on(async {
        let server = TestServer::start().await;
        let body = ask(server.address, "GET /version?x=y", &[]).await.body.len();
        ask(server.address, "HEAD /nothing", &[]).await;
        let started = Instant::now();
        let text = || String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        while text().lines().count() < 2 && started.elapsed() < DEADLINE {
            tokio::task::yield_now().await;
        }
        let text = text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].contains(" restapilog: 127.0.0.1 - - ["), "{text}");
        assert!(lines[0].ends_with(&format!(" +0000] \"GET /version?x=y HTTP/1.1\" 200 {body}")), "{text}");
        assert!(lines[1].contains("\"HEAD /nothing HTTP/1.1\" 404 "), "{text}");
    });
    drop(scope);
    // Nothing is said below the level.
    runtime.block_on(
        async {
            let server = TestServer::start().await;
            ask(server.address, "GET /version", &[]).await;
        }
        .with_subscriber(tracing_subscriber::fmt().with_env_filter("restapilog=warn").finish()),
    );
    assert_eq!(String::from_utf8(written.0.lock().unwrap().clone()).unwrap().lines().count(), 2);
}
