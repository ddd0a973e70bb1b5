//! From flags to a plugin that can be reached: where it listens, its isolation, its process and its peer.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fake_dockerd::discovery::Directories;

use super::settings::{RunArgs, Switch};
use super::work::WorkDirectory;
use crate::play::{Play, PlayOptions};
use crate::suite::Naming;
use crate::target::address::Found;
use crate::target::{
    Bundle, Files, Isolation, Launch, Peer, Plugin, Slowness, Target, address, hides_mounts_of,
    isolate,
};
use crate::wire::{Address, Connection, TlsFiles};

/// The name of the socket that a plugin is told to listen on.
const SOCKET: &str = "plugin.sock";

/// The directory that plugins of several hosts share.
const SHARED: &str = "shared";

/// All that is decided before the first thread starts.
pub(super) struct Setup {
    target: Target,
    /// As the report says it.
    pub(super) isolation: &'static str,
}

impl Setup {
    pub(super) fn new(
        args: &RunArgs,
        play: PlayOptions,
        work: &WorkDirectory,
        isolated: &mut Option<Isolation>,
    ) -> Result<Self, String> {
        let command = args.command()?;
        let tls = args.tls();
        let mut found = None;
        let address = match (&args.socket, &args.plugin, &command) {
            (Some(text), _, _) => address::parse(text, &tls)?,
            (None, Some(name), None) => {
                let (address, place) = address::locate(name, &directories(args), &tls)?;
                found = Some(place);
                address
            }
            // Where it would listen by default; where it does is looked up when it has started.
            (None, Some(name), Some(_)) => {
                let directories = directories(args);
                let first = directories.sockets.first().cloned().unwrap_or_default();
                address::unix(&first.join(format!("{name}.sock")))?
            }
            (None, None, Some(_)) => address::unix(&work.path.join(SOCKET))?,
            (None, None, None) => {
                return Err("nothing to judge: give --socket PATH, --plugin NAME, --exec 'CMD … {socket}' or \
                            --reference"
                    .to_owned());
            }
        };
        let prepare = RunArgs::hook("--prepare", args.prepare.as_ref())?;
        let cleanup = RunArgs::hook("--cleanup", args.cleanup.as_ref())?;
        let plugin_work = work.path.join("plugin");
        let storage = args.storage(&plugin_work)?;
        let naming = Naming::new(play.seed, args.name_chars.as_deref())?;

        if command.is_some() && !args.no_isolation {
            match isolate(&work.path) {
                Ok(isolation) => *isolated = Some(isolation),
                Err(why) => {
                    anstream::eprintln!(
                        "note: the plugin runs without a mount namespace of its own: {why}"
                    );
                }
            }
        }
        let hostile = args
            .hostile
            .map_or(isolated.is_some(), |switch| switch == Switch::On);
        let isolation = match isolated {
            Some(isolation) if isolation.overlaid => "overlay",
            Some(_) => "read-only",
            None => "none",
        };
        let socket = address
            .socket()
            .map_or_else(|| work.path.join(SOCKET), PathBuf::from);
        let plugin = command.map(|command| {
            let launch = Launch {
                command,
                socket,
                work: plugin_work.clone(),
                shared: work.path.join(SHARED),
                start_limit: args.start_timeout,
            };
            Plugin::new(launch, address.clone())
        });
        let peer = peer(args, work, &tls)?;
        let bundle = args.managed.as_deref().map(Bundle::read).transpose()?;
        let driver = match (&args.plugin, &plugin) {
            (Some(name), _) => name.clone(),
            (None, Some(plugin)) => plugin.program(),
            (None, None) => address::driver_name(&address),
        };
        let target = Target {
            files: files(args, &address),
            address,
            timeout: args.timeout,
            opts: args.options(),
            secret_opts: args.secret_opt.clone(),
            prepare,
            cleanup,
            storage,
            peer,
            bundle,
            plugin,
            driver,
            found,
            work: work.path.clone(),
            engine: args.engine,
            naming: Arc::new(naming),
            lints: Default::default(),
            health: Default::default(),
            slowness: Slowness::new(args.soak),
            hostile,
            play: Play::new(play),
        };
        Ok(Self { target, isolation })
    }

