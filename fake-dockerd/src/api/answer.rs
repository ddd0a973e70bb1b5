//! Answers: JSON, nothing, or a body that is written while it is read.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::{Body, Frame};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, StatusCode};
use serde::Serialize;
use tokio::sync::mpsc;

/// An answer.
pub(super) type Response = hyper::Response<UnsyncBoxBody<Bytes, Infallible>>;

/// An answer in JSON, with the newline that Go's encoder ends with.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let mut text = serde_json::to_vec(value).unwrap_or_default();
    text.push(b'\n');
    of(status, Full::new(text.into()), "application/json")
}

/// 200 in JSON.
pub(super) fn ok(value: &impl Serialize) -> Response {
    json(StatusCode::OK, value)
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = hyper::Response::new(Empty::new().boxed_unsync());
    *response.status_mut() = status;
    response
}

/// 204.
pub(super) fn done() -> Response {
    empty(StatusCode::NO_CONTENT)
}

/// 200 with plain text.
pub(super) fn text(text: &'static str) -> Response {
    let body = Full::new(Bytes::from_static(text.as_bytes()));
    of(StatusCode::OK, body, "text/plain; charset=utf-8")
}

/// 200, at once, with a body that is still to come.
pub(super) fn stream(body: mpsc::Receiver<Bytes>, content_type: &'static str) -> Response {
    of(StatusCode::OK, Chunks(body), content_type)
}

/// Adds headers.
pub(super) fn with(mut response: Response, headers: HeaderMap) -> Response {
    response.headers_mut().extend(headers);
    response
}

fn of(
    status: StatusCode,
    body: impl Body<Data = Bytes, Error = Infallible> + Send + 'static,
    content_type: &'static str,
) -> Response {
    let mut response = hyper::Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// A body of what is sent to it.
struct Chunks(mpsc::Receiver<Bytes>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = ready!(self.0.poll_recv(context));
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}
