//! The figures, their bars, and the samples taken of them.

use super::suite::Side;
use super::sync_probe::SyncProbes;
use std::collections::BTreeMap;

/// Synced appends a second on the machine the bars were set on.
pub(crate) const BAR_SYNC_RATE: f64 = 5_032.0;

/// What a figure has to reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bar {
    /// At least this.
    AtLeast(f64),
    /// At least this on a disk with [`BAR_SYNC_RATE`], in proportion on others.
    AtLeastBySync(f64),
    /// At most this.
    AtMost(f64),
    /// For information.
    None,
}

impl Bar {
    /// Returns the value to reach on a disk with this many synced appends a second; `None` when there is no bar, or
    /// one that scales with a rate nobody knows.
    pub(crate) fn value(self, sync_rate: Option<f64>) -> Option<f64> {
        match self {
            Self::AtLeast(value) | Self::AtMost(value) => Some(value),
            Self::AtLeastBySync(value) => sync_rate.map(|rate| value * rate / BAR_SYNC_RATE),
            Self::None => None,
        }
    }

    /// Returns how far `found` is on the good side: 1 at the bar, more is better, infinite when nothing of what must
    /// not be was found.
    pub(crate) fn ratio(self, found: f64, sync_rate: Option<f64>) -> Option<f64> {
        let value = self.value(sync_rate)?;
        Some(match self {
            Self::AtMost(_) if found <= 0.0 => f64::INFINITY,
            Self::AtMost(_) => value / found,
            _ => found / value,
        })
    }
}

macro_rules! figures {
    ($($name:ident: $title:literal, $unit:literal, $bar:expr;)*) => {
        /// Everything that is measured, in the order of the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Figure { $(#[doc = $title] $name,)* }

        impl Figure {
            /// All of them.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns what it is.
            pub(crate) fn title(self) -> &'static str { match self { $(Self::$name => $title,)* } }

            /// Returns its unit.
            pub(crate) fn unit(self) -> &'static str { match self { $(Self::$name => $unit,)* } }

            /// Returns what it has to reach.
            pub(crate) fn bar(self) -> Bar { match self { $(Self::$name => $bar,)* } }
        }
    };
}

