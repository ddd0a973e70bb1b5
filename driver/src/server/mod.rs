//! Serving any [`VolumeDriver`] over HTTP/1.1, the way Docker speaks to plugins.
//!
//! `listen` opens sockets (`socket_file`, `tls`; `passed` takes those of systemd) and `announce`
//! tells Docker of them. `connection` bounds what a client may do to one, `service` turns
//! requests into calls of the driver, `request` and `answer` read and write the JSON. Calls
//! that change something run in tasks of their own, so that a client that goes away cuts nothing
//! in half.

mod announce;
mod answer;
mod call;
mod connection;
mod endpoint;
mod limits;
mod listen;
mod passed;
mod request;
mod service;
mod socket_file;
mod tls;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
};
use tracing::Instrument as _;

use crate::{StartError, VolumeDriver};
pub(crate) use announce::{Announcement, ClientTls, SpecFile};
pub use limits::{Limits, raise_open_files_limit};
pub(crate) use listen::{Acceptor, Incoming};
pub use listen::{Listener, TcpAccess};
pub use passed::PassedSockets;
use service::Service;
pub use tls::{Tls, TlsFiles};

/// A server for one driver.
#[derive(Debug)]
pub struct Server<D> {
    driver: Arc<D>,
    limits: Limits,
}

impl<D: VolumeDriver> Server<D> {
    /// A server with the default [`Limits`].
    pub fn new(driver: D) -> Self {
        Self::shared(Arc::new(driver))
    }

    /// The same for a driver that others look at as well.
    pub fn shared(driver: Arc<D>) -> Self {
        Self {
            driver,
            limits: Limits::default(),
        }
    }

    /// The same server with other bounds on time and size.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Serves until `shutdown` is ready. Then it closes and removes the sockets, finishes the
    /// calls in flight as long as [`Limits::shutdown`] allows, and returns.
    ///
    /// # Errors
    /// When the runtime cannot take over a listener.
    pub async fn run(
        self,
        listeners: impl IntoIterator<Item = Listener>,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), StartError> {
        let (stop, stopping) = watch::channel(false);
        // Every call in flight holds a clone; the channel closes when the last one is done.
        let (working, mut idle) = mpsc::channel::<()>(1);
        let service = Service::new(self.driver, self.limits, working);
        let slots = Arc::new(Semaphore::new(limits::max_connections()));
        let mut accepting = JoinSet::new();
        for listener in listeners {
            let acceptor = listener.into_acceptor()?;
            tracing::info!(address = %acceptor, "listening");
            let accepting_here = accept(
                acceptor,
                service.clone(),
                Arc::clone(&slots),
                stopping.clone(),
            );
            accepting.spawn(accepting_here.in_current_span());
        }
        drop((service, stopping));
        shutdown.await;
        tracing::info!("stopping: no new connections, finishing the calls in flight");
        stop.send_replace(true);
        let drained = tokio::time::timeout(self.limits.shutdown, async {
            while accepting.join_next().await.is_some() {}
            let _ = idle.recv().await;
        });
        if drained.await.is_err() {
            tracing::warn!(waited = ?self.limits.shutdown, "calls are still running; stopping all the same");
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// Accepts until told to stop, then waits for its connections.
async fn accept<D: VolumeDriver>(
    acceptor: Acceptor,
    service: Service<D>,
    slots: Arc<Semaphore>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        // At the limit, newcomers wait in the kernel's queue until somebody leaves.
        let accepted = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (acceptor.accept().await, slot)
        };
        let (incoming, slot) = tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => continue,
            accepted = accepted => accepted,
        };
        match incoming {
            Ok(incoming) => {
                let serving = connection::serve(incoming, service.clone(), stopping.clone());
                let serving = async move {
                    let _slot = slot;
                    serving.await;
                };
                connections.spawn(serving.in_current_span());
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                // Out of file descriptors, most likely: trying again at once would spin.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    // The socket goes first: who comes now finds no plugin at once instead of waiting for one.
    drop(acceptor);
    while connections.join_next().await.is_some() {}
}
