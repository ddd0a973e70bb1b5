//! The reference driver: the rules of volumes in front of any backend, with a durable memory.
//!
//! Each call that changes something runs alike: take the volume's lock, read its record, ask
//! [`rules`], let the backend carry the change out, store the new record. The record comes last,
//! so what was answered is on disk; when it cannot be stored, the backend's step is undone. Get
//! and List take no lock: they answer while a Mount of the same volume hangs. Where volumes exist
//! on the storage without a record, it is asked for them in bounded time (`lookup`).

mod lookup;

use std::{path::PathBuf, sync::Arc};

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{
    backend::{Backend, Provisioned, Spec},
    driver::VolumeDriver,
    error::{Error, ErrorKind, Quoted},
    locks::Locks,
    logging::carried,
    root::DataRoot,
    secret,
    store::Store,
    types::{Capabilities, CreateRequest, MountRequest, Options, Scope, Volume, VolumeName},
    volumes::{
        Record,
        rules::{self, Change},
    },
};
use lookup::Seen;

/// A [`VolumeDriver`] that keeps volumes on a [`Backend`].
#[derive(Debug)]
pub struct Keeper<B> {
    backend: Arc<B>,
    store: Arc<Store>,
    locks: Locks,
    scope: Scope,
    /// Ours for as long as anything can be done to it.
    root: DataRoot,
}

impl<B> Clone for Keeper<B> {
    fn clone(&self) -> Self {
        Self {
            backend: Arc::clone(&self.backend),
            store: Arc::clone(&self.store),
            locks: self.locks.clone(),
            scope: self.scope,
            root: self.root.clone(),
        }
    }
}

impl<B: Backend> Keeper<B> {
    pub(crate) fn new(backend: B, root: DataRoot, store: Store, scope: Scope) -> Self {
        Self {
            root,
            backend: Arc::new(backend),
            store: Arc::new(store),
            locks: Locks::default(),
            scope,
        }
    }

    /// The storage.
    pub(crate) fn backend(&self) -> &B {
        &self.backend
    }

