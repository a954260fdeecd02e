//! `state import` and `state export` of the large pinset.

use super::Measure;
use crate::bench::control::Server;
use crate::bench::figures::{Figure, Results};
use crate::bench::import_file;
use crate::bench::peer::Peer;
use crate::bench::settings::SeedBy;
use crate::bench::stage::{Large, Stage, TRANSFER_LIMIT};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::time::Instant;

pub(super) async fn run(stage: &mut Stage<'_>, results: &mut Results) -> Result<()> {
    let side = stage.suite.side;
    let count = stage.settings.pins();
    let stub = Server::stub(stage.settings.delay)?;
    let (peer, _) = Peer::create(stage.suite, stub.address(), stage.settings, &[]).await?;
    let (file, copy) = (peer.scratch("pins"), peer.scratch("copy"));
    import_file::write(&file, stage.settings.seed, count)?;

    let began = Instant::now();
    let name = file.to_str().context("a folder's name is not text")?;
    peer.run(&["state", "import", "-f", name], TRANSFER_LIMIT).await?;
    results.record(side, Figure::Import, began.elapsed().as_secs_f64());

    let began = Instant::now();
    let name = copy.to_str().context("a folder's name is not text")?;
    peer.run(&["state", "export", "-f", name], TRANSFER_LIMIT).await?;
    results.record(side, Figure::Export, began.elapsed().as_secs_f64());

    let exported = BufReader::new(std::fs::File::open(&copy)?).split(b'\n').count() as u64;
    if exported != count {
        bail!("{count} pins went in, {exported} came out");
    }
    std::fs::remove_file(&file)?;
    std::fs::remove_file(&copy)?;
    if stage.settings.seed_by == SeedBy::Import && !stage.settings.measures().contains(&Measure::Million) {
        stub.preload(stage.settings.seed, count).await?;
        stage.large = Some(Large { peer, stub, count, settled: false });
    }
    Ok(())
}
