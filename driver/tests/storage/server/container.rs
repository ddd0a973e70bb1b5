//! A server in a container, which testcontainers starts and removes.

use std::{
    collections::BTreeMap,
    path::Path,
    process::Command,
    sync::{Arc, LazyLock, Mutex},
};

use testcontainers::{
    ContainerAsync, ContainerRequest, GenericImage, ImageExt as _,
    core::{Mount, WaitFor},
    runners::AsyncRunner as _,
};
use tokio::{
    runtime::Runtime,
    sync::{Mutex as AsyncMutex, OwnedMutexGuard},
};

use super::{Control, Kind, free_ports, read_settings, shown, wait_for_ports};
use crate::support::trials::Skip;

/// A container on the host's network, with the server's data in a directory of the host.
#[derive(Debug)]
pub(super) struct Container {
    runtime: Runtime,
    /// Until this is dropped.
    container: Option<ContainerAsync<GenericImage>>,
    ports: Vec<u16>,
    /// Dropped last.
    _turn: Option<OwnedMutexGuard<()>>,
}

/// Servers for NFS 3 need the one well-known port of rpcbind, and all containers have the host's
/// ports: one at a time.
static RPCBIND: LazyLock<Arc<AsyncMutex<()>>> = LazyLock::new(Arc::default);

impl Container {
    pub(super) fn start(
        kind: Kind,
        directory: &Path,
    ) -> Result<(Self, BTreeMap<String, String>), Skip> {
        make_images()?;
        let turn = (kind == Kind::Nfs).then(|| Arc::clone(&RPCBIND).blocking_lock_owned());
        let place = directory.to_str().unwrap();
        let ports = free_ports(kind.ports());
        let arguments = [place].into_iter().chain(kind.arguments().iter().copied());
        let mut request =
            GenericImage::new(format!("volplug/{}", kind.name()), "latest".to_owned())
                .with_wait_for(WaitFor::message_on_stdout(kind.last_setting()))
                .with_network("host")
                .with_env_var("PORTS", shown(&ports))
                .with_env_var("RPCBIND", "yes")
                .with_mount(Mount::bind_mount(place, place))
                .with_cmd(arguments);
        if let Some((part, bytes)) = kind.little_room() {
            let little = Mount::tmpfs_mount(format!("{place}/{part}"))
                .with_size_bytes(bytes.into())
                .with_mode(0o777);
            request = request.with_mount(little);
        }
        if kind == Kind::Nfs {
            // Ganesha opens files by their handles.
            request = request
                .with_cap_add("DAC_READ_SEARCH")
                .with_security_opt("seccomp=unconfined");
        }
        let container = Self::run(kind, request, ports, turn);
        let output = container.container().stdout_to_vec();
        let output = container.runtime.block_on(output).unwrap();
        Ok((container, read_settings(&String::from_utf8_lossy(&output))))
    }

    /// Starts what is asked for, as the server on these ports.
    pub(super) fn run(
        kind: Kind,
        request: ContainerRequest<GenericImage>,
        ports: Vec<u16>,
        turn: Option<OwnedMutexGuard<()>>,
    ) -> Self {
        let runtime = Runtime::new().unwrap();
        let container = runtime
            .block_on(request.start())
            .unwrap_or_else(|error| panic!("a container for {}: {error}", kind.name()));
        Self {
            runtime,
            container: Some(container),
            ports,
            _turn: turn,
        }
    }

    fn container(&self) -> &ContainerAsync<GenericImage> {
        self.container.as_ref().unwrap()
    }
}

/// Makes the images once, where the engine does not have them.
fn make_images() -> Result<(), Skip> {
    static MADE: Mutex<Option<Result<(), String>>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap();
    let result = made.get_or_insert_with(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ci/storage/images");
        match Command::new(script).status().unwrap().code() {
            Some(0) => Ok(()),
            Some(3) => Err("no images of storage servers can be made here".to_owned()),
            status => panic!("ci/storage/images: {status:?}"),
        }
    });
    result.clone().map_err(Skip)
}

impl Control for Container {
    fn pause(&mut self) {
        self.runtime.block_on(self.container().pause()).unwrap();
    }

    fn resume(&mut self) {
        self.runtime.block_on(self.container().unpause()).unwrap();
    }

    fn restart(&mut self) {
        let container = self.container();
        self.runtime
            .block_on(async {
                container.stop_with_timeout(Some(5)).await?;
                container.start().await
            })
            .unwrap();
        wait_for_ports("127.0.0.1", &self.ports);
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if let Some(container) = self.container.take() {
            // A frozen one cannot be removed.
            let _ = self.runtime.block_on(container.unpause());
            let _ = self.runtime.block_on(container.rm());
        }
    }
}
