//! The plugins of a scenario, each behind a recorder of its own.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use volplug_conformance::recording::{Mask, Proxy, Recording, Seen, Step, bind};
use volplug_conformance::wire::Address;

use super::engine::Engine;
use super::files::Files;
use super::place::{At, Place, forward, places};
use super::plugin::Plugin;
use super::server::serve;

/// Scenarios in which a plugin that is started again knows nothing of its volumes.
const FORGETTING: [&str; 2] = ["plugin-restart-lost-state", "plugin-restart-while-mounted"];

/// A plugin that is asked later than this in the course of a step was looked for in vain before.
const LATE: f64 = 1.0;

/// The plugins of a scenario.
pub(crate) struct Plugins {
    runtime: Runtime,
    begun: Instant,
    all: Vec<Member>,
    forget: bool,
    /// What each recorder sees, and when it began.
    seen: Vec<(Duration, Receiver<Seen>)>,
}

struct Member {
    name: String,
    plugin: Plugin,
    /// Where the plugin itself listens.
    upstream: PathBuf,
    /// Where its recorder does.
    place: PathBuf,
    running: Option<Running>,
}

struct Running {
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), String>>,
}

impl Plugins {
    /// Starts those that a scenario begins with.
    pub(crate) fn start(
        recorded: &Recording,
        engine: &Engine,
        files: &mut Files,
        tls: &TlsAcceptor,
    ) -> Result<Self, String> {
        let runtime = Runtime::new().map_err(|error| error.to_string())?;
        let mut plugins = Self {
            runtime,
            begun: Instant::now(),
            all: Vec::new(),
            forget: FORGETTING.contains(&recorded.scenario.as_str()),
            seen: Vec::new(),
        };
        for place in places(recorded) {
            plugins.add(place, engine, files, tls)?;
        }
        Ok(plugins)
    }

    fn add(
        &mut self,
        place: Place,
        engine: &Engine,
        files: &mut Files,
        tls: &TlsAcceptor,
    ) -> Result<(), String> {
        let Place { name, at, present } = place;
        let told = |error: std::io::Error| format!("{name} at {at:?}: {error}");
        let entered = self.runtime.enter();
        let plugin = Plugin::new(engine.path("volumes").join(&name));
        let upstream = engine.path(&format!("{name}.sock"));
        let listener = UnixListener::bind(&upstream).map_err(told)?;
        self.runtime.spawn(serve(plugin.clone(), listener));
        let (place, port) = match &at {
            At::Socket(path) => (files.room(path)?, None),
            At::Tcp(port) => (engine.path(&format!("{name}.tcp")), Some((*port, None))),
            At::Tls(port) => (
                engine.path(&format!("{name}.tls")),
                Some((*port, Some(tls.clone()))),
            ),
        };
        if let Some((port, tls)) = port {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
            let listener = self.runtime.block_on(listener).map_err(told)?;
            self.runtime.spawn(forward(listener, tls, place.clone()));
        }
        drop(entered);
        self.all.push(Member {
            name: name.clone(),
            plugin,
            upstream,
            place,
            running: None,
        });
        if present {
            self.appear_after(&name, Duration::ZERO)?;
        }
        Ok(())
    }

    pub(crate) fn begun(&self) -> Instant {
        self.begun
    }

    /// The plugin of a name.
    pub(crate) fn get(&self, name: &str) -> Result<&Plugin, String> {
        let found = self.all.iter().find(|member| member.name == name);
        found
            .map(|member| &member.plugin)
            .ok_or_else(|| unknown(name))
    }

    /// When one of them was called last.
    pub(crate) fn called(&self) -> Option<Instant> {
        let each = self.all.iter();
        each.filter_map(|member| member.plugin.called()).max()
    }

    /// What each of them knows, without secrets.
    pub(crate) fn known(&self) -> Value {
        let each = self.all.iter();
        let known: Value = each
            .map(|member| (member.name.clone(), member.plugin.known()))
            .collect();
        serde_json::from_str(&Mask::default().body(known.to_string())).unwrap_or_default()
    }

    /// A plugin that is not there, and is asked late in the course of a step, appears meanwhile:
    /// between the attempt that still failed and the one that did not, each of which waits twice as
    /// long as the one before.
    pub(crate) fn appear(&mut self, during: &Step) -> Result<(), String> {
        match during.calls.first() {
            Some(call) if call.t > LATE => {
                self.appear_after(&call.plugin, Duration::from_secs_f64(call.t * 0.75))
            }
            _ => Ok(()),
        }
    }

    /// Lets a plugin that is not there listen, after a while.
    pub(crate) fn appear_after(&mut self, name: &str, after: Duration) -> Result<(), String> {
        let member = member(&mut self.all, name)?;
        if member.running.is_some() {
            return Ok(());
        }
        let (seen, all) = channel();
        self.seen.push((self.begun.elapsed(), all));
        let upstream = Address::Unix(member.upstream.clone());
        let proxy = Proxy::new(name, upstream, Mask::default(), seen);
        let (stop, mut stopped) = oneshot::channel::<()>();
        let place = member.place.clone();
        let _entered = self.runtime.enter();
        // Who comes next finds it.
        let bound = after.is_zero().then(|| bind(&place, None)).transpose()?;
        let serving = self.runtime.spawn(async move {
            let listener = match bound {
                Some(listener) => listener,
                None => tokio::select! {
                    () = tokio::time::sleep(after) => bind(&place, None)?,
                    _ = &mut stopped => return Ok(()),
                },
            };
            let end = async {
                let _ = stopped.await;
            };
            let served = proxy.serve(&listener, end).await;
            served.map_err(|error| error.to_string())
        });
        member.running = Some(Running { stop, serving });
        Ok(())
    }

    /// Ends a plugin with its connections; its socket stays unless it is `unlinked`.
    pub(crate) fn kill(&mut self, name: &str, unlinked: bool) -> Result<(), String> {
        let member = member(&mut self.all, name)?;
        if let Some(running) = member.running.take() {
            let _ = running.stop.send(());
            let ended = self.runtime.block_on(running.serving);
            ended.map_err(|error| error.to_string())??;
        }
        if unlinked {
            let _ = std::fs::remove_file(&member.place);
        }
        if self.forget {
            member.plugin.forget();
        }
        Ok(())
    }

    /// Ends them all, and tells what they were asked, in seconds since they began.
    pub(crate) fn end(mut self) -> Result<Vec<Seen>, String> {
        let names: Vec<String> = self.all.iter().map(|member| member.name.clone()).collect();
        for name in names {
            self.kill(&name, true)?;
        }
        let mut seen = Vec::new();
        for (since, all) in self.seen {
            seen.extend(
                all.into_iter()
                    .map(|seen| shifted(seen, since.as_secs_f64())),
            );
        }
        self.runtime.shutdown_background();
        Ok(seen)
    }
}

/// The plugin of a name, to be started or ended.
fn member<'a>(all: &'a mut [Member], name: &str) -> Result<&'a mut Member, String> {
    let found = all.iter_mut().find(|member| member.name == name);
    found.ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> String {
    format!("there is no plugin {name}")
}

/// What a recorder saw that began so many seconds later.
fn shifted(seen: Seen, by: f64) -> Seen {
    match seen {
        Seen::Call(mut call) => {
            call.t += by;
            Seen::Call(call)
        }
        Seen::Event(mut event) => {
            event["t"] = (event["t"].as_f64().unwrap_or_default() + by).into();
            Seen::Event(event)
        }
    }
}
