//! A stand-in for the IPFS daemon: the RPC calls a cluster peer makes (api §10.1), answered after a fixed delay.
//!
//! Control calls, which take no delay: `GET /stats`, `POST /delay?micros=N`, `POST /preload?seed=S&first=F&count=N`
//! (remember that many CIDs of the generator's sequence as recursively pinned).

mod delay;
mod pins;

use super::server::{Answer, Handler, Request, listen, serve};
use anyhow::{Context, Result};
use clap::Parser;
use delay::DelayLine;
use pins::{Mode, Pins};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const PEER_ID: &str = "12D3KooWFmScHuvZzcdbvSLZ11Hov7NSmPbNqsgRn52XH2P51fND";
/// Size of one chunk of a streamed pin list.
const CHUNK: usize = 64 * 1024;

/// Answer the calls a cluster peer makes to its IPFS daemon, after a fixed delay, and count them.
#[derive(Debug, Clone, Parser)]
#[command(name = "kubo-stub")]
pub(crate) struct StubArguments {
    /// Milliseconds before each answer
    #[arg(long, default_value_t = 5.0)]
    pub(crate) delay: f64,
    /// Loopback port; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    /// End when standard input does
    #[arg(long)]
    pub(crate) with_stdin: bool,
}

/// Runs the stub until its process is ended; prints its address first.
pub(crate) async fn run(arguments: &StubArguments) -> Result<()> {
    let (listener, address) = listen(arguments.port).await?;
    let delay = DelayLine::start(Duration::try_from_secs_f64(arguments.delay / 1e3)?)?;
    println!("listening on {address}");
    serve(listener, Stub { state: Arc::default(), delay }).await
}

#[derive(Debug, Default)]
struct State {
    pins: Pins,
    calls: BTreeMap<String, u64>,
}

#[derive(Debug, Clone)]
struct Stub {
    state: Arc<Mutex<State>>,
    delay: DelayLine,
}

impl Handler for Stub {
    async fn handle(&self, request: &Request, answer: &mut Answer) -> Result<()> {
        let Some(call) = request.path().strip_prefix("/api/v0/") else {
            return self.control(request, answer);
        };
        self.delay.pass().await;
        self.count(call);
        self.answer(call, request, answer).await
    }
}

