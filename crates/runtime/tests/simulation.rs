//! Hosts in virtual time.
#![cfg(feature = "simulation")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_runtime::{
    WorkerThread, blocking, now,
    simulation::{self, Host, HostClock, spawn_on},
    spawn,
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

const MILLI: Duration = Duration::from_millis(1);

/// In which order twenty tasks run.
fn order(seed: u64) -> Vec<u32> {
    simulation::run(seed, async {
        let order = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..20)
            .map(|number| {
                let order = order.clone();
                spawn(async move {
                    tokio::task::yield_now().await;
                    order.lock().unwrap().push(number);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        std::mem::take(&mut *order.lock().unwrap())
    })
    .unwrap()
}

#[test]
fn a_seed_is_one_order_of_tasks() {
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
}

#[test]
fn a_killed_host_runs_nothing_any_more_and_whoever_waits_hears_of_it() {
    let play = async {
        let host = simulation::host(HostClock::default(), 0);
        let counted = Arc::new(AtomicU32::new(0));
        let counting = counted.clone();
        let task = spawn_on(host, async move {
            // What it spawns is the host's, too.
            drop(spawn(async move {
                loop {
                    sleep(MILLI).await;
                    counting.fetch_add(1, Ordering::Relaxed);
                }
            }));
            std::future::pending::<()>().await;
        });
        sleep(MILLI * 10).await;
        let before = counted.load(Ordering::Relaxed);
        assert!(before > 0);
        simulation::kill(host);
        assert!(task.await.is_err());
        sleep(MILLI * 10).await;
        assert_eq!(counted.load(Ordering::Relaxed), before);
        assert!(spawn_on(host, async {}).await.is_err(), "it is gone for good");
    };
    simulation::run(1, play).unwrap();
}

#[test]
fn time_goes_on_for_a_host_that_stands_still() {
    let play = async {
        let host = simulation::host(HostClock::default(), 0);
        let began = Instant::now();
        let task = spawn_on(host, async {
            sleep(MILLI * 5).await;
            Instant::now()
        });
        sleep(MILLI).await;
        simulation::pause(host);
        sleep(MILLI * 99).await;
        simulation::resume(host);
        assert_eq!(task.await.unwrap() - began, MILLI * 100);
    };
    simulation::run(1, play).unwrap();
}

#[test]
fn each_host_has_its_own_clock() {
    let play = async {
        let clock = HostClock { ahead: -5_000, slow: 500 };
        let host = simulation::host(clock, 0);
        let right = now();
        assert_eq!(spawn_on(host, async { now() }).await.unwrap().0 + 5_000, right.0);
        sleep(MILLI * 300).await;
        let elapsed =
            || async { spawn_on(host, async { simulation::host_elapsed() }).await.unwrap().unwrap() };
        assert_eq!(elapsed().await, MILLI * 200);
        // It never runs back, however it is set.
        simulation::set_clock(host, HostClock::default());
        sleep(MILLI * 10).await;
        assert_eq!(elapsed().await, MILLI * 210);
    };
    simulation::run(1, play).unwrap();
}

#[test]
fn workers_and_blocking_work_are_tasks_of_the_host() {
    let play = async {
        let host = simulation::host(HostClock::default(), 20);
        let (say, mut heard) = mpsc::unbounded_channel();
        let worked = spawn_on(host, async move {
            let worker = WorkerThread::start("test", move || async move {
                let mut all = Vec::new();
                while heard.recv_many(&mut all, 10).await > 0 {}
                assert_eq!(all, [1, 2]);
            });
            say.send(1).unwrap();
            say.send(2).unwrap();
            drop(say);
            let thread = blocking(|| std::thread::current().id()).await.unwrap();
            (worker.unwrap().wait().await, thread)
        });
        assert_eq!(worked.await.unwrap(), (true, std::thread::current().id()));
    };
    simulation::run(1, play).unwrap();
}

#[test]
fn outside_of_a_simulation_all_is_as_ever() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        assert_eq!(spawn(async { 7 }).await.unwrap(), 7);
        let here = std::thread::current().id();
        assert_ne!(blocking(|| std::thread::current().id()).await.unwrap(), here);
        assert!(simulation::host_elapsed().is_none() && simulation::chance_bytes::<8>().is_none());
    });
    let host = simulation::run(1, async { simulation::host(HostClock::default(), 0) }).unwrap();
    assert_ne!(host, Host::WORLD);
}
