//! How many pins pass through one connector.

use super::*;
use cluster_testkit::mock_kubo::{Endpoint, Script};
use futures_util::{StreamExt, stream};
use std::time::Instant;

/// Prints pins a second with ten workers against answers after 5 ms; 2,000 is what the delay allows.
#[tokio::test]
#[ignore = "a measurement: run it alone and optimised"]
async fn ten_workers_against_answers_after_five_milliseconds() {
    let mock = mock().await;
    let kubo = Kubo::new(config(&mock)).unwrap();
    mock.script(Endpoint::PinAdd, Script::after(Duration::from_millis(5)));
    let started = Instant::now();
    let count: u64 = 10_000;
    stream::iter(0..count)
        .for_each_concurrent(10, |number| {
            let kubo = &kubo;
            async move { pin(kubo, cid(number)).await.unwrap() }
        })
        .await;
    let rate = f64::from(u32::try_from(count).unwrap()) / started.elapsed().as_secs_f64();
    println!("{rate:.0} pins/s");
    assert!(rate >= 1_450.0, "{rate:.0} pins/s");
}