    /// Starts the plugin if it is to be started, and makes sure that it can be reached.
    pub(super) async fn ready(mut self, args: &RunArgs) -> Result<Arc<Target>, String> {
        if let Some(plugin) = &mut self.target.plugin {
            make(&self.target.work.join("plugin"))?;
            make(&self.target.work.join(SHARED))?;
            match &args.plugin {
                None => {
                    plugin.start().await?;
                }
                Some(name) => {
                    plugin.spawn().await?;
                    let (address, found) = appears(plugin, name, args).await?;
                    plugin.listens_at(address.clone());
                    self.target.address = address;
                    self.target.found = Some(found);
                }
            }
        }
        if let Some(Peer {
            plugin: Some(peer), ..
        }) = &self.target.peer
        {
            make(peer.work())?;
            let started = peer.start().await;
            started.map_err(|why| format!("--peer-exec: {why}"))?;
        }
        address::check(&self.target.address, args.timeout).await?;
        if self.target.plugin.is_none()
            && self.target.files.blindness().is_none()
            && let Some(socket) = self.target.address.socket()
            && hides_mounts_of(socket).await
        {
            self.target.files = Files::blind(
                "needs to look into the mountpoints, and the plugin runs outside of this container: give \
                 the container the directory of its mounts with -v DIR:DIR:rslave",
            );
        }
        Ok(Arc::new(self.target))
    }
}

/// Ends what `Setup::ready` started.
pub(super) async fn end(target: &Target) {
    let peer = target.peer.as_ref().and_then(|peer| peer.plugin.as_ref());
    for plugin in target.plugin.iter().chain(peer) {
        plugin.end_group().await;
    }
}

/// The second host's plugin, which is not started yet.
fn peer(args: &RunArgs, work: &WorkDirectory, tls: &TlsFiles) -> Result<Option<Peer>, String> {
    if let Some(text) = &args.peer {
        let address = address::parse(text, tls).map_err(|why| format!("--peer: {why}"))?;
        return Ok(Some(Peer {
            address,
            plugin: None,
        }));
    }
    let Some(command) = args.peer_command()? else {
        return Ok(None);
    };
    let socket = work.path.join("peer.sock");
    let address = address::unix(&socket)?;
    let launch = Launch {
        command,
        socket,
        work: work.path.join("peer"),
        shared: work.path.join(SHARED),
        start_limit: args.start_timeout,
    };
    let plugin = Some(Plugin::new(launch, address.clone()));
    Ok(Some(Peer { address, plugin }))
}

/// Waits until a plugin that was just started can be found by its name.
async fn appears(plugin: &Plugin, name: &str, args: &RunArgs) -> Result<(Address, Found), String> {
    let (directories, tls) = (directories(args), args.tls());
    let deadline = tokio::time::Instant::now() + args.start_timeout;
    loop {
        let why = match address::locate(name, &directories, &tls) {
            Ok((address, found)) => match Connection::open(&address, args.start_timeout).await {
                Ok(_) => return Ok((address, found)),
                Err(error) => format!("{address} {error}"),
            },
            Err(why) => why,
        };
        if !plugin.is_running().await {
            plugin.drain().await;
            return Err(format!(
                "the plugin ended before it was found: {}",
                plugin.last_line()
            ));
        }
        if tokio::time::Instant::now() > deadline {
            return Err(why);
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

fn make(directory: &Path) -> Result<(), String> {
    std::fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))
}

fn directories(args: &RunArgs) -> Directories {
    plugin_directories(&args.sockets_dir, &args.specs_dir)
}

/// Docker's plugin directories, or those that the user gave.
pub(super) fn plugin_directories(sockets: &[PathBuf], specs: &[PathBuf]) -> Directories {
    let mut directories = Directories::default();
    if !sockets.is_empty() {
        directories.sockets = sockets.to_vec();
    }
    if !specs.is_empty() {
        directories.specs = specs.to_vec();
    }
    directories
}

fn files(args: &RunArgs, address: &Address) -> Files {
    if args.no_filesystem {
        return Files::blind("needs to look into the mountpoints, and --no-filesystem forbids it");
    }
    let local = match address {
        Address::Unix(_) => true,
        Address::Tcp(host) | Address::Tls(host, ..) => {
            host.starts_with("127.") || host.starts_with("localhost:") || host.starts_with("[::1]")
        }
    };
    if local {
        Files::visible(args.timeout)
    } else {
        Files::blind("needs to look into the mountpoints, and the plugin is on another machine")
    }
}