    /// Makes something of every volume and the number of its holds, in the order of names. Asks
    /// no storage.
    pub(crate) async fn survey<T: Send + 'static>(
        &self,
        make: impl Fn(Volume, u64) -> T + Send + 'static,
    ) -> Result<Vec<T>, Error> {
        let (store, backend) = (Arc::clone(&self.store), Arc::clone(&self.backend));
        let walk = move || {
            let mut made = Vec::new();
            store.visit(|name, record| {
                let holders = record.as_ref().map_or(0, |record| record.holds.total());
                made.extend(
                    listed(backend.as_ref(), name, record.as_ref())
                        .map(|volume| make(volume, holders)),
                );
            })?;
            Ok(made)
        };
        blocking(walk).await
    }

    /// Decides and carries out one change of one volume.
    async fn change(
        &self,
        name: &VolumeName,
        decide: impl Fn(&Seen) -> Result<Change, Error>,
    ) -> Result<(), Error> {
        let _lock = self.locks.acquire(name).await;
        match self.try_change(name, &decide).await {
            // Another host made it at the same moment. Now it is there, and may be just as asked.
            Err(error) if self.backend.is_shared() && error.kind() == ErrorKind::Conflict => {
                self.try_change(name, &decide).await
            }
            outcome => outcome,
        }
    }

    async fn try_change(
        &self,
        name: &VolumeName,
        decide: impl Fn(&Seen) -> Result<Change, Error>,
    ) -> Result<(), Error> {
        let seen = self.look_up(name).await?;
        let change = decide(&seen)?;
        self.carry_out(name, seen.into_record(), change)
            .await
            .inspect_err(|error| {
                tracing::warn!(volume = %name, %error, "the volume could not be changed");
            })
    }

    /// Attaches again what is held, after a start: the mounts may have died with the old process.
    pub(crate) async fn restore(&self) {
        let mut held = Vec::new();
        let walked = self.store.visit(|name, record| {
            if record.is_some_and(|record| record.is_mounted()) {
                held.extend(VolumeName::new(name));
            }
        });
        if let Err(error) = walked {
            tracing::error!(%error, "mounted volumes cannot be looked through");
        }
        self.backend.holds_only(held.clone()).await;
        for name in held {
            let _lock = self.locks.acquire(&name).await;
            let Ok(Some(record)) = self.store.read(&name) else {
                continue;
            };
            let spec = Spec::new(&name, &record.options);
            // What the other hosts were told before holds also where it cannot be told again.
            let restored = async {
                self.backend.hold(&spec).await?;
                self.backend.attach(&spec).await
            };
            if record.is_mounted()
                && let Err(error) = restored.await
            {
                // The next Mount tries again.
                tracing::warn!(volume = %name, %error, "a volume in use could not be restored");
            }
        }
    }

    /// Gives back what the driver holds for itself, when no call can come any more.
    pub(crate) async fn close(&self) {
        self.backend.close().await;
    }

    async fn carry_out(
        &self,
        name: &VolumeName,
        current: Option<Record>,
        change: Change,
    ) -> Result<(), Error> {
        let spec = |options: &Options| Spec::new(name, options);
        match change {
            Change::Nothing => Ok(()),
            Change::Release(next) => self.store.put(name, &next).await,
            Change::Provision(next) => {
                let spec = spec(&next.options);
                let provisioned = self
                    .backend
                    .provision(&spec)
                    .await
                    .map_err(|error| error.about(name))?;
                let undo = async {
                    match provisioned {
                        Provisioned::Made => self.unprovision(&spec).await,
                        Provisioned::Found => Ok(()),
                    }
                };
                self.or_undo(self.store.put(name, &next).await, undo).await
            }
            Change::Adopt(next) => {
                self.backend
                    .provision(&spec(&next.options))
                    .await
                    .map_err(|error| error.about(name))?;
                self.store.put(name, &next).await
            }
            Change::Attach(next) => {
                let spec = spec(&next.options);
                let others_hold_it = current.is_some_and(|record| record.is_mounted());
                self.attach(&spec, others_hold_it)
                    .await
                    .map_err(|error| error.about(name))?;
                let undo = async {
                    if others_hold_it {
                        Ok(())
                    } else {
                        self.detach(&spec).await
                    }
                };
                self.or_undo(self.store.put(name, &next).await, undo).await
            }
            Change::Detach(next) => {
                let spec = spec(&next.options);
                self.detach(&spec)
                    .await
                    .map_err(|error| error.about(name))?;
                self.or_undo(self.store.put(name, &next).await, self.attach(&spec, false))
                    .await
            }
            Change::Retire => {
                let options = current.map(|record| record.options).unwrap_or_default();
                let retired = self
                    .retire(&spec(&options))
                    .await
                    .map_err(|error| error.about(name))?;
                match self.store.delete(name).await {
                    Ok(()) => {
                        self.backend.discard(retired);
                        Ok(())
                    }
                    Err(error) => {
                        self.or_undo(Err(error), self.backend.reinstate(retired))
                            .await
                    }
                }
            }
        }
    }

    /// Runs `undo` when the record could not be stored. Its own failure is only logged: what the
    /// caller must know is that the call failed.
    async fn or_undo(
        &self,
        stored: Result<(), Error>,
        undo: impl Future<Output = Result<(), Error>>,
    ) -> Result<(), Error> {
        if stored.is_err()
            && let Err(error) = undo.await
        {
            tracing::error!(%error, "a step that could not be recorded could not be undone either");
        }
        stored
    }

    /// Attaches a volume. The other hosts are told first, unless somebody here holds it already.
    async fn attach(&self, spec: &Spec, others_hold_it: bool) -> Result<(), Error> {
        if others_hold_it {
            return self.backend.attach(spec).await;
        }
        self.backend.hold(spec).await?;
        let attached = self.backend.attach(spec).await;
        if attached.is_err() {
            self.backend.let_go(spec).await;
        }
        attached
    }

    /// Detaches a volume that nobody here holds any more, and tells the other hosts.
    async fn detach(&self, spec: &Spec) -> Result<(), Error> {
        self.backend.detach(spec).await?;
        self.backend.let_go(spec).await;
        Ok(())
    }

    /// Takes away the storage of a volume that no other host holds.
    async fn retire(&self, spec: &Spec) -> Result<B::Retired, Error> {
        self.backend.held_elsewhere(spec).await?.refuse()?;
        let retired = self.backend.retire(spec).await?;
        // Once more where nobody can come in between.
        let refused = match self.backend.held_elsewhere(spec).await {
            Ok(elsewhere) => elsewhere.refuse(),
            Err(error) => Err(error),
        };
        match refused {
            Ok(()) => Ok(retired),
            Err(error) => self.backend.reinstate(retired).await.and(Err(error)),
        }
    }

    async fn unprovision(&self, spec: &Spec) -> Result<(), Error> {
        let retired = self.backend.retire(spec).await?;
        self.backend.discard(retired);
        Ok(())
    }

    fn mountpoint(&self, name: &VolumeName) -> PathBuf {
        self.backend.mountpoint(name)
    }

    fn describe(&self, name: &VolumeName, record: Record) -> Volume {
        let spec = Spec::new(name, &record.options);
        let holders = record.holds.total();
        let volume = if holders > 0 {
            Volume::new(name.as_str()).mounted_at(self.mountpoint(name))
        } else {
            Volume::new(name.as_str())
        };
        let volume = match record.created_at {
            Some(time) => volume.created_at(time),
            None => volume,
        };
        let mut volume = volume
            .with_status("backend", self.backend.name())
            .with_status("holders", holders)
            .with_status("options", shown_options(record.options))
            .with_status(
                "data_on_remove",
                self.backend.data_on_remove(&spec).as_str(),
            );
        volume.status.extend(self.backend.status(&spec));
        volume
    }
}

