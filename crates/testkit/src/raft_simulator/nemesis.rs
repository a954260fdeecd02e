//! Whoever makes things go wrong.

use super::{client, peer, world::World};
use cluster_core::ports::consensus::RaftState;
use cluster_datastore::FailMode;
use cluster_runtime::simulation::{self, HostClock};
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// Reads at a time, besides those of the clients: the search of the checker takes twice as long for each.
const READERS: usize = 5;

/// Makes things go wrong until all heals, and ends that then.
pub(super) async fn rage(world: Arc<World>) {
    let watching = world.clone();
    world.spawn(async move { client::look_around(watching).await });
    let watching = world.clone();
    world.spawn(async move { follow_leader(watching).await });
    let faults = &world.faults;
    let places = Arc::new(Semaphore::new(READERS));
    many(&world, faults.reads, |world| {
        let places = places.clone();
        async move {
            let Ok(_place) = places.try_acquire() else { return };
            let (peer, key) = (target(&world), world.index(world.faults.keys));
            let mut known = vec![None; world.faults.keys];
            client::read(&world, client::READER, peer, key, &mut known).await;
        }
    });
    many(&world, faults.crashes, |world| async move {
        let number = target(&world);
        let Some(life) = world.peers[number].life() else { return };
        if world.faults.has_snapshots() && world.permille(300) {
            let writes = world.chance().within(0..3);
            world.say(|| format!("the power of peer {number} fails {writes} writes after an installation"));
            life.disk.cut_after_install(writes);
        } else if world.permille(500) {
            let most = if world.permille(500) { 4 } else { 60 };
            let writes = world.chance().within(0..most);
            let is_last_made = world.permille(500);
            world.say(|| format!("the power of peer {number} fails after {writes} writes"));
            life.disk.cut_after(writes, is_last_made);
        } else {
            peer::crash(&world, number, life.host);
        }
    });
    many(&world, faults.restarts, |world| async move {
        let number = target(&world);
        peer::stop(&world, number, false).await;
    });
    let turn = Arc::new(Semaphore::new(1));
    many(&world, faults.lost_disks, |world| {
        let turn = turn.clone();
        async move {
            let Ok(_turn) = turn.acquire().await else { return };
            lose_a_disk(&world).await;
        }
    });
    many(&world, faults.pauses, |world| async move {
        let number = target(&world);
        let Some(life) = world.peers[number].life() else { return };
        let time = world.millis(50..2_500);
        world.say(|| format!("peer {number} stands still for {time:?}"));
        simulation::pause(life.host);
        world.sleep_until_healed(time).await;
        simulation::resume(life.host);
        world.say(|| format!("peer {number} goes on"));
    });
    many(&world, faults.partitions, |world| async move {
        let time = world.millis(200..3_000);
        let lines = partition(&world);
        world.say(|| format!("for {time:?} nothing arrives on {lines:?}"));
        world.network.break_lines(lines);
        world.sleep_until_healed(time).await;
        world.network.mend();
        world.say(|| "the network is whole".to_owned());
    });
    many(&world, faults.failed_writes, |world| async move {
        let number = target(&world);
        let Some(life) = world.peers[number].life() else { return };
        let mode = match world.index(3) {
            0 => FailMode::Refused,
            1 => FailMode::Unknown { survives: true },
            _ => FailMode::Unknown { survives: false },
        };
        world.say(|| format!("the next write of peer {number} fails: {mode:?}"));
        world.summary().failed_writes += 1;
        life.disk.fail_next(mode);
    });
    many(&world, faults.clock_jumps, |world| async move {
        let number = target(&world);
        let clock = {
            let mut chance = world.chance();
            let most: u64 = [500, 100_000, 40_000_000][chance.index(3)];
            let ahead = chance.within(0..2 * most).cast_signed() - most.cast_signed();
            let slow = if chance.permille(500) { 0 } else { chance.within(0..600) as i32 - 300 };
            HostClock { ahead, slow }
        };
        world.say(|| format!("peer {number} has {clock:?}"));
        world.peers[number].set_clock(clock);
    });
    world.healed.cancelled().await;
    world.network.heal();
    for peer in &world.peers {
        peer.set_clock(HostClock::default());
        if let Some(life) = peer.life() {
            simulation::resume(life.host);
            life.disk.heal();
        }
    }
}

