//! Errors as the Engine API answers them: `{"message": …}` with Docker's status.

use hyper::StatusCode;
use serde_json::json;

use super::answer::{self, Response};
use crate::error::Error;

/// Why a request is not answered with what it asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    status: StatusCode,
    message: String,
}

/// What a handler yields.
pub(super) type Answer = Result<Response, Failure>;

impl Failure {
    /// An endpoint that this engine does not have.
    pub(super) fn not_served(what: &str) -> Self {
        Self {
            status: StatusCode::NOT_IMPLEMENTED,
            message: format!("fake-dockerd does not serve {what}"),
        }
    }

    /// The answer.
    pub(super) fn into_response(self) -> Response {
        if self.status == StatusCode::NOT_MODIFIED {
            return answer::empty(self.status);
        }
        answer::json(self.status, &json!({ "message": self.message }))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = StatusCode::from_u16(error.status());
        Self {
            status: status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            message: error.message().to_owned(),
        }
    }
}
