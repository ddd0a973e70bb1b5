//! A driver whose calls are counted.

use std::{path::PathBuf, time::Instant};

use super::{
    operations::{Operation, Operations},
    report::OperationReport,
};
use crate::{
    driver::VolumeDriver,
    error::Error,
    types::{Capabilities, CreateRequest, MountRequest, Volume, VolumeName},
};

/// Passes every call on, and notes how long it took and how it ended.
#[derive(Debug)]
pub(crate) struct Measured<D> {
    driver: D,
    operations: Operations,
}

impl<D> Measured<D> {
    pub(crate) fn new(driver: D) -> Self {
        Self {
            driver,
            operations: Operations::default(),
        }
    }

    /// The driver behind it.
    pub(crate) fn driver(&self) -> &D {
        &self.driver
    }

    /// How the calls fared so far.
    pub(super) fn report(&self) -> Vec<OperationReport> {
        self.operations.report()
    }

    async fn measure<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut running = Running {
            operations: &self.operations,
            operation,
            since: Instant::now(),
            failure: Some("cancelled"),
        };
        let outcome = call.await;
        running.failure = outcome.as_ref().err().map(|error| error.kind().as_str());
        outcome
    }
}

/// A call under way. One that is given up, or panics, ends as well.
struct Running<'a> {
    operations: &'a Operations,
    operation: Operation,
    since: Instant,
    failure: Option<&'static str>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.operations
            .note(self.operation, self.since.elapsed(), self.failure);
    }
}

impl<D: VolumeDriver> VolumeDriver for Measured<D> {
    fn capabilities(&self) -> Capabilities {
        self.driver.capabilities()
    }

    async fn create(&self, request: CreateRequest) -> Result<(), Error> {
        self.measure(Operation::Create, self.driver.create(request))
            .await
    }

    async fn get(&self, name: VolumeName) -> Result<Volume, Error> {
        self.measure(Operation::Get, self.driver.get(name)).await
    }

    async fn list(&self) -> Result<Vec<Volume>, Error> {
        self.measure(Operation::List, self.driver.list()).await
    }

    async fn path(&self, name: VolumeName) -> Result<Option<PathBuf>, Error> {
        self.measure(Operation::Path, self.driver.path(name)).await
    }

    async fn mount(&self, request: MountRequest) -> Result<PathBuf, Error> {
        self.measure(Operation::Mount, self.driver.mount(request))
            .await
    }

    async fn unmount(&self, request: MountRequest) -> Result<(), Error> {
        self.measure(Operation::Unmount, self.driver.unmount(request))
            .await
    }

    async fn remove(&self, name: VolumeName) -> Result<(), Error> {
        self.measure(Operation::Remove, self.driver.remove(name))
            .await
    }
}
