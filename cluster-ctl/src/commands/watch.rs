//! `watch`

use crate::{failure::Failure, session::Session};
use cluster_client::{Client, ClientError, Host, Lines, api_types::Event};
use std::time::Duration;
use tokio::time::sleep;

/// Pause before a peer that was lost is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Shows changes as they come. A peer that is lost is asked again, behind the last change it told; no other one is, for
/// each counts its own changes.
pub(super) async fn watch(
    session: &mut Session,
    cursor: Option<String>,
    follow: bool,
) -> Result<(), Failure> {
    let mut reader = Reader { cursor, host: None, follow };
    let mut lines = reader.open(&session.client).await?;
    loop {
        match lines.next().await {
            Some(Ok(event)) => {
                reader.cursor = Some(event.cursor.clone());
                // Only the cursor is new.
                if event.cid.is_some() || !follow {
                    session.output.line(&event)?;
                }
            }
            Some(Err(ClientError::Transport { .. })) | None if follow => {
                lines = reader.reopen(&session.client).await?
            }
            Some(Err(error)) => return Err(error.into()),
            None => return Ok(()),
        }
    }
}

struct Reader {
    cursor: Option<String>,
    host: Option<Host>,
    follow: bool,
}

impl Reader {
    async fn open(&mut self, client: &Client) -> Result<Lines<Event>, ClientError> {
        let lines = match &self.host {
            Some(host) => client.only(host.clone()).events(self.cursor.as_deref(), self.follow).await?,
            None => client.events(self.cursor.as_deref(), self.follow).await?,
        };
        self.host = Some(lines.host().clone());
        Ok(lines)
    }

    async fn reopen(&mut self, client: &Client) -> Result<Lines<Event>, ClientError> {
        let mut told = false;
        loop {
            // First of all: whoever ends every stream at once is not asked without a pause.
            sleep(ASK_AGAIN).await;
            match self.open(client).await {
                Err(error @ ClientError::Transport { .. }) => {
                    if !std::mem::replace(&mut told, true) {
                        eprintln!("the peer is lost, asking again every second: {error}");
                    }
                }
                other => return other,
            }
        }
    }
}
