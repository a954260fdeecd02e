//! Machines on two sides of a cable that can be cut: network namespaces, so that packets vanish as they do between real
//! machines, without any word to either side.

use anyhow::{Context, Result, ensure};
use std::{
    net::Ipv4Addr,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

/// Machines that have an address each.
const MAX_MACHINES: u8 = 16;

/// Network namespaces, each with an interface to its side and one, never cut, to this machine. Gone when dropped.
#[derive(Debug)]
pub struct TwoSides {
    /// Unique on this machine; at most eleven characters, since interfaces are named after it.
    tag: String,
    /// Leads to the machines from here.
    control: [u8; 3],
    /// Leads from machine to machine.
    network: [u8; 3],
    machines: u8,
}

impl TwoSides {
    /// Makes `left` and `right` machines; `None`, and a line that says "skipped", where namespaces are not permitted.
    ///
    /// # Errors
    /// When there are namespaces, but not what else it takes.
    pub fn build(left: u8, right: u8) -> Result<Option<Self>> {
        Self::build_in([10, 77, 0], left, right)
    }

    /// As [`Self::build`], with the first three bytes of the machines' addresses.
    ///
    /// # Errors
    /// When there are namespaces, but not what else it takes.
    pub fn build_in(network: [u8; 3], left: u8, right: u8) -> Result<Option<Self>> {
        static BUILT: AtomicU32 = AtomicU32::new(0);
        ensure!(left + right <= MAX_MACHINES, "{} machines are too many", left + right);
        let (pid, number) = (std::process::id(), BUILT.fetch_add(1, Ordering::Relaxed));
        let tag = format!("c{pid}n{number}");
        // Shared address space of carriers, in which hardly anybody has a network of their own.
        let third = pid.wrapping_mul(8).wrapping_add(number);
        let control = [100, 64 + (third >> 8) as u8 % 64, third as u8];
        let both = Self { tag, control, network, machines: left + right };
        if ip(&format!("netns add {}", both.switch())).is_err() {
            println!("skipped: network namespaces are not permitted");
            return Ok(None);
        }
        both.join(left)?;
        Ok(Some(both))
    }

    /// Lays the cables.
    fn join(&self, left: u8) -> Result<()> {
        let (switch, tag) = (self.switch(), &self.tag);
        for side in ["left", "right"] {
            ip(&format!("-n {switch} link add {side} type bridge"))?;
            ip(&format!("-n {switch} link set {side} up"))?;
        }
        ip(&format!("-n {switch} link add cable type veth peer name elbac"))?;
        ip(&format!("-n {switch} link set cable master left up"))?;
        ip(&format!("-n {switch} link set elbac master right up"))?;
        ip(&format!("link add {tag} type bridge"))?;
        ip(&format!("addr add {}/24 dev {tag}", self.host_address()))?;
        ip(&format!("link set {tag} up"))?;
        for machine in 0..self.machines {
            let name = self.name(machine);
            let side = if machine < left { "left" } else { "right" };
            ip(&format!("netns add {name}"))?;
            ip(&format!("-n {name} link set lo up"))?;
            ip(&format!("link add {name} type veth peer name control netns {name}"))?;
            ip(&format!("link set {name} master {tag} up"))?;
            ip(&format!("-n {name} addr add {}/24 dev control", self.control_address(machine)))?;
            ip(&format!("-n {name} link set control up"))?;
            ip(&format!("-n {switch} link add m{machine} type veth peer name side netns {name}"))?;
            ip(&format!("-n {switch} link set m{machine} master {side} up"))?;
            ip(&format!("-n {name} addr add {}/24 dev side", self.address(machine)))?;
            ip(&format!("-n {name} link set side up"))?;
        }
        Ok(())
    }

    /// Returns where a machine is reached by the others.
    pub fn address(&self, machine: u8) -> Ipv4Addr {
        let [a, b, c] = self.network;
        Ipv4Addr::new(a, b, c, machine + 1)
    }

    /// Returns where a machine is reached from here, cut or not.
    pub fn control_address(&self, machine: u8) -> Ipv4Addr {
        let [a, b, c] = self.control;
        Ipv4Addr::new(a, b, c, machine + 2)
    }

    /// Returns where this machine is reached from the others.
    pub fn host_address(&self) -> Ipv4Addr {
        let [a, b, c] = self.control;
        Ipv4Addr::new(a, b, c, 1)
    }

    /// Returns the command that runs what follows it on a machine.
    pub fn launcher(&self, machine: u8) -> [String; 4] {
        ["ip".to_owned(), "netns".to_owned(), "exec".to_owned(), self.name(machine)]
    }

    /// Puts a machine behind a firewall of its own: nobody can connect to it, and answers to what it sent get through.
    ///
    /// # Errors
    /// When there is no `nft`, or it may not be used.
    pub fn wall(&self, machine: u8) -> Result<()> {
        let name = self.name(machine);
        for rule in [
            "add table ip wall",
            "add chain ip wall entry { type filter hook input priority 0 ; }",
            "add rule ip wall entry iifname side ct state new drop",
        ] {
            ip(&format!("netns exec {name} nft {rule}"))?;
        }
        Ok(())
    }

    /// Cuts the cable: from now on packets between the sides vanish.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn cut(&self) -> Result<()> {
        ip(&format!("-n {} link set cable down", self.switch()))
    }

    /// Mends the cable.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn heal(&self) -> Result<()> {
        ip(&format!("-n {} link set cable up", self.switch()))
    }

    /// Cuts the cable, and puts each machine that `is_right` names to the right side and every other one to the left side:
    /// they were all connected before, and only those of one side are from now on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn part(&self, is_right: &[bool]) -> Result<()> {
        ensure!(
            is_right.len() == usize::from(self.machines),
            "{} sides are not those of all",
            is_right.len()
        );
        // Cut first: what a side learned about the way over the cable is forgotten with it.
        self.cut()?;
        for (machine, is_right) in (0u8..).zip(is_right) {
            let side = if *is_right { "right" } else { "left" };
            ip(&format!("-n {} link set m{machine} master {side}", self.switch()))?;
        }
        Ok(())
    }

    fn switch(&self) -> String {
        format!("{}s", self.tag)
    }

    fn name(&self, machine: u8) -> String {
        format!("{}m{machine}", self.tag)
    }
}

impl Drop for TwoSides {
    fn drop(&mut self) {
        // What is left then goes with the machine.
        for machine in 0..self.machines {
            let _ = ip(&format!("netns del {}", self.name(machine)));
        }
        let _ = ip(&format!("link del {}", self.tag));
        let _ = ip(&format!("netns del {}", self.switch()));
    }
}

fn ip(arguments: &str) -> Result<()> {
    let output = Command::new("ip").args(arguments.split(' ')).output().context("cannot run ip")?;
    ensure!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
