//! A stand-in of Kubo's RPC in this process: remembers pins, counts calls, and misbehaves as told.

mod answer;
mod endpoint;
mod flow;
mod pins;
mod request;
mod script;
mod server;

pub use endpoint::Endpoint;
pub use pins::PinnedAs;
pub use script::{End, Script, Step};

use pins::Pins;
use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};

/// The stand-in. Serves on the runtime it was made in until it is shut or dropped.
///
/// By default every call answers at once and as Kubo would: pins are kept, what is not pinned says so.
#[derive(Debug)]
pub struct MockKubo {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What all connections share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    state: Mutex<State>,
    counts: [Count; Endpoint::COUNT],
    changed: Notify,
}

/// Calls of one endpoint.
#[derive(Debug, Default)]
struct Count {
    begun: AtomicU64,
    open: AtomicU64,
    peak: AtomicU64,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) pins: Pins,
    pub(crate) config: Option<String>,
    pub(crate) paths: HashMap<String, String>,
    pub(crate) peers: Option<String>,
    pub(crate) garbage: String,
    scripts: HashMap<Endpoint, Script>,
    scripts_of: HashMap<(Endpoint, String), Script>,
    record: bool,
    log: Vec<(Endpoint, String)>,
}

impl MockKubo {
    /// Starts on a free loopback port.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start() -> io::Result<Self> {
        let mock = Self::bind((Ipv4Addr::LOCALHOST, 0).into()).await?;
        mock.shared.state().record = true;
        Ok(mock)
    }

    /// Starts on an address, without keeping a log of calls: the form for benchmarks.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(server::serve(listener, shared.clone()));
        Ok(Self { address, shared, task: Mutex::new(Some(task)) })
    }

    /// Waits until the stand-in is shut.
    pub async fn serve(&self) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // It ends by being shut, which is an error only in name.
            let _ = task.await;
        }
    }

    /// Closes the port and all connections, as a daemon that dies.
    pub fn shut(&self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }

    /// Opens the same port again after [`MockKubo::shut`]; pins, scripts and counts are kept.
    ///
    /// # Errors
    /// When somebody else took the port.
    pub async fn reopen(&self) -> io::Result<()> {
        self.shut();
        let listener = TcpListener::bind(self.address).await?;
        let task = tokio::spawn(server::serve(listener, self.shared.clone()));
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        Ok(())
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the multiaddress of the RPC.
    pub fn api(&self) -> String {
        format!("/ip4/{}/tcp/{}", self.address.ip(), self.address.port())
    }

    /// Sets how all calls of an endpoint go from now on.
    pub fn script(&self, endpoint: Endpoint, script: Script) {
        self.shared.state().scripts.insert(endpoint, script);
    }

    /// Sets how calls of an endpoint go whose argument is `arg`; stronger than [`MockKubo::script`].
    pub fn script_for(&self, endpoint: Endpoint, arg: impl ToString, script: Script) {
        self.shared.state().scripts_of.insert((endpoint, arg.to_string()), script);
    }

    /// Forgets all scripts.
    pub fn behave(&self) {
        let mut state = self.shared.state();
        state.scripts.clear();
        state.scripts_of.clear();
    }

    /// Puts pins there that no call made.
    pub fn seed(&self, cids: impl IntoIterator<Item = cid::Cid>, kind: PinnedAs) {
        let mut state = self.shared.state();
        for cid in cids {
            state.pins.insert(&cid.to_string(), kind);
        }
    }

    /// Returns how a CID is pinned.
    pub fn pinned(&self, cid: &cid::Cid) -> Option<PinnedAs> {
        self.shared.state().pins.get(&cid.to_string())
    }

    /// Counts the pins of one kind.
    pub fn pin_count(&self, kind: PinnedAs) -> usize {
        self.shared.state().pins.count(kind)
    }

    /// Sets what a path resolves to.
    pub fn resolve_to(&self, path: &str, target: &str) {
        self.shared.state().paths.insert(path.to_owned(), target.to_owned());
    }

    /// Sets the answer of `config/show`, as JSON text.
    pub fn set_config(&self, json: &str) {
        self.shared.state().config = Some(json.to_owned());
    }

    /// Sets the answer of `swarm/peers`, as JSON text.
    pub fn set_peers(&self, json: &str) {
        self.shared.state().peers = Some(json.to_owned());
    }

    /// Sets the lines of `repo/gc`, each as JSON text with its newline.
    pub fn set_garbage(&self, lines: &str) {
        self.shared.state().garbage = lines.to_owned();
    }

    /// Counts the calls of an endpoint so far.
    pub fn calls(&self, endpoint: Endpoint) -> u64 {
        self.shared.count(endpoint).begun.load(Ordering::SeqCst)
    }

    /// Counts the calls of an endpoint whose argument was `arg`. Needs a stand-in made by [`MockKubo::start`].
    pub fn calls_for(&self, endpoint: Endpoint, arg: impl ToString) -> usize {
        let arg = arg.to_string();
        self.shared.state().log.iter().filter(|(e, a)| *e == endpoint && *a == arg).count()
    }

    /// Returns endpoint and argument of every call. Needs a stand-in made by [`MockKubo::start`].
    pub fn log(&self) -> Vec<(Endpoint, String)> {
        self.shared.state().log.clone()
    }

    /// Counts the calls of an endpoint that are under way.
    pub fn open_calls(&self, endpoint: Endpoint) -> u64 {
        self.shared.count(endpoint).open.load(Ordering::SeqCst)
    }

    /// Returns the most calls of an endpoint that were under way at once.
    pub fn peak_calls(&self, endpoint: Endpoint) -> u64 {
        self.shared.count(endpoint).peak.load(Ordering::SeqCst)
    }

    /// Waits until `predicate` holds; says whether it did within `limit`. It is looked at whenever a call begins or
    /// ends.
    pub async fn wait_until(&self, limit: Duration, predicate: impl Fn(&Self) -> bool) -> bool {
        let met = async {
            loop {
                let changed = self.shared.changed.notified();
                tokio::pin!(changed);
                // Registered before the look, so that no change falls in between.
                changed.as_mut().enable();
                if predicate(self) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(limit, met).await.is_ok()
    }
}

impl Drop for MockKubo {
    fn drop(&mut self) {
        self.shut();
    }
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, endpoint: Endpoint) -> &Count {
        &self.counts[endpoint as usize]
    }

    /// Notes that a call begins and returns its script; the call ends when the second value is dropped.
    pub(crate) fn begin(self: &Arc<Self>, endpoint: Endpoint, arg: &str) -> (Script, OpenCall) {
        let script = {
            let mut state = self.state();
            if state.record {
                state.log.push((endpoint, arg.to_owned()));
            }
            let own = if state.scripts_of.is_empty() {
                None
            } else {
                state.scripts_of.get(&(endpoint, arg.to_owned()))
            };
            own.or_else(|| state.scripts.get(&endpoint)).cloned().unwrap_or_default()
        };
        let count = self.count(endpoint);
        let open = count.open.fetch_add(1, Ordering::SeqCst) + 1;
        count.peak.fetch_max(open, Ordering::SeqCst);
        count.begun.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
        (script, OpenCall { shared: self.clone(), endpoint })
    }
}

/// A call under way.
#[derive(Debug)]
pub(crate) struct OpenCall {
    shared: Arc<Shared>,
    endpoint: Endpoint,
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.shared.count(self.endpoint).open.fetch_sub(1, Ordering::SeqCst);
        self.shared.changed.notify_waiters();
    }
}
