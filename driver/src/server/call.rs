//! Calling the driver: with a time limit, without being cut off, and surviving its panics.
//!
//! Calls that only look run in the connection's own task. Calls that change something run in a
//! task of their own, which goes on when the client disconnects or the time is up. A Mount whose
//! result nobody received is taken back: no Unmount will come for it, dockerd counts a Mount that
//! it heard nothing of as failed.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};
use tracing::Instrument as _;

use super::{Limits, answer::Answer, request::Request};
use crate::{
    VolumeDriver,
    error::{Error, ErrorKind, Quoted},
    types::{MountRequest, VolumeName},
};

/// Carries out a request. `working` is held as long as something is being changed.
pub(super) async fn run<D: VolumeDriver>(
    driver: &Arc<D>,
    request: Request,
    limits: &Limits,
    working: &mpsc::Sender<()>,
) -> Answer {
    match request {
        Request::Activate => Answer::activate(),
        Request::Capabilities => Answer::capabilities(driver.capabilities()),
        Request::Get(name) => {
            look(limits, Some(&name.clone()), driver.get(name), |volume| {
                Answer::volume(&volume)
            })
            .await
        }
        Request::List => {
            look(limits, None, driver.list(), |volumes| {
                Answer::volumes(&volumes)
            })
            .await
        }
        Request::Path(name) => {
            look(limits, Some(&name.clone()), driver.path(name), |path| {
                Answer::path(path.as_deref())
            })
            .await
        }
        Request::Create(request) => {
            let detached = Detached {
                driver,
                working,
                limit: limits.create_and_mount,
                name: request.name.clone(),
            };
            let call = |driver: Arc<D>| async move { driver.create(request).await };
            detached
                .run(call, |()| Answer::done(), |_, _| async {})
                .await
        }
        Request::Mount(request) => {
            let detached = Detached {
                driver,
                working,
                limit: limits.create_and_mount,
                name: request.name.clone(),
            };
            let undo = request.clone();
            let call = |driver: Arc<D>| async move { driver.mount(request).await };
            detached
                .run(
                    call,
                    |path| Answer::path(Some(&path)),
                    |driver, _| take_back(driver, undo),
                )
                .await
        }
        Request::Unmount(request) => {
            let detached = Detached {
                driver,
                working,
                limit: limits.other_calls,
                name: request.name.clone(),
            };
            let call = |driver: Arc<D>| async move { driver.unmount(request).await };
            detached
                .run(call, |()| Answer::done(), |_, _| async {})
                .await
        }
        Request::Remove(name) => {
            let detached = Detached {
                driver,
                working,
                limit: limits.other_calls,
                name: name.clone(),
            };
            let call = |driver: Arc<D>| async move { driver.remove(name).await };
            detached
                .run(call, |()| Answer::done(), |_, _| async {})
                .await
        }
    }
}

/// Runs a call that changes nothing, in the task of the connection.
async fn look<T>(
    limits: &Limits,
    name: Option<&VolumeName>,
    call: impl Future<Output = Result<T, Error>>,
    answer: impl FnOnce(T) -> Answer,
) -> Answer {
    let limit = limits.other_calls;
    match tokio::time::timeout(limit, CatchPanic(pin!(call))).await {
        Ok(Ok(result)) => result.map_or_else(|error| Answer::error(&error), answer),
        Ok(Err(panic)) => Answer::error(&panicked(name, panic.as_ref())),
        Err(_) => Answer::error(&late(name, limit)),
    }
}

/// A call that changes something.
struct Detached<'a, D> {
    driver: &'a Arc<D>,
    working: &'a mpsc::Sender<()>,
    limit: Duration,
    name: VolumeName,
}

impl<D: VolumeDriver> Detached<'_, D> {
    /// Runs `call` in a task of its own, and `unheard` when it succeeds and nobody waits for it.
    async fn run<T, C, U>(
        self,
        call: impl FnOnce(Arc<D>) -> C,
        answer: impl FnOnce(T) -> Answer,
        unheard: impl FnOnce(Arc<D>, T) -> U + Send + 'static,
    ) -> Answer
    where
        T: Send + 'static,
        C: Future<Output = Result<T, Error>> + Send + 'static,
        U: Future<Output = ()> + Send,
    {
        let (done, waiting) = oneshot::channel();
        let (call, driver) = (call(Arc::clone(self.driver)), Arc::clone(self.driver));
        let (working, name) = (self.working.clone(), self.name.clone());
        let task = async move {
            let _working = working;
            let outcome = CatchPanic(pin!(call)).await;
            let outcome =
                outcome.unwrap_or_else(|panic| Err(panicked(Some(&name), panic.as_ref())));
            if let Err(Ok(result)) = done.send(outcome) {
                tracing::debug!(volume = %name, "the client left before the answer");
                unheard(driver, result).await;
            }
        };
        tokio::spawn(task.in_current_span());
        match tokio::time::timeout(self.limit, waiting).await {
            Ok(Ok(Ok(result))) => answer(result),
            Ok(Ok(Err(error))) => Answer::error(&error),
            Ok(Err(_)) => Answer::error(
                &Error::internal("finish the call", "its task has ended").about(&self.name),
            ),
            Err(_) => Answer::error(&late(Some(&self.name), self.limit)),
        }
    }
}

async fn take_back<D: VolumeDriver>(driver: Arc<D>, request: MountRequest) {
    let name = request.name.clone();
    match driver.unmount(request).await {
        Ok(()) => tracing::info!(volume = %name, "took back a mount that nobody waited for"),
        Err(error) => {
            tracing::warn!(volume = %name, %error, "cannot take back a mount that nobody waited for")
        }
    }
}

fn late(name: Option<&VolumeName>, limit: Duration) -> Error {
    let error = Error::new(
        ErrorKind::Unavailable,
        format!("no result within {limit:?}"),
    );
    match name {
        Some(name) => error.about(name),
        None => error,
    }
}

fn panicked(name: Option<&VolumeName>, panic: &(dyn Any + Send)) -> Error {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let message = message.unwrap_or("no message");
    tracing::error!(panic = message, "the driver panicked");
    let error = Error::internal(
        "finish the call",
        format!("the driver panicked: {}", Quoted(message)),
    );
    match name {
        Some(name) => error.about(name),
        None => error,
    }
}

/// Turns a panic of the inner future into a value. The future is not polled again after it, and
/// what a driver shares between calls must stand a panic anyway, as with any task.
struct CatchPanic<'a, F>(Pin<&'a mut F>);

impl<F: Future> Future for CatchPanic<'_, F> {
    type Output = std::thread::Result<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match std::panic::catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}