/// Options as `docker volume inspect` may show them.
fn shown_options(options: Options) -> Map<String, Value> {
    let shown = |(key, value): (String, String)| {
        let value = if secret::looks_secret(&key) {
            secret::REDACTED.to_owned()
        } else {
            value
        };
        (key, Value::from(value))
    };
    options.into_iter().map(shown).collect()
}

impl<B: Backend> VolumeDriver for Keeper<B> {
    fn capabilities(&self) -> Capabilities {
        Capabilities::scope(self.scope)
    }

    async fn create(&self, request: CreateRequest) -> Result<(), Error> {
        // Where the storage does not say whether there is one, making it does.
        self.change(&request.name, |seen| {
            rules::create(seen.known(), &request, now())
        })
        .await
    }

    async fn get(&self, name: VolumeName) -> Result<Volume, Error> {
        let record = self.look_up_certain(&name).await?;
        Ok(self.describe(&name, record))
    }

    async fn list(&self) -> Result<Vec<Volume>, Error> {
        if self.backend.is_shared() {
            self.list_shared().await
        } else {
            self.list_recorded().await
        }
    }

    async fn path(&self, name: VolumeName) -> Result<Option<PathBuf>, Error> {
        let record = self.look_up_certain(&name).await?;
        Ok(record.is_mounted().then(|| self.mountpoint(&name)))
    }

    async fn mount(&self, request: MountRequest) -> Result<PathBuf, Error> {
        self.change(&request.name, |seen| {
            rules::mount(seen.certain(&request.name)?, &request)
        })
        .await?;
        Ok(self.mountpoint(&request.name))
    }

    async fn unmount(&self, request: MountRequest) -> Result<(), Error> {
        self.change(&request.name, |seen| {
            rules::unmount(seen.certain(&request.name)?, &request)
        })
        .await
    }

    async fn remove(&self, name: VolumeName) -> Result<(), Error> {
        self.change(&name, |seen| rules::remove(seen.certain(&name)?, &name))
            .await
    }
}

/// A volume as List shows it. One whose record cannot be read stays listed: it exists.
fn listed<B: Backend>(backend: &B, name: &str, record: Option<&Record>) -> Option<Volume> {
    let volume = Volume::new(name);
    match record {
        Some(record) if record.is_mounted() => {
            let name = VolumeName::new(name).ok()?;
            Some(volume.mounted_at(backend.mountpoint(&name)))
        }
        Some(_) => Some(volume),
        None => {
            tracing::error!(volume = %Quoted(name), "the record of this volume cannot be read");
            Some(volume)
        }
    }
}

/// A walk through all volumes is long with many of them, so off the threads that answer Gets.
async fn blocking<T: Send + 'static>(
    walk: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(carried(walk))
        .await
        .map_err(|cause| Error::internal("list the volumes", cause))?
}

fn now() -> Timestamp {
    Timestamp::now()
}
