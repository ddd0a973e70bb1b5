//! From an HTTP request to an answer.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Response, StatusCode, body::Body};
use tokio::sync::mpsc;
use tracing::Level;

use super::{Limits, answer::Answer, call, endpoint::Endpoint, request::Request};
use crate::{VolumeDriver, error::Quoted, secret};

/// So much of an oversized body is read and thrown away, for a client that writes before it reads
/// would not see the answer otherwise.
const DISCARDED_BYTES: usize = 128 << 20;

/// What all connections share. Cheap to clone.
#[derive(Debug)]
pub(super) struct Service<D> {
    shared: Arc<Shared<D>>,
}

#[derive(Debug)]
struct Shared<D> {
    driver: Arc<D>,
    limits: Limits,
    working: mpsc::Sender<()>,
}

impl<D> Clone for Service<D> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<D: VolumeDriver> Service<D> {
    pub(super) fn new(driver: Arc<D>, limits: Limits, working: mpsc::Sender<()>) -> Self {
        Self {
            shared: Arc::new(Shared {
                driver,
                limits,
                working,
            }),
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// Answers a request. Whatever happens, there is an answer, and it is JSON.
    pub(super) async fn respond<B>(
        &self,
        request: hyper::Request<B>,
    ) -> Result<Response<Full<Bytes>>, Infallible>
    where
        B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
    {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let answer = match Endpoint::at(path) {
            None => {
                tracing::debug!(method = %head.method, path, "no such endpoint");
                Answer::failure(
                    StatusCode::NOT_FOUND,
                    &format!("no such endpoint: {}", Quoted(path)),
                )
            }
            Some(endpoint) if head.method != Method::POST => Answer::not_allowed(endpoint),
            Some(endpoint) => match self.read_body(body).await {
                Ok(body) => self.answer(endpoint, &body).await,
                Err(refusal) => refusal,
            },
        };
        Ok(answer.into_response())
    }

    async fn answer(&self, endpoint: Endpoint, body: &[u8]) -> Answer {
        let trace = tracing::enabled!(target: "volplug_driver::wire", Level::TRACE);
        if trace {
            let body = secret::masked_body(body);
            tracing::trace!(target: "volplug_driver::wire", call = endpoint.name(), body, "request");
        }
        let shared = &self.shared;
        let answer = match Request::read(endpoint, body) {
            Ok(request) => {
                call::run(&shared.driver, request, &shared.limits, &shared.working).await
            }
            Err(error) => {
                tracing::debug!(%error, "request refused");
                Answer::failure(StatusCode::BAD_REQUEST, &error.to_string())
            }
        };
        if trace {
            let (status, body) = (answer.status.as_u16(), secret::masked_body(&answer.body));
            tracing::trace!(target: "volplug_driver::wire", call = endpoint.name(), status, body, "answer");
        }
        answer
    }

    /// The whole body, or the answer to give instead.
    async fn read_body<B>(&self, body: B) -> Result<Bytes, Answer>
    where
        B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
    {
        let Limits {
            body: limit,
            body_bytes,
            ..
        } = self.shared.limits;
        match tokio::time::timeout(limit, collect(body, body_bytes)).await {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(Unread::TooLong)) => {
                let message = format!(
                    "the request's body is too long, at most {body_bytes} bytes are accepted"
                );
                Err(Answer::failure(StatusCode::PAYLOAD_TOO_LARGE, &message).closing())
            }
            Ok(Err(Unread::Broken(cause))) => {
                let message = format!("the request's body cannot be read: {cause}");
                Err(Answer::failure(StatusCode::BAD_REQUEST, &message).closing())
            }
            Err(_) => Err(too_slow(limit)),
        }
    }
}

fn too_slow(limit: Duration) -> Answer {
    let message = format!("the request's body did not arrive within {limit:?}");
    Answer::failure(StatusCode::REQUEST_TIMEOUT, &message).closing()
}

enum Unread {
    TooLong,
    Broken(String),
}

async fn collect<B>(mut body: B, limit: usize) -> Result<Bytes, Unread>
where
    B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
{
    let mut pieces = BytesMut::new();
    let mut only = Bytes::new();
    let mut total = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame
            .map_err(|error| Unread::Broken(error.to_string()))?
            .into_data()
        else {
            continue;
        };
        total += data.len();
        if total > DISCARDED_BYTES {
            return Err(Unread::TooLong);
        }
        if total > limit {
            pieces = BytesMut::new();
            only = Bytes::new();
        } else if total == data.len() {
            // Nearly every body comes in one piece, which need not be copied.
            only = data;
        } else {
            pieces.extend_from_slice(&std::mem::take(&mut only));
            pieces.extend_from_slice(&data);
        }
    }
    match (total > limit, pieces.is_empty()) {
        (true, _) => Err(Unread::TooLong),
        (false, true) => Ok(only),
        (false, false) => Ok(pieces.freeze()),
    }
}