impl Stub {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, call: &str) {
        let mut state = self.state();
        if let Some(count) = state.calls.get_mut(call) {
            *count += 1;
        } else {
            state.calls.insert(call.to_owned(), 1);
        }
    }

    fn control(&self, request: &Request, answer: &mut Answer) -> Result<()> {
        let number = |name: &str| -> Result<u64> {
            let text = request.parameter(name).with_context(|| format!("parameter {name} is missing"))?;
            text.parse().with_context(|| format!("parameter {name}"))
        };
        match request.path() {
            "/stats" => {
                let state = self.state();
                let report = serde_json::json!({"pins": state.pins.len(), "calls": state.calls});
                answer.json("200 OK", report.to_string().as_bytes())
            }
            "/delay" => {
                self.delay.set(Duration::from_micros(number("micros")?));
                answer.json("200 OK", b"{}")
            }
            "/preload" => {
                self.state().pins.preload(number("seed")?, number("first")?, number("count")?);
                answer.json("200 OK", b"{}")
            }
            _ => answer.json("404 Not Found", b"{}"),
        }
    }

    async fn answer(&self, call: &str, request: &Request, answer: &mut Answer) -> Result<()> {
        let argument = request.parameter("arg").unwrap_or_default();
        let cid = argument.strip_prefix("/ipfs/").unwrap_or(&argument);
        match call {
            "id" => answer.json("200 OK", identity().as_bytes()),
            "version" => answer.json("200 OK", br#"{"Version":"0.40.0","Commit":"","Repo":"18","System":"amd64/linux","Golang":"go1.25"}"#),
            "config/show" => answer.json("200 OK", br#"{"Datastore":{"StorageMax":"100GB"},"Pinning":{}}"#),
            "repo/stat" => answer.json("200 OK", br#"{"RepoSize":0,"StorageMax":100000000000,"NumObjects":0,"RepoPath":"/stub","Version":"fs-repo@18"}"#),
            "repo/gc" => answer.json("200 OK", b""),
            "swarm/peers" => answer.json("200 OK", br#"{"Peers":[]}"#),
            "swarm/connect" => answer.json("200 OK", br#"{"Strings":["connect success"]}"#),
            "resolve" => answer.json("200 OK", format!("{{\"Path\":\"/ipfs/{cid}\"}}\n").as_bytes()),
            "pin/add" => {
                let recursive = request.parameter("recursive").as_deref() != Some("false");
                let mode = if recursive { Mode::Recursive } else { Mode::Direct };
                self.state().pins.add(cid, mode);
                answer.json("200 OK", format!("{{\"Pins\":[\"{cid}\"]}}\n").as_bytes())
            }
            "pin/update" => answer.json("200 OK", format!("{{\"Pins\":[\"{cid}\"]}}\n").as_bytes()),
            "pin/rm" => {
                if self.state().pins.remove(cid) {
                    answer.json("200 OK", format!("{{\"Pins\":[\"{cid}\"]}}\n").as_bytes())
                } else {
                    failure(answer, "not pinned or pinned indirectly")
                }
            }
            "pin/ls" if cid.is_empty() => self.list(request, answer).await,
            "pin/ls" => self.list_one(cid, request, answer),
            _ => answer.json("404 Not Found", b"404 page not found"),
        }
    }

    fn list_one(&self, cid: &str, request: &Request, answer: &mut Answer) -> Result<()> {
        let wanted = request.parameter("type").and_then(|name| Mode::parse(&name));
        let found = self.state().pins.get(cid).filter(|mode| wanted.is_none_or(|wanted| wanted == *mode));
        let Some(mode) = found else {
            return failure(answer, &format!("path '/ipfs/{cid}' is not pinned"));
        };
        let mode = mode.name();
        let body = if request.parameter("stream").as_deref() == Some("true") {
            format!("{{\"Cid\":\"{cid}\",\"Type\":\"{mode}\"}}\n")
        } else {
            format!("{{\"Keys\":{{\"{cid}\":{{\"Type\":\"{mode}\"}}}}}}\n")
        };
        answer.json("200 OK", body.as_bytes())
    }

    async fn list(&self, request: &Request, answer: &mut Answer) -> Result<()> {
        let wanted = request.parameter("type").and_then(|name| Mode::parse(&name));
        let snapshot = self.state().pins.snapshot(wanted);
        answer.begin_stream();
        let mut chunk = Vec::with_capacity(CHUNK + 256);
        for (cid, mode) in snapshot {
            writeln!(chunk, "{{\"Cid\":\"{}\",\"Type\":\"{}\"}}", cid.text(), mode.name())?;
            if chunk.len() >= CHUNK {
                answer.chunk(&chunk).await?;
                chunk.clear();
            }
        }
        if !chunk.is_empty() {
            answer.chunk(&chunk).await?;
        }
        answer.end_stream();
        Ok(())
    }
}

fn failure(answer: &mut Answer, message: &str) -> Result<()> {
    let body = serde_json::json!({"Message": message, "Code": 0, "Type": "error"});
    answer.json("500 Internal Server Error", body.to_string().as_bytes())
}

fn identity() -> String {
    format!(
        "{{\"ID\":\"{PEER_ID}\",\"PublicKey\":\"\",\"Addresses\":[\"/ip4/127.0.0.1/tcp/4001/p2p/{PEER_ID}\"],\
         \"AgentVersion\":\"kubo/0.40.0/\",\"Protocols\":[]}}\n"
    )
}

#[cfg(test)]
mod tests;