/// Plans something so many times.
fn many<F>(world: &Arc<World>, count: u64, act: impl Fn(Arc<World>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    for _ in 0..count {
        let end = u64::try_from(world.faults.duration.as_millis()).unwrap_or(u64::MAX);
        let at = world.millis(500..end);
        let act = act(world.clone());
        let healed = world.healed.clone();
        world.spawn(async move {
            tokio::time::sleep(at).await;
            if !healed.is_cancelled() {
                act.await;
            }
        });
    }
}

/// Takes a disk away, as soon as the others can do without it. Often it is one of a bare majority that has the last changes, while the others
/// are cut off; and then it comes back to those others alone, or all come together at once.
async fn lose_a_disk(world: &Arc<World>) {
    let number = world.index(world.peers.len());
    // More of them at once have lost what was acknowledged.
    let most = (world.faults.founders - 1) / 2;
    let without =
        || (0..world.peers.len()).filter(|other| *other != number && !world.has_vote(*other)).count();
    // For a while, too: a leader may be about to take the vote of a first member that came late.
    let mut quiet = 0;
    for _ in 0..150 {
        quiet = if without() < most { quiet + 1 } else { 0 };
        if quiet == 40 || world.healed.is_cancelled() {
            break;
        }
        world.sleep_until_healed(Duration::from_millis(50)).await;
    }
    if quiet < 40 {
        return;
    }
    let leader = leader(world).filter(|leader| *leader != number);
    let Some(leader) = leader.filter(|_| world.permille(700)) else {
        peer::lose_disk(world, number);
        return;
    };
    // The others elect a new leader meanwhile, if it is the old one that is cut off.
    let is_leader_behind = world.permille(500);
    let mut behind: Vec<usize> =
        (0..world.peers.len()).filter(|peer| ![leader, number].contains(peer)).collect();
    if is_leader_behind {
        behind.insert(0, leader);
    }
    behind.truncate(most);
    world.say(|| format!("peers {behind:?} are left behind"));
    cut(world, |peer| behind.contains(&peer));
    let time = if is_leader_behind { world.millis(1_200..3_000) } else { world.millis(100..500) };
    world.sleep_until_healed(time).await;
    if without() >= most {
        world.network.mend();
        return;
    }
    peer::lose_disk(world, number);
    if is_leader_behind {
        world.network.mend();
        cut(world, |peer| peer == number || behind.contains(&peer));
    } else {
        (0..world.peers.len()).for_each(|one| cut(world, |peer| peer == one));
    }
    world.sleep_until_healed(world.millis(1_500..3_000)).await;
    world.network.mend();
    world.say(|| "the network is whole".to_owned());
}

/// Cuts the lines between some peers and the others.
fn cut(world: &World, is_inside: impl Fn(usize) -> bool) {
    let all = 0..world.peers.len();
    let lines = all.clone().flat_map(|from| all.clone().map(move |to| (from, to)));
    world.network.break_lines(lines.filter(|(from, to)| is_inside(*from) != is_inside(*to)));
}

/// Returns who leads, as somebody knows.
fn leader(world: &World) -> Option<usize> {
    let leader = world.peers.iter().find_map(|peer| {
        let (_, _, serving) = peer.serving()?;
        serving.node.leader()
    })?;
    world.number_of(&leader)
}

/// Chooses a peer: often the one that leads.
fn target(world: &World) -> usize {
    match leader(world) {
        Some(leader) if world.permille(500) => leader,
        _ => world.index(world.peers.len()),
    }
}

/// Chooses ways to break.
fn partition(world: &World) -> Vec<(usize, usize)> {
    let count = world.peers.len();
    let one = target(world);
    let is_inside: Vec<bool> = match world.index(3) {
        // One alone.
        0 => (0..count).map(|peer| peer == one).collect(),
        _ => (0..count).map(|_| world.permille(500)).collect(),
    };
    // Both ways, or only one of them.
    let kind = world.index(4);
    let mut lines = Vec::new();
    for from in 0..count {
        for to in 0..count {
            let is_broken = match (is_inside[from], is_inside[to]) {
                (true, false) => kind != 0,
                (false, true) => kind != 1,
                _ => false,
            };
            if is_broken {
                lines.push((from, to));
            }
        }
    }
    lines
}

/// Takes note of who leads.
async fn follow_leader(world: Arc<World>) {
    let mut known = vec![None; world.peers.len()];
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        for (number, peer) in world.peers.iter().enumerate() {
            let Some((_, _, serving)) = peer.serving() else {
                known[number] = None;
                continue;
            };
            let status = serving.node.status();
            let leads = status.leader == Some(peer.id);
            if status.state == RaftState::Leader {
                world.require(world.check_acknowledged(&status));
            }
            let now = Some((status.state, status.is_ready));
            if now != known[number] {
                let (term, state, is_ready) = (status.term, status.state, status.is_ready);
                if state == RaftState::Leader {
                    world.require(world.check_leader(number, term));
                }
                world.say(|| format!("peer {number} is {state:?} in term {term}, ready: {is_ready}"));
                world.summary().leaders +=
                    u64::from(leads && known[number].is_none_or(|(before, _)| before != state));
                known[number] = now;
            }
        }
    }
}
