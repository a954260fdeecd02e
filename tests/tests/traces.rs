//! Traces of requests, as a collector gets them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_client::api_types::PinOptions;
use cluster_testkit::{
    mock_kubo::MockKubo,
    ports::{free_ports, loopback},
};
use cluster_tests::world::{LIMIT, World, made_up_cid};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{
        Span,
        span::SpanKind::{Client, Server},
    },
};
use prost::Message;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(50);

/// Takes what is sent to a collector.
fn collector() -> (u16, Receiver<(String, ExportTraceServiceRequest)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (came, taken) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let came = came.clone();
            std::thread::spawn(move || {
                let mut stream = BufReader::new(stream.unwrap());
                let mut first = String::new();
                while stream.read_line(&mut first).unwrap() > 0 {
                    let (mut length, mut line) = (0, String::new());
                    while stream.read_line(&mut line).unwrap() > 2 {
                        let (name, value) = line.split_once(':').unwrap();
                        if name.eq_ignore_ascii_case("content-length") {
                            length = value.trim().parse().unwrap();
                        }
                        line.clear();
                    }
                    let mut body = vec![0; length];
                    stream.read_exact(&mut body).unwrap();
                    let request = ExportTraceServiceRequest::decode(&*body).unwrap();
                    came.send((std::mem::take(&mut first), request)).unwrap();
                    stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
                }
            });
        }
    });
    (port, taken)
}

fn text_of<'a>(attributes: &'a [KeyValue], key: &str) -> &'a str {
    let attribute = attributes.iter().find(|attribute| attribute.key == key);
    match attribute.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text,
        other => panic!("{key} is {other:?} in {attributes:?}"),
    }
}

/// Pins, asks on behalf of a trace of somebody else, and stops; returns what the collector got.
async fn traced(share: &str) -> (Vec<Span>, Option<Resource>, String) {
    let (port, taken) = collector();
    let endpoint = format!("/ip4/127.0.0.1/tcp/{port}");
    let environment = [
        ("CLUSTER_PEERNAME", "seen"),
        ("CLUSTER_TRACING_ENABLETRACING", "true"),
        ("CLUSTER_TRACING_JAEGERAGENTENDPOINT", endpoint.as_str()),
        ("CLUSTER_TRACING_SAMPLINGPROB", share),
        ("CLUSTER_TRACING_SERVICENAME", "pinning"),
    ];
    let mut world = World::with_mock(&environment).await.unwrap();
    world.pin(&made_up_cid(1).unwrap(), &PinOptions::default()).await.unwrap();
    let mut stream = TcpStream::connect(world.peer.socket().unwrap()).unwrap();
    let head = "GET /allocations/nonsense HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
                traceparent: 00-0102030405060708090a0b0c0d0e0f10-1112131415161718-01\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    // What is left is sent at the end.
    world.peer.stop().unwrap();
    let (mut spans, mut resource) = (Vec::new(), None);
    for (first, request) in taken.try_iter() {
        assert!(first.starts_with("POST /v1/traces "), "{first}");
        for of_resource in request.resource_spans {
            resource = of_resource.resource;
            spans.extend(of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    (spans, resource, world.peer.id().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_calls_are_traced() {
    let (spans, resource, id) = traced("1").await;
    let resource = resource.unwrap();
    assert_eq!(text_of(&resource.attributes, "service.name"), "pinning-seen");
    assert_eq!(text_of(&resource.attributes, "cluster_id"), id);
    let named = |name: &str| {
        let found = spans.iter().find(|span| span.name == name);
        found.unwrap_or_else(|| {
            panic!("no {name} among {:?}", spans.iter().map(|s| &s.name).collect::<Vec<_>>())
        })
    };
    let asked = named("GET /allocations");
    assert_eq!(asked.trace_id, (1..=16).collect::<Vec<u8>>());
    assert_eq!(asked.parent_span_id, (0x11..=0x18).collect::<Vec<u8>>());
    assert_eq!(asked.kind, Server as i32);
    assert_eq!(text_of(&asked.attributes, "url.path"), "/allocations/nonsense");
    assert!(asked.end_time_unix_nano > asked.start_time_unix_nano);
    let pinned = named("POST /pins");
    assert!(pinned.parent_span_id.is_empty());
    let (tracked, call) = (named("tracker pin"), named("ipfs pin/add"));
    assert_eq!(text_of(&tracked.attributes, "cid"), made_up_cid(1).unwrap().to_string());
    assert!(tracked.parent_span_id.is_empty());
    assert_eq!((call.kind, &call.parent_span_id), (Client as i32, &tracked.span_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_is_told_of_once() {
    let [endpoint] = free_ports::<1>().unwrap().map(loopback);
    let environment = [
        ("CLUSTER_TRACING_ENABLETRACING", "true"),
        ("CLUSTER_TRACING_JAEGERAGENTENDPOINT", endpoint.as_str()),
        ("CLUSTER_TRACING_SAMPLINGPROB", "1"),
    ];
    let mut world = World::with_mock(&environment).await.unwrap();
    let told = |world: &World<MockKubo>| world.peer.log_text().matches("traces do not arrive").count();
    let deadline = Instant::now() + LIMIT;
    while told(&world) == 0 {
        world.client.id().await.unwrap();
        assert!(Instant::now() < deadline, "{}", world.peer.log_text());
        tokio::time::sleep(POLL).await;
    }
    world.client.id().await.unwrap();
    world.peer.stop().unwrap();
    assert_eq!(told(&world), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_nothing_is_what_others_trace() {
    let (spans, ..) = traced("0").await;
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["GET /allocations"]);
}
