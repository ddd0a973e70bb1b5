//! What can be told from `config.json` and the root file system alone.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::suite::{CaseResult, Cx, Finding, Level, ensure};
use crate::target::Bundle;

/// What dockerd looks for in `interface.types` (`FilterByCap` of `daemon/pkg/plugin/store.go`).
const VOLUME_DRIVER: &str = "docker.volumedriver/1.0";

pub(super) async fn interface(cx: &mut Cx) -> CaseResult {
    let bundle = cx.bundle()?;
    let interface = &bundle.config().interface;
    ensure(
        interface.types.iter().any(|kind| kind == VOLUME_DRIVER),
        || {
            Finding::new(
                format!("interface.types of config.json holds {VOLUME_DRIVER:?}"),
                format!("it is {:?}", interface.types),
            )
        },
    )?;
    let socket = interface.socket.as_str();
    ensure(!socket.is_empty() && !socket.contains('/'), || {
        Finding::new(
            "interface.socket of config.json is the name of a file in /run/docker/plugins",
            format!("it is {socket:?}"),
        )
    })
}

pub(super) async fn rootfs(cx: &mut Cx) -> CaseResult {
    const SOCKETS: &str = "/run/docker/plugins";
    let bundle = cx.bundle()?;
    let sockets = bundle.inside(Path::new(SOCKETS));
    ensure(sockets.is_some_and(|path| path.is_dir()), || {
        Finding::new(
            format!("the rootfs has the directory {SOCKETS}"),
            format!("there is none in {}", bundle.rootfs().display()),
        )
    })?;
    let entrypoint = &bundle.config().entrypoint;
    let program = bundle.program();
    let runs = program.as_deref().is_some_and(is_executable);
    ensure(runs, || {
        Finding::new(
            "the first word of entrypoint is a program in the rootfs",
            match program {
                _ if entrypoint.is_empty() => "entrypoint is empty".to_owned(),
                Some(path) => format!("{} cannot be run", path.display()),
                None => format!("the rootfs has no {:?}", entrypoint.first()),
            },
        )
    })?;
    ensure(!shell_stays(bundle), || {
        Finding::new(
            "the plugin itself is the process that the engine starts, and gets its signals",
            format!("{entrypoint:?} starts a shell, which never becomes the plugin (`exec`)"),
        )
        .then(
            "the shell is process 1 of the plugin, where SIGTERM is ignored: every disable and every \
             shutdown of the host waits 10 s, and then kills the plugin in the middle of its work",
        )
    })
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Whether the entrypoint is a shell, or a script for one, that does not `exec` anything.
fn shell_stays(bundle: &Bundle) -> bool {
    const SHELLS: [&str; 5] = ["sh", "bash", "ash", "dash", "busybox"];
    let is_shell = |word: &str| {
        let name = Path::new(word).file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| SHELLS.contains(&name))
    };
    let words = &bundle.config().entrypoint;
    let Some(program) = words.first() else {
        return false;
    };
    if is_shell(program) {
        let script = words.iter().skip(1).find(|word| !word.starts_with('-'));
        return !script.is_some_and(|script| says_exec(script));
    }
    let Some(text) = bundle.program().and_then(|path| beginning(&path)) else {
        return false;
    };
    let first = text.lines().next().unwrap_or_default();
    let by_shell = first
        .strip_prefix("#!")
        .is_some_and(|line| line.split_whitespace().any(is_shell));
    by_shell && !says_exec(&text)
}

fn says_exec(script: &str) -> bool {
    let mut commands = script.split([';', '\n', '&', '|']);
    commands.any(|command| command.split_whitespace().next() == Some("exec"))
}

/// The text of a script; `None` for a binary.
fn beginning(path: &Path) -> Option<String> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(64 << 10).read_to_end(&mut bytes).ok()?;
    bytes
        .starts_with(b"#!")
        .then(|| String::from_utf8_lossy(&bytes).into_owned())
}

