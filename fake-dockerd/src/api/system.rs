//! The engine itself: ping, version, info, disk usage.

use hyper::header::{CACHE_CONTROL, HeaderMap, HeaderValue, PRAGMA, SERVER};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::answer::{self, Response};
use super::ask::Ask;
use super::containers::list;
use super::errors::Answer;
use super::{Api, images, is_head};
use crate::error::Error;
use crate::volumes::Volume;

/// The storage driver: a directory per container.
pub(super) const STORAGE: &str = "vfs";
/// This machine's architecture.
const ARCHITECTURE: &str = std::env::consts::ARCH;

/// The architecture as Go names it.
pub(super) fn go_architecture() -> &'static str {
    match ARCHITECTURE {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// What is in front of every answer.
pub(super) fn headers(api: &Api) -> HeaderMap {
    let profile = api.daemon.engine().profile();
    let mut headers = HeaderMap::new();
    let api_version = HeaderValue::from_static(profile.api_version);
    headers.insert("api-version", api_version);
    headers.insert("docker-experimental", HeaderValue::from_static("false"));
    headers.insert("ostype", HeaderValue::from_static("linux"));
    let server = HeaderValue::from_str(&format!("Docker/{} (linux)", profile.version));
    if let Ok(server) = server {
        headers.insert(SERVER, server);
    }
    headers
}

/// `/_ping`, by which clients learn the API version.
pub(super) fn ping(method: &Method) -> Response {
    let mut response = if is_head(method) {
        answer::empty(StatusCode::OK)
    } else {
        answer::text("OK")
    };
    let headers = response.headers_mut();
    let cache = HeaderValue::from_static("no-cache, no-store, must-revalidate");
    headers.insert(CACHE_CONTROL, cache);
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    // The classic builder, which is not served either: BuildKit would be asked for over a session.
    headers.insert("builder-version", HeaderValue::from_static("1"));
    headers.insert("swarm", HeaderValue::from_static("inactive"));
    response
}

/// `/version`: the engine that is played, by whom.
pub(super) fn version(api: &Api) -> Response {
    let profile = api.daemon.engine().profile();
    let details = json!({
        "ApiVersion": profile.api_version,
        "MinAPIVersion": profile.min_api_version,
        "GoVersion": profile.go_version,
        "Os": "linux",
        "Arch": go_architecture(),
        "KernelVersion": kernel(),
        "Experimental": "false",
        "GitCommit": "",
        "BuildTime": "",
    });
    answer::ok(&json!({
        "Platform": { "Name": platform() },
        "Components": [{
            "Name": "Engine",
            "Version": profile.version,
            "Details": details,
        }],
        "Version": profile.version,
        "ApiVersion": profile.api_version,
        "MinAPIVersion": profile.min_api_version,
        "GitCommit": "",
        "GoVersion": profile.go_version,
        "Os": "linux",
        "Arch": go_architecture(),
        "KernelVersion": kernel(),
        "BuildTime": "",
    }))
}

/// `/info`: only what is true of this engine.
pub(super) fn info(api: &Api) -> Response {
    let all = api.daemon.container_list();
    let count = |status| {
        let those = all.iter().filter(|one| one.state.status() == status);
        those.count()
    };
    use crate::containers::Status::{Paused, Running};
    let (running, paused) = (count(Running), count(Paused));
    let runtime = api.daemon.runtime();
    let warnings: Vec<_> = runtime
        .warnings
        .iter()
        .map(|warning| format!("WARNING: {warning}"))
        .collect();
    answer::ok(&json!({
        "ID": api.id,
        "Containers": all.len(),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": all.len() - running - paused,
        "Images": images::count(api),
        "Driver": STORAGE,
        "DriverStatus": [],
        "Plugins": {
            "Volume": api.daemon.volume_drivers(),
            "Network": ["bridge", "host", "null"],
            "Authorization": null,
            "Log": ["json-file"],
        },
        "LoggingDriver": "json-file",
        "OperatingSystem": platform(),
        "OSType": "linux",
        "Architecture": ARCHITECTURE,
        "KernelVersion": kernel(),
        "NCPU": std::thread::available_parallelism().map_or(0, usize::from),
        "MemTotal": memory(),
        "IndexServerAddress": "",
        "RegistryConfig": null,
        "DockerRootDir": api.data_root.display().to_string(),
        "HttpProxy": "",
        "HttpsProxy": "",
        "NoProxy": "",
        "Name": hostname(),
        "Labels": [],
        "ExperimentalBuild": false,
        "ServerVersion": api.daemon.engine().profile().version,
        "Runtimes": { runtime.name: { "path": runtime.name } },
        "DefaultRuntime": runtime.name,
        "Swarm": { "LocalNodeState": "inactive", "ControlAvailable": false },
        "LiveRestoreEnabled": api.daemon.core.live_restore,
        "SecurityOptions": [],
        "Warnings": warnings,
    }))
}

/// `/system/df`. Plugins' volumes are not counted, by dockerd neither.
pub(super) async fn disk_usage(api: &Api, ask: &Ask) -> Answer {
    let kinds: Vec<&str> = ask.values("type").collect();
    let wants = |kind: &str| kinds.is_empty() || kinds.contains(&kind);
    let volumes = if wants("volume") {
        let usage = api.daemon.volume_usage().await?;
        usage.iter().map(used).collect()
    } else {
        Vec::new()
    };
    let containers = if wants("container") {
        let all = api.daemon.container_list();
        let sized = all.iter().map(|one| list::listed_with_size(api, one));
        sized.collect()
    } else {
        Vec::new()
    };
    let images = if wants("image") {
        images::all(api)
    } else {
        Vec::new()
    };
    let sizes = images
        .iter()
        .map(|image| image.get("Size").and_then(Value::as_u64));
    let layers: u64 = sizes.flatten().sum();
    Ok(answer::ok(&json!({
        "LayersSize": layers,
        "Images": images,
        "Containers": containers,
        "Volumes": volumes,
        "BuildCache": [],
        "BuilderSize": 0,
    })))
}

/// `GET /plugins/{name}/json`: managed plugins, of which this engine has none.
pub(super) fn no_plugin(name: &str) -> Answer {
    Err(Error::not_found(format!("plugin {name:?} not found")).into())
}

/// `POST /build/prune`.
pub(super) fn no_build_cache() -> Response {
    answer::ok(&json!({ "CachesDeleted": null, "SpaceReclaimed": 0 }))
}

fn used((volume, users): &(Volume, usize)) -> Value {
    let mut value = json!(volume);
    let size = crate::volumes::local::size(std::path::Path::new(&volume.mountpoint));
    if let Some(fields) = value.as_object_mut() {
        let usage = json!({ "Size": size, "RefCount": users });
        fields.insert("UsageData".to_owned(), usage);
    }
    value
}

fn platform() -> String {
    concat!("fake-dockerd ", env!("CARGO_PKG_VERSION")).to_owned()
}

/// The memory of this machine, in bytes.
fn memory() -> u64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let mut lines = info.lines();
    let total = lines.find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = total.and_then(|total| total.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

fn kernel() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease");
    release.unwrap_or_default().trim().to_owned()
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.unwrap_or_default().trim().to_owned()
}
