//! The Engine API: what the docker CLI and other clients ask over a socket.
//!
//! One file per area of the API: [`system`], [`volumes`], [`containers`], [`archive`], [`images`],
//! [`networks`], [`events`]. [`route`] is the list of everything that
//! is served; anything else is answered with 501 and the endpoint's name, so that nobody takes an
//! empty answer for a true one.

mod answer;
mod archive;
mod ask;
mod containers;
mod errors;
mod events;
mod images;
mod listen;
mod networks;
mod serve;
mod system;
mod volumes;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use hyper::body::Incoming;
use hyper::{Method, Request};

pub use listen::{Host, Listener};
pub use serve::serve;

use crate::daemon::Daemon;
use crate::error::Error;
use crate::trace;
use answer::Response;
use ask::Ask;
use containers::exec::{self, Execs};
use containers::{create, processes, show, stream};
use errors::{Answer, Failure};

/// What every request can use.
#[derive(Debug)]
struct Api {
    daemon: Daemon,
    data_root: PathBuf,
    /// Images that were "pulled".
    pulled: Mutex<BTreeSet<String>>,
    execs: Execs,
}

impl Api {
    fn new(daemon: Daemon, data_root: &Path) -> Self {
        Self {
            daemon,
            data_root: data_root.to_owned(),
            pulled: Mutex::default(),
            execs: Execs::default(),
        }
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
        ("GET", ["plugins", name @ .., "json"]) => {
            let name = name.join("/");
            Err(Error::not_found(format!("plugin {name:?} not found")).into())
        }

        ("GET", ["volumes"]) => volumes::list(api, &ask).await,
        ("POST", ["volumes", "create"]) => volumes::create(api, ask).await,
        ("POST", ["volumes", "prune"]) => volumes::prune(api, &ask).await,
        // A plugin's volume may have a slash in its name.
        ("GET", ["volumes", name @ ..]) => volumes::inspect(api, &name.join("/")).await,
        ("DELETE", ["volumes", name @ ..]) => volumes::remove(api, &ask, &name.join("/")).await,

        ("GET", ["containers", "json"]) => show::list(api, &ask),
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
        ("DELETE", ["containers", name]) => containers::remove(api, &ask, name).await,

        ("POST", ["exec", id, "start"]) => exec::start(api, ask, id).await,
        ("POST", ["exec", id, "resize"]) => exec::resize(api, &ask, id),
        ("GET", ["exec", id, "json"]) => exec::inspect(api, id),

        ("GET", ["images", "json"]) => images::list(api),
        ("POST", ["images", "create"]) => images::pull(api, &ask),
        ("GET", ["images", name @ .., "json"]) => images::inspect(api, &name.join("/")),
        ("DELETE", ["images", name @ ..]) => images::remove(api, &name.join("/")),

        ("GET", ["networks"]) => networks::list(&ask),
        ("GET", ["networks", name]) => networks::inspect(name),

        _ => Err(Failure::not_served(&ask.command())),
    }
}

/// Whether a client wants no body.
fn is_head(method: &Method) -> bool {
    method == Method::HEAD
}
