//! Writes the corpus that the fuzzer starts from and the gate replays: recorded bytes of both suites, one file each.
//!
//! `cargo fuzz-seeds` in the root of the repository; files of the same name are replaced, those that the fuzzer found stay.

use anyhow::{Context, Result};
use cluster_client::parse_cid;
use cluster_tests::calls::{METHODS, text};
use serde_json::Value;
use std::{fs, path::Path};

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = Corpus { vectors: root.join("vectors"), folder: root.join("fuzz/corpus") };
    corpus.simple("pins-protobuf", "pin", |_| true)?;
    corpus.simple("gossip-heads", "broadcast", |_| true)?;
    corpus.simple("live-gossip", "broadcast", |vector| vector["topic"] != "monitor.metrics")?;
    corpus.simple("gossip-metrics", "metric", |_| true)?;
    corpus.simple("live-gossip", "metric", |vector| vector["topic"] == "monitor.metrics")?;
    corpus.simple("crdt-blocks", "block", |_| true)?;
    corpus.simple("bitswap-messages", "bitswap", |_| true)?;
    corpus.simple("live-bitswap", "bitswap", |_| true)?;
    corpus.simple("identify-ping-kad", "identify", |vector| vector["name"] == "/ipfs/id/1.0.0")?;
    corpus.deltas()?;
    corpus.calls("rpc-frames")?;
    corpus.calls("live-rpc-frames")?;
    corpus.methods()?;
    corpus.by_hand()
}

struct Corpus {
    vectors: std::path::PathBuf,
    folder: std::path::PathBuf,
}

impl Corpus {
    fn read(&self, file: &str) -> Result<Vec<Value>> {
        let text = fs::read_to_string(self.vectors.join(file).with_extension("json"))?;
        let file: Value = serde_json::from_str(&text)?;
        Ok(file["vectors"].as_array().context("no vectors")?.clone())
    }

    fn write(&self, target: &str, name: &str, bytes: &[u8]) -> Result<()> {
        let folder = self.folder.join(target);
        fs::create_dir_all(&folder)?;
        let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        Ok(fs::write(folder.join(name), bytes)?)
    }

    fn simple(&self, file: &str, target: &str, wanted: impl Fn(&Value) -> bool) -> Result<()> {
        for vector in self.read(file)?.iter().filter(|vector| wanted(vector)) {
            self.write(target, name(vector)?, &bytes(vector, "hex")?)?;
        }
        Ok(())
    }

    /// The data of each block: links come first, then one field of data.
    fn deltas(&self) -> Result<()> {
        for vector in self.read("crdt-blocks")? {
            let block = bytes(&vector, "hex")?;
            let mut rest = block.as_slice();
            while let Some((0x12, link)) = rest.split_first() {
                let length = usize::from(*link.first().context("a link without length")?);
                rest = &link[1 + length..];
            }
            // The length takes one byte for each one that is marked, and another one.
            let length = 1 + rest[1..].iter().take_while(|byte| **byte >= 0x80).count();
            self.write("delta", name(&vector)?, &rest[1 + length..])?;
        }
        Ok(())
    }

    /// Calls; replies after the names of what was called; and the first value of each good reply.
    fn calls(&self, file: &str) -> Result<()> {
        for vector in self.read(file)? {
            let (name, call, reply) = (name(&vector)?, bytes(&vector, "hex")?, bytes(&vector, "reply_hex")?);
            self.write("rpc_call", name, &call)?;
            let Some(method) = METHODS.iter().find(|method| name.contains(&format!("{}-", method.name)))
            else {
                continue;
            };
            let success = method.success();
            // The header is a map of one field with the names inside.
            let names = &success[1 + text("Service").len()..];
            self.write("rpc_reply", name, &[names, &reply].concat())?;
            if let Some(argument) = call.strip_prefix(names).filter(|argument| !argument.is_empty()) {
                self.write("rpc_values", &format!("argument-{name}"), argument)?;
            }
            if let Some(value) = reply.strip_prefix(success.as_slice()) {
                self.write("rpc_values", &format!("reply-{name}"), value)?;
            }
        }
        Ok(())
    }

    /// A call of every method there is.
    fn methods(&self) -> Result<()> {
        let cid = parse_cid("bafkqaaa")?;
        let peer = [&[0, 36, 8, 1, 0x12, 32][..], &[7; 32]].concat();
        for method in METHODS {
            self.write("rpc_call", &format!("method-{}", method.name), &method.call(&cid, &peer))?;
        }
        Ok(())
    }

