//! What callers are owed while the storage does not answer.
//!
//! Each case cuts the storage off, makes its calls, restores the storage and only then judges: what
//! ends a case before that leaves it to the runner to restore it.

mod failing;
mod lists;
mod restart;
mod waiting;

pub(super) use failing::{CREATE, MOUNT, REMOVE};
pub(super) use lists::{fails_loudly, known, prompt_list};
pub(super) use restart::partial;
pub(super) use waiting::{in_time, prompt_activate, prompt_unmount};

use std::path::Path;
use std::time::{Duration, Instant};

use crate::protocol::{Endpoint, hold_body};
use crate::suite::{Answer, CaseResult, Cx, Token};
use crate::wire::{Connection, Request};

/// How long dockerd waits for an answer to Create and Mount (`daemon/volume/drivers/proxy.go`).
const LONG: Duration = Duration::from_mins(2);
/// How long dockerd waits for an answer to any other call.
const SHORT: Duration = Duration::from_mins(1);

/// How long storage that was restored may take until it works again: clients try again after a
/// while only.
const HEALING: Duration = Duration::from_secs(30);

/// A call that was sent, and whose answer is not waited for yet.
struct UnderWay {
    endpoint: Endpoint,
    request: Request,
    connection: Connection,
    begun: Instant,
}

impl UnderWay {
    /// Sends a call on a connection of its own. What it may make is for the caller to remember.
    async fn begin(cx: &Cx, endpoint: Endpoint, body: Vec<u8>) -> CaseResult<Self> {
        let mut connection = cx.connect().await?;
        let request = Request::docker(endpoint.path(), body);
        let begun = Instant::now();
        // That nobody reads it is what the answer will say.
        let _ = connection.write(&request.bytes(), cx.limit()).await;
        Ok(Self {
            endpoint,
            request,
            connection,
            begun,
        })
    }

    /// A Mount of `name`, which exists.
    async fn mount(cx: &mut Cx, name: &str) -> CaseResult<Self> {
        let id = cx.id();
        cx.may_hold(name, &id);
        Self::begin(cx, Endpoint::Mount, hold_body(name, &id)).await
    }

    /// Waits for the answer until `limit` after the call was sent.
    async fn end(mut self, cx: &Cx, limit: Duration) -> Answer {
        let left = limit.saturating_sub(self.begun.elapsed());
        let sent = self.connection.read(left).await;
        cx.keep(self.endpoint, &self.request, sent, self.begun)
    }
}

/// Makes a call again and again until it succeeds, for as long as storage may take to heal. The last
/// answer.
async fn until_healed(cx: &mut Cx, endpoint: Endpoint, name: &str, id: &str) -> CaseResult<Answer> {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(50);
    loop {
        let answer = match endpoint {
            Endpoint::Create => cx.create(name).await?,
            Endpoint::Mount => cx.mount(name, id).await?,
            _ => cx.remove(name).await?,
        };
        if !answer.is_refusal() || begun.elapsed() > HEALING {
            return Ok(answer);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

/// Waits until a token can be read again through a mountpoint, for as long as storage may take to heal;
/// what is there instead.
async fn data_are_back(cx: &Cx, path: &Path, token: &Token) -> Result<(), String> {
    let begun = Instant::now();
    loop {
        let read = cx.check_token(path, token).await;
        if read.is_ok() || begun.elapsed() > HEALING {
            return read;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
