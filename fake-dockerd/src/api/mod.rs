//! The Engine API: what the docker CLI and other clients ask over a socket.
//!
//! One file per area of the API: [`system`], [`volumes`], [`containers`], [`archive`], [`images`],
//! [`networks`], [`swarm`], [`events`]. [`route`] is the list of everything that
//! is served; anything else is answered with 501 and the endpoint's name, so that nobody takes an
//! empty answer for a true one.

mod answer;
mod archive;
mod ask;
mod bodies;
mod containers;
mod errors;
mod events;
mod images;
mod listen;
mod networks;
mod serve;
mod swarm;
mod system;
mod timestamps;
mod volumes;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request};

pub use listen::{Host, Listener};
pub use serve::serve;

use crate::daemon::Daemon;
use crate::trace;
use answer::Response;
use ask::Ask;
use containers::exec::{self, Execs};
use containers::{create, list, processes, show, stream};
use errors::{Answer, Failure};

/// What every request can use.
#[derive(Debug)]
struct Api {
    daemon: Daemon,
    data_root: PathBuf,
    /// The engine's own ID, new with each start.
    id: String,
    execs: Execs,
}

impl Api {
    fn new(daemon: Daemon, data_root: &Path) -> Self {
        Self {
            id: daemon.core.random.id(),
            daemon,
            data_root: data_root.to_owned(),
            execs: Execs::default(),
        }
    }

    /// Tells what happened to an image.
    fn image_event(&self, action: &str, id: &str, name: &str) {
        let events = &self.daemon.core.events;
        events.tell("image", id, action, [("name", name)]);
    }

    /// Answers a request, as the command that plugin calls are attributed to.
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response {
        let profile = self.daemon.engine().profile();
        let answer = match Ask::new(request, profile) {
            Ok(ask) => {
                let command = ask.command();
                tracing::debug!("Calling {command}");
                trace::attribute(command, route(&self, ask)).await
            }
            Err(error) => Err(error.into()),
        };
        let response = answer.unwrap_or_else(Failure::into_response);
        answer::with(response, system::headers(&self))
    }
}

/// Every endpoint.
async fn route(api: &Arc<Api>, ask: Ask) -> Answer {
    let path = ask.path.clone();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match (ask.method.as_str(), parts.as_slice()) {
        ("GET" | "HEAD", ["_ping"]) => Ok(system::ping(&ask.method)),
        ("GET", ["version"]) => Ok(system::version(api)),
        ("GET", ["info"]) => Ok(system::info(api)),
        ("GET", ["system", "df"]) => system::disk_usage(api, &ask).await,

        ("GET", ["events"]) => events::follow(api, &ask),
        // Managed plugins, of which this engine has none.
        ("GET", ["plugins"]) => Ok(answer::ok(&[(); 0])),
        ("GET", ["plugins", name @ .., "json"]) => system::no_plugin(&name.join("/")),
        (
            _,
            [
                "swarm" | "nodes" | "services" | "tasks" | "secrets" | "configs",
                ..,
            ],
        ) => swarm::refuse(),

        ("GET", ["volumes"]) => volumes::list(api, &ask).await,
        ("POST", ["volumes", "create"]) => volumes::create(api, ask).await,
        ("POST", ["volumes", "prune"]) => volumes::prune(api, &ask).await,
        // A plugin's volume may have a slash in its name.
        ("GET", ["volumes", name @ ..]) => volumes::inspect(api, &name.join("/")).await,
        ("PUT", ["volumes", ..]) => swarm::update_volume(&ask),
        ("DELETE", ["volumes", name @ ..]) => volumes::remove(api, &ask, &name.join("/")).await,

        ("GET", ["containers", "json"]) => list::list(api, &ask),
        ("POST", ["containers", "create"]) => create::create(api, ask).await,
        ("POST", ["containers", "prune"]) => containers::prune(api, &ask).await,
        ("GET", ["containers", name, "json"]) => show::inspect(api, name).await,
        ("GET", ["containers", name, "logs"]) => stream::logs(api, &ask, name).await,
        ("GET", ["containers", name, "top"]) => processes::top(api, &ask, name).await,
        ("GET", ["containers", name, "stats"]) => processes::stats(api, &ask, name).await,
        ("POST", ["containers", name, "resize"]) => processes::resize(api, &ask, name).await,
        ("POST", ["containers", name, "attach"]) => stream::attach(api, ask, name).await,
        ("POST", ["containers", name, "wait"]) => stream::wait(api, &ask, name),
        ("HEAD", ["containers", name, "archive"]) => archive::stat(api, &ask, name).await,
        ("GET", ["containers", name, "archive"]) => archive::get(api, &ask, name).await,
        ("PUT", ["containers", name, "archive"]) => archive::put(api, ask, name).await,
        ("POST", ["containers", name, "exec"]) => exec::create(api, ask, name).await,
        ("POST", ["containers", name, action]) => containers::act(api, &ask, name, action).await,
        ("DELETE", ["containers", name @ ..]) => {
            containers::remove(api, &ask, &name.join("/")).await
        }

        ("POST", ["exec", id, "start"]) => exec::start(api, ask, id).await,
        ("POST", ["exec", id, "resize"]) => exec::resize(api, &ask, id),
        ("GET", ["exec", id, "json"]) => exec::inspect(api, id),

        ("GET", ["images", "json"]) => images::list(api, &ask),
        ("POST", ["images", "create"]) => images::create(api, ask).await,
        ("POST", ["images", "prune"]) => images::prune(api, &ask),
        // Nothing is built, so that nothing is left of it.
        ("POST", ["build", "prune"]) => Ok(system::no_build_cache()),
        ("GET", ["images", name @ .., "json"]) => images::inspect(api, &name.join("/")),
        ("GET", ["images", name @ .., "history"]) => images::history(api, &name.join("/")),
        ("POST", ["images", name @ .., "tag"]) => images::tag(api, &ask, &name.join("/")),
        ("DELETE", ["images", name @ ..]) => images::remove(api, &ask, &name.join("/")),

        ("GET", ["networks"]) => networks::list(api, &ask),
        ("POST", ["networks", "create"]) => networks::create(api, ask).await,
        ("POST", ["networks", "prune"]) => networks::prune(api, &ask),
        ("POST", ["networks", name, "connect"]) => networks::connect(api, ask, name).await,
        ("POST", ["networks", name, "disconnect"]) => networks::disconnect(api, ask, name).await,
        ("GET", ["networks", name]) => networks::inspect(api, name),
        ("DELETE", ["networks", name]) => networks::remove(api, name),

        _ => Err(Failure::not_served(&ask.command())),
    }
}

/// Whether a client wants no body.
fn is_head(method: &Method) -> bool {
    method == Method::HEAD
}