    /// What no recording holds.
    fn by_hand(&self) -> Result<()> {
        let peer = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";
        let addresses = [
            "/ip4/10.0.0.1/tcp/9096",
            "/dns4/a.example/tcp/9096",
            "/ip6/2001:db8::1/tcp/9096/ws",
            "/ip4/1.2.3.4/udp/1",
        ];
        let lines: Vec<String> = addresses.iter().map(|address| format!("{address}/p2p/{peer}")).collect();
        self.write(
            "peerstore",
            "all-kinds",
            format!("# note\n{}\n\n/nonsense\n", lines.join("\n")).as_bytes(),
        )?;
        let labels = |name: &str| {
            let labels =
                name.split('.').flat_map(|label| [&[label.len() as u8][..], label.as_bytes()].concat());
            labels.chain([0]).collect::<Vec<u8>>()
        };
        let service = labels("_ipfs-cluster-discovery._udp.local");
        let question = [&[0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &service, &[0, 12, 0, 1]].concat();
        self.write("mdns", "question", &question)?;
        let texts: Vec<u8> = lines
            .iter()
            .map(|line| format!("dnsaddr={line}"))
            .flat_map(|text| [&[text.len() as u8][..], text.as_bytes()].concat())
            .collect();
        let head = [0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        let length = (texts.len() as u16).to_be_bytes();
        let name = [&[1, b'x'][..], &service].concat();
        let answer = [&head[..], &name, &[0, 16, 0, 1, 0, 0, 0, 120], &length, &texts].concat();
        self.write("mdns", "answer", &answer)?;
        self.requests()
    }

    /// Requests of every kind, and what is imported and configured.
    fn requests(&self) -> Result<()> {
        let peer = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";
        let cid = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";
        let etag = "0a".repeat(16);
        let options = format!(
            "name=a+b&mode=direct&replication-min=1&replication-max=2&shard-size=9&user-allocations={peer}&expire-in=1h30m&expire-at=2030-01-31T00:00:00Z&meta-k=v&pin-update={cid}&origins=/ip4/1.2.3.4/tcp/1/p2p/{peer}"
        );
        self.write(
            "query",
            "pin",
            format!("/pins/ipfs/{cid}/a%20b?{options}\nif-match: \"{etag}\"\nidempotency-key: k").as_bytes(),
        )?;
        let search = "name=a&name-prefix=b&meta-k=v&created-from=2026-01-31T00:00:00Z&created-before=2030-01-31T00:00:00Z&order=newest&limit=10&cursor=AAAAAAAAAAAA";
        self.write("query", "search", format!("/allocations?filter=pin&{search}").as_bytes())?;
        self.write("query", "redirect", b"//pins/./x/../y/?local=true\nif-none-match:*")?;
        let change = format!(
            r#"{{"op":"pin","cid":"{cid}","name":"a","mode":"direct","metadata":{{"k":"v"}},"replication_factor_min":1,"replication_factor_max":2,"expire_in":"1h","if_absent":true,"idempotency_key":"k"}}"#
        );
        let removal = format!(r#"{{"op":"unpin","cid":"{cid}","if_match":"{etag}"}}"#);
        self.write("bulk", "changes", format!("{change}\n\n{removal}\n").as_bytes())?;
        let pin = format!(
            r#"{{"replication_factor_min":-1,"replication_factor_max":-1,"name":"a","mode":"recursive","shard_size":0,"user_allocations":null,"expire_at":"2030-01-31T00:00:00Z","metadata":{{"k":"v"}},"pin_update":null,"origins":["/ip4/1.2.3.4/tcp/1/p2p/{peer}"],"cid":"{cid}","type":"pin","allocations":["{peer}"],"max_depth":-1,"reference":null,"timestamp":"2026-01-31T10:20:30Z"}}"#
        );
        self.write("import", "pin", pin.as_bytes())?;
        let status = format!(
            r#"{{"cid":"{cid}","name":"a","allocations":[],"origins":[],"created":"2026-01-31T10:20:30.5Z","metadata":null,"peer_map":{{"{peer}":{{"peername":"p","status":"pinned","timestamp":"2026-01-31T10:20:30+01:00","error":"","attempt_count":0,"priority_pin":false}}}}}}"#
        );
        self.write("lines", "status", status.as_bytes())?;
        let id = format!(
            r#"{{"id":"{peer}","addresses":["/ip4/1.2.3.4/tcp/1"],"version":"1.1.6","ipfs":{{"id":"","addresses":null,"error":"x"}},"peername":"p"}}"#
        );
        self.write("lines", "id", id.as_bytes())?;
        self.write(
            "lines",
            "event",
            format!(
                r#"{{"cursor":"00000001-2-3","time":"2026-01-31T10:20:30Z","type":"pinned","cid":"{cid}"}}"#
            )
            .as_bytes(),
        )?;
        self.write("config", "toml", b"[cluster]\npeername = \"p\"\nreplication_factor_min = 1\n[consensus.crdt]\ntrusted_peers = [\"*\"]\n[api.restapi]\nhttp_listen_multiaddress = [\"/ip4/127.0.0.1/tcp/9094\"]\nread_timeout = \"30s\"\n")?;
        let file = fs::read(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/daemon/tests/fixtures/go-service.json"),
        )?;
        self.write("config", "go", &file)
    }
}

fn name(vector: &Value) -> Result<&str> {
    vector["name"].as_str().context("a vector has no name")
}

fn bytes(vector: &Value, field: &str) -> Result<Vec<u8>> {
    let hex = vector[field].as_str().with_context(|| format!("{} has no {field}", vector["name"]))?;
    Ok(data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes())?)
}