figures! {
    Acks1: "acked pins, c = 1", "1/s", Bar::AtLeastBySync(2_500.0);
    Acks16: "acked pins, c = 16", "1/s", Bar::AtLeastBySync(12_000.0);
    Acks256: "acked pins, c = 256", "1/s", Bar::AtLeast(18_000.0);
    AckErrors: "errors in these loads", "", Bar::AtMost(0.0);
    Unreadable: "acked pins not readable at once", "", Bar::AtMost(0.0);
    P99Of16: "p99 ack, c = 16", "ms", Bar::AtMost(5.0);
    P99Of256: "p99 ack, c = 256", "ms", Bar::AtMost(100.0);
    Rss256: "service RSS peak, c = 256", "MiB", Bar::AtMost(220.0);
    Tracked: "tracked pins against the stub", "1/s", Bar::AtLeast(1_450.0);
    EmptyFirst: "empty: first answer", "ms", Bar::AtMost(50.0);
    EmptyRss: "empty: idle RSS", "MiB", Bar::AtMost(25.0);
    Init: "init", "ms", Bar::AtMost(20.0);
    CtlId: "ctl id", "ms", Bar::AtMost(5.0);
    Lost: "acked pins lost in the kills", "", Bar::AtMost(0.0);
    KillAcks: "acked pins in the kills", "", Bar::None;
    Import: "import", "s", Bar::AtMost(20.0);
    Export: "export", "s", Bar::AtMost(3.4);
    MillionRate: "pins present, loaded at c = 256", "1/s", Bar::None;
    MillionRss: "service RSS peak while loading them", "MiB", Bar::AtMost(220.0);
    WrittenPerPin: "bytes written per pin until idle", "B", Bar::AtMost(5_000.0);
    AtRestPerPin: "bytes at rest per pin", "B", Bar::AtMost(700.0);
    StatusFirst: "all statuses: first byte", "ms", Bar::AtMost(20.0);
    StatusTotal: "all statuses: total", "s", Bar::AtMost(5.0);
    StatusPeak: "all statuses: peak RSS over idle", "MiB", Bar::AtMost(50.0);
    Filter: "slowest filter with few matches", "ms", Bar::AtMost(5.0);
    PageStatus: "page of 1,000 by status, p99", "ms", Bar::AtMost(20.0);
    PageName: "page of 1,000 by name prefix, p99", "ms", Bar::AtMost(20.0);
    PageMetadata: "page of 1,000 by metadata, p99", "ms", Bar::AtMost(20.0);
    ListRate: "all pins streamed", "1/s", Bar::AtLeast(300_000.0);
    ListGrowth: "RSS growth while listing amid 5,000 writes", "MiB", Bar::AtMost(64.0);
    ListWrong: "pins listed twice or not at all amid them", "", Bar::AtMost(0.0);
    MixedRate: "mixed requests offered at 5,000/s, answered", "1/s", Bar::AtLeast(4_990.0);
    MixedErrors: "errors in them, but 429", "", Bar::AtMost(0.0);
    MixedP99: "GET /allocations/{cid} among them, p99", "ms", Bar::AtMost(20.0);
    MixedRss: "service RSS peak in them", "MiB", Bar::None;
    IndexTime: "search indexes made anew amid pins and kills", "s", Bar::None;
    IndexBack: "times they were behind after a kill", "", Bar::AtMost(0.0);
    EventRate: "changes whose events are read", "1/s", Bar::AtLeast(10_000.0);
    EventP99: "an event until its reader has it, p99", "ms", Bar::AtMost(1_000.0);
    EventWrong: "events missed, twice or out of order", "", Bar::AtMost(0.0);
    RestartStop: "first correct answer after a stop", "s", Bar::AtMost(0.4);
    RestartKill: "first correct answer after a kill", "s", Bar::AtMost(2.0);
    IdleRss: "idle RSS with the pins present", "MiB", Bar::AtMost(100.0);
    OntoRate: "more onto the pins present, c = 256", "1/s", Bar::None;
    OntoRatio: "the same over the short run", "x", Bar::AtLeast(0.6);
    OntoP999: "p99.9 ack of it", "ms", Bar::AtMost(400.0);
    OntoStalls: "stalls over 1 s in it", "", Bar::AtMost(0.0);
    OntoErrors: "errors in it", "", Bar::AtMost(0.0);
    Agreed1Of1: "1 peer agrees: acked pins, c = 1", "1/s", Bar::None;
    Agreed1Of16: "1 peer agrees: acked pins, c = 16", "1/s", Bar::None;
    Agreed1Of256: "1 peer agrees: acked pins, c = 256", "1/s", Bar::None;
    Agreed1Written: "1 peer agrees: bytes written per pin, c = 1", "B", Bar::None;
    Agreed3Of1: "3 peers agree: acked pins, c = 1", "1/s", Bar::AtLeast(1_000.0);
    Agreed3Of16: "3 peers agree: acked pins, c = 16", "1/s", Bar::AtLeast(4_000.0);
    Agreed3Of256: "3 peers agree: acked pins, c = 256", "1/s", Bar::AtLeast(8_000.0);
    Agreed3Written: "3 peers agree: bytes written per peer and pin, c = 1", "B", Bar::AtMost(12_000.0);
    Agreed5Of1: "5 peers agree: acked pins, c = 1", "1/s", Bar::None;
    Agreed5Of16: "5 peers agree: acked pins, c = 16", "1/s", Bar::None;
    Agreed5Of256: "5 peers agree: acked pins, c = 256", "1/s", Bar::None;
    Agreed5Written: "5 peers agree: bytes written per peer and pin, c = 1", "B", Bar::None;
    AgreedErrors: "errors in these loads", "", Bar::AtMost(0.0);
    BehindAll: "a voter that was away for the pins: has all", "s", Bar::None;
    BehindKilled: "the same, killed meanwhile: running until it has all", "s", Bar::None;
    BehindHalf: "pins of a half installed pinset shown", "", Bar::AtMost(0.0);
    ReplicateP50: "3 peers: pin on one seen on another, p50", "ms", Bar::AtMost(3.0);
    ReplicateP99: "3 peers: pin on one seen on another, p99", "ms", Bar::AtMost(10.0);
    NewcomerFirst: "newcomer: first pin", "s", Bar::AtMost(1.0);
    NewcomerAll: "newcomer: all pins", "s", Bar::AtMost(6.0);
    ChainFirst: "newcomer, one-pin blocks: first pin", "s", Bar::None;
    ChainAll: "newcomer, one-pin blocks: all pins", "s", Bar::AtMost(15.0);
    Statuses3First: "all statuses of 3 peers: first byte", "ms", Bar::None;
    Statuses3Total: "all statuses of 3 peers: total", "s", Bar::None;
    Statuses3Rss: "all statuses of 3 peers: RSS peak", "MiB", Bar::None;
    JoinBatchedRate: "newcomer at a Go peer, batched: pins after the first", "1/s", Bar::None;
    JoinBatchedRatio: "the same over Go's newcomer", "x", Bar::AtLeast(1.7);
    JoinBatchedServing: "Go's newcomer, batched: at ours over at Go", "x", Bar::AtLeast(1.0);
    JoinWideRate: "newcomer at a Go peer, wide: pins after the first", "1/s", Bar::None;
    JoinWideRatio: "the same over Go's newcomer", "x", Bar::AtLeast(1.5);
    JoinWideServing: "Go's newcomer, wide: at ours over at Go", "x", Bar::AtLeast(1.0);
    JoinChainRate: "newcomer at a Go peer, chain: pins after the first", "1/s", Bar::None;
    JoinChainRatio: "the same over Go's newcomer", "x", Bar::AtLeast(10.0);
    JoinChainServing: "Go's newcomer, chain: at ours over at Go", "x", Bar::AtLeast(1.0);
    JoinKills: "newcomer at a Go peer: kills amid its walk", "", Bar::None;
    JoinKillsBehind: "starts after which it knew less than before", "", Bar::AtMost(0.0);
    JoinKillsDifferences: "entries exported otherwise than by Go", "", Bar::AtMost(0.0);
}

