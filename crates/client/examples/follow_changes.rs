//! Prints every change of the pinset from now on, and goes on behind the last one after a broken connection:
//! `cargo run --example follow_changes -- /ip4/127.0.0.1/tcp/9094`.

use cluster_client::{Client, Host};
use std::{error::Error, time::Duration};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let host = std::env::args().nth(1).ok_or("usage: follow_changes HOST")?;
    let client = Client::builder(vec![Host::parse(&host)?]).build().await?;
    let mut cursor = None;
    loop {
        let mut changes = client.events(cursor.as_deref(), true).await?;
        while let Some(change) = changes.next().await {
            match change {
                Ok(change) => {
                    println!("{change:?}");
                    cursor = Some(change.cursor);
                }
                Err(error) => {
                    eprintln!("{error}");
                    break;
                }
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