pub(super) async fn mount_sources(cx: &mut Cx) -> CaseResult {
    let bundle = cx.bundle()?;
    for mount in &bundle.config().mounts {
        let given = mount
            .source
            .as_deref()
            .is_some_and(|source| !source.is_empty());
        let settable = mount.settable.iter().any(|field| field == "source");
        ensure(given || settable, || {
            Finding::new(
                "every entry of mounts has a source, or lets it be set",
                format!(
                    "that of {:?} has none and is not settable",
                    mount.destination
                ),
            )
        })?;
        ensure(given || !mount.name.is_empty(), || {
            Finding::new(
                "an entry of mounts that is to be set has a name to set it by",
                format!("that of {:?} has none", mount.destination),
            )
        })?;
    }
    Ok(())
}

pub(super) async fn least_privilege(cx: &mut Cx) -> CaseResult {
    /// None of these mounts anything, and each is the whole host.
    const NEEDLESS: [&str; 8] = [
        "ALL",
        "CAP_SYS_MODULE",
        "CAP_SYS_RAWIO",
        "CAP_SYS_PTRACE",
        "CAP_SYS_BOOT",
        "CAP_SYS_TIME",
        "CAP_MAC_ADMIN",
        "CAP_BPF",
    ];
    let config = cx.bundle()?.config();
    let mut asks = Vec::new();
    let capabilities = config.linux.capabilities.iter();
    asks.extend(
        capabilities
            .filter(|name| NEEDLESS.contains(&name.to_uppercase().as_str()))
            .map(|name| format!("the capability {name}")),
    );
    if config.linux.allow_all_devices {
        asks.push("all devices (allowAllDevices)".to_owned());
    }
    if config.pid_host {
        asks.push("the host's processes (pidhost)".to_owned());
    }
    if config.ipc_host {
        asks.push("the host's shared memory (ipchost)".to_owned());
    }
    for mount in &config.mounts {
        let source = mount.source.as_deref().unwrap_or_default();
        let whole = matches!(source, "/" | "/etc" | "/root" | "/proc" | "/sys");
        if whole || source.ends_with("docker.sock") || source == "/var/lib/docker" {
            asks.push(format!("the host's {source}"));
        }
    }
    ensure(asks.is_empty(), || {
        Finding::new(
            "the plugin asks for nothing that is the whole host and that no volume needs",
            format!("it asks for {}", asks.join(", ")),
        )
    })
}

pub(super) async fn propagated(cx: &mut Cx) -> CaseResult {
    let bundle = cx.bundle()?.clone();
    let place = bundle.config().propagated_mount.clone();
    ensure(place.starts_with('/') && place.len() > 1, || {
        Finding::new(
            "propagatedMount of config.json is the directory below which volumes are mounted",
            format!("it is {place:?}"),
        )
    })?;
    let (name, id, path) = cx.held_volume().await?;
    cx.release(&name, &id).await?;
    // Docker compares the beginnings of the texts.
    ensure(path.starts_with(&place), || {
        Finding::new(
            format!("the Mountpoint lies below propagatedMount, {place}"),
            format!("it is {}", path.display()),
        )
    })?;
    let beside = neighbours(&bundle, &place);
    ensure(beside.is_empty(), || {
        Finding::new(
            format!("no other directory's name begins with that of propagatedMount, {place}"),
            format!("there is {}", beside.join(", ")),
        )
        .then("dockerd compares only the beginnings, and takes what lies there for propagated")
        .at(Level::Should)
    })
}

/// Directories of the plugin's whose paths begin as that of propagatedMount does, and that are not
/// below it (`ScopedPath` of `daemon/pkg/plugin/v2/plugin.go` does not tell them apart).
fn neighbours(bundle: &Bundle, place: &str) -> Vec<String> {
    let place = Path::new(place.trim_end_matches('/'));
    let (Some(parent), Some(name)) = (place.parent(), place.file_name()) else {
        return Vec::new();
    };
    let name = name.to_string_lossy();
    let entries = bundle
        .inside(parent)
        .and_then(|path| std::fs::read_dir(path).ok());
    let names = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name());
    let in_rootfs = names
        .map(|entry| entry.to_string_lossy().into_owned())
        .filter(|entry| entry.starts_with(&*name) && *entry != name)
        .map(|entry| parent.join(entry).display().to_string());
    let begin = place.display().to_string();
    let mounts = bundle.config().mounts.iter();
    let mounted = mounts
        .map(|mount| mount.destination.clone())
        .filter(|path| path.starts_with(&begin) && !Path::new(path).starts_with(place));
    in_rootfs.chain(mounted).collect()
}