/// All samples taken.
#[derive(Debug, Default)]
pub(crate) struct Results {
    samples: BTreeMap<(Figure, Side), Vec<f64>>,
    notes: Vec<String>,
    failures: Vec<String>,
    probes: SyncProbes,
}

impl Results {
    /// Takes a sample.
    pub(crate) fn record(&mut self, side: Side, figure: Figure, value: f64) {
        self.samples.entry((figure, side)).or_default().push(value);
        println!("  {:<4} {:<40} {:>12} {}", side.title(), figure.title(), number(value), figure.unit());
    }

    /// Prints and keeps something that belongs to the figures.
    pub(crate) fn note(&mut self, side: Side, text: &str) {
        println!("  {:<4} - {text}", side.title());
        self.notes.push(format!("{}: {text}", side.title()));
    }

    /// Keeps a probe of the disk.
    pub(crate) fn probed(&mut self, rate: f64) {
        println!("       - append + fdatasync of 256 B: {rate:.0}/s");
        self.probes.add(rate);
    }

    /// Returns the probes of the disk.
    pub(crate) fn probes(&self) -> &SyncProbes {
        &self.probes
    }

    /// Prints and keeps a measure that failed.
    pub(crate) fn fail(&mut self, side: Side, text: &str) {
        eprintln!("  {:<4} FAILED {text}", side.title());
        self.failures.push(format!("{}: {text}", side.title()));
    }

    /// Returns the median of a figure's samples.
    pub(crate) fn median(&self, side: Side, figure: Figure) -> Option<f64> {
        median(self.samples.get(&(figure, side))?)
    }

    /// Returns all samples.
    pub(crate) fn samples(&self) -> impl Iterator<Item = (Figure, Side, &[f64])> {
        self.samples.iter().map(|((figure, side), values)| (*figure, *side, values.as_slice()))
    }

    /// Returns the notes.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns what failed.
    pub(crate) fn failures(&self) -> &[String] {
        &self.failures
    }
}

/// Returns the median; `None` of nothing.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// Prints a number with three digits that mean something.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 100.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::{Bar, median, number};

    #[test]
    fn a_ratio_above_one_is_always_good() {
        assert_eq!(Bar::AtLeast(100.0).ratio(150.0, None), Some(1.5));
        assert_eq!(Bar::AtMost(100.0).ratio(50.0, None), Some(2.0));
        assert_eq!(Bar::AtMost(0.0).ratio(0.0, None), Some(f64::INFINITY));
        assert_eq!(Bar::AtMost(0.0).ratio(3.0, None), Some(0.0));
        assert_eq!(Bar::AtLeastBySync(2_500.0).ratio(1_250.0, Some(2_516.0)), Some(1.0));
        assert_eq!(Bar::AtLeastBySync(2_500.0).ratio(1_250.0, None), None);
        assert_eq!(Bar::None.ratio(1.0, None), None);
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.0, 23.0, 0.123, 12.34, 1234.5].map(number), ["0", "23", "0.12", "12.3", "1234"]);
    }
}
