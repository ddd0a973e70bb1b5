//! The socket, `.spec` or `.json` file under which dockerd finds the plugin.
//!
//! Nothing here calls the plugin but `disc.reachable`: all is read from the directories, as
//! dockerd reads them.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use fake_dockerd::discovery::PluginAddress;

use crate::suite::{Case, CaseResult, Cx, Finding, Halt, Harm, Level, Mode, Need, ensure};
use crate::target::address::Found;

/// How many bytes of a path fit into the kernel's socket address, with a NUL at the end.
const LONGEST_SOCKET_PATH: usize = 107;

pub(super) const REACHABLE: Case = Case {
    id: "disc.reachable",
    level: Level::Must,
    title: "the plugin is reached through one of the places that dockerd looks in",
    why: "dockerd looks nowhere else: it tries for 15 s and then says that there is no such plugin",
    harm: Harm::NoStart,
    sources: &[
        "https://docs.docker.com/engine/extend/plugin_api/#plugin-discovery",
        "moby: pkg/plugins/discovery.go",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: NAME.sock and NAME/NAME.sock are found, \
         OTHER/NAME.sock is not",
    ],
    docker: &["docker volume create -d {plugin} {volume}"],
    needs: &[Need::Named],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(reachable(cx)),
};

pub(super) const ONE_DEFINITION: Case = Case {
    id: "disc.one-definition",
    level: Level::Should,
    title: "there is only one definition of the plugin's name",
    why: "dockerd takes the first that it finds, a socket before a .spec before a .json, and says \
          nothing of the others: whoever edits a hidden one waits for an effect in vain",
    harm: Harm::Misled,
    sources: &[
        "https://docs.docker.com/engine/extend/plugin_api/#plugin-discovery",
        "moby: pkg/plugins/discovery.go",
    ],
    docker: &[],
    needs: &[Need::Named],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(one_definition(cx)),
};

pub(super) const REAL_SOCKET: Case = Case {
    id: "disc.real-socket",
    level: Level::Should,
    title: "the .sock entry is a socket and no symbolic link to one",
    why: "dockerd follows the link when the driver is named, and passes it over when it scans the \
          directory: `docker volume create` works and `docker volume ls` shows nothing",
    harm: Harm::Misled,
    sources: &[
        "moby: pkg/plugins/discovery.go",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: `volume ls` of a cold daemon leaves a \
         linked socket out",
    ],
    docker: &[
        "docker volume create -d {plugin} {volume}",
        "# restart dockerd, then:",
        "docker volume ls",
    ],
    needs: &[Need::UnixSocket, Need::Filesystem],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(real_socket(cx)),
};

pub(super) const PATH_LENGTH: Case = Case {
    id: "disc.path-length",
    level: Level::Must,
    title: "the socket's path fits into the kernel's socket address",
    why: "dockerd refuses a path of more than 108 bytes before it even tries to connect",
    harm: Harm::NoStart,
    sources: &["moby: vendor/github.com/docker/go-connections/sockets/sockets_unix.go"],
    docker: &["docker volume create -d {plugin} {volume}"],
    needs: &[Need::UnixSocket],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(path_length(cx)),
};

pub(super) const NAME: Case = Case {
    id: "disc.name",
    level: Level::Should,
    title: "the plugin's name is a short lower-case word, and not `local`",
    why: "names are compared letter by letter and typed by people; `local` is the built-in driver \
          and never reaches a plugin, and a name with a slash or a colon looks like an image's",
    harm: Harm::Misled,
    sources: &[
        "https://docs.docker.com/engine/extend/plugin_api/#plugin-discovery",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: `Recvol` and `recvol:latest` are other \
         plugins than `recvol`",
    ],
    docker: &[],
    needs: &[Need::Named],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(name(cx)),
};

pub(super) const SPEC_FILE: Case = Case {
    id: "disc.spec-file",
    level: Level::Must,
    title: "a .spec file holds one URL with a scheme, a .json file an address and its own name",
    why: "dockerd takes the whole .spec file for the URL, and refuses one without a scheme after \
          15 s of trying; the Name in a .json file is ignored, the file's name counts",
    harm: Harm::NoStart,
    sources: &[
        "https://docs.docker.com/engine/extend/plugin_api/#json-specification",
        "moby: pkg/plugins/discovery.go",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: `legacy plugin: Unknown protocol`",
    ],
    docker: &["docker volume create -d {plugin} {volume}"],
    needs: &[Need::Named],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(spec_file(cx)),
};

pub(super) const TLS: Case = Case {
    id: "disc.tls",
    level: Level::Should,
    title: "a plugin behind TCP comes with a .json file that names a CAFile",
    why: "dockerd checks the plugin's certificate only when a CAFile is named; otherwise whoever \
          answers on that port decides what is mounted into containers",
    harm: Harm::HostAtRisk,
    sources: &[
        "https://docs.docker.com/engine/extend/plugin_api/#json-specification",
        "moby: pkg/plugins/discovery.go, pkg/plugins/plugins.go (NewLocalPlugin)",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: a TLSConfig without CAFile is used without \
         verification",
    ],
    docker: &[],
    needs: &[Need::Named],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(tls(cx)),
};

pub(super) const SOCKET_MODE: Case = Case {
    id: "disc.socket-mode",
    level: Level::Should,
    title: "not everybody may connect to the socket",
    why: "whoever can connect can mount and delete every volume: the socket is root's own, 0660 or \
          stricter, as go-plugins-helpers makes it",
    harm: Harm::HostAtRisk,
    sources: &["https://github.com/docker/go-plugins-helpers/blob/main/sdk/unix_listener.go"],
    docker: &[],
    needs: &[Need::UnixSocket, Need::Filesystem],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(socket_mode(cx)),
};

async fn reachable(cx: &mut Cx) -> CaseResult {
    let found = found(cx)?;
    cx.note(format!("found through {}", found.path.display()));
    cx.connect().await?;
    Ok(())
}

async fn one_definition(cx: &mut Cx) -> CaseResult {
    let found = found(cx)?;
    let hidden: Vec<_> = found
        .shadowed
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    ensure(hidden.is_empty(), || {
        Finding::new(
            format!("only one file defines the plugin `{}`", found.name),
            format!("{} hides {}", found.path.display(), hidden.join(", ")),
        )
    })
}

async fn real_socket(cx: &mut Cx) -> CaseResult {
    if let Some(found) = &cx.target().found
        && found.path.extension().is_none_or(|ext| ext != "sock")
    {
        return Err(Halt::skip(format!(
            "the plugin is found through {}, where the socket's own kind does not matter",
            found.path.display()
        )));
    }
    let path = socket(cx)?;
    let meta = look(cx, &path, |path| std::fs::symlink_metadata(path)).await?;
    if meta.file_type().is_socket() {
        return Ok(());
    }
    let target = std::fs::read_link(&path)
        .map(|target| format!("a symbolic link to {}", target.display()))
        .unwrap_or_else(|_| "no socket".to_owned());
    Err(Finding::new(
        format!("{} is a socket", path.display()),
        format!("it is {target}"),
    )
    .into())
}

async fn path_length(cx: &mut Cx) -> CaseResult {
    let path = socket(cx)?;
    let length = path.as_os_str().len();
    ensure(length <= LONGEST_SOCKET_PATH, || {
        Finding::new(
            format!("the socket's path has at most {LONGEST_SOCKET_PATH} bytes"),
            format!("{} has {length}", path.display()),
        )
    })
}

async fn name(cx: &mut Cx) -> CaseResult {
    let name = found(cx)?.name.clone();
    let expected = "the plugin's name is a short word of a-z, 0-9, `-` and `_`, and not `local`";
    ensure(name != "local", || {
        Finding::new(expected, "it is `local`, which is the built-in driver")
    })?;
    let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_' | '.');
    ensure(name.chars().all(plain), || {
        Finding::new(expected, format!("it is `{name}`"))
    })?;
    ensure(name.len() <= 64, || {
        Finding::new(expected, format!("it has {} characters", name.len()))
    })
}

async fn spec_file(cx: &mut Cx) -> CaseResult {
    let found = found(cx)?.clone();
    let shown = found.path.display();
    match found.path.extension().and_then(|ext| ext.to_str()) {
        Some("spec") => {
            let text = look(cx, &found.path, |path| std::fs::read_to_string(path)).await?;
            ensure(!text.trim().contains(char::is_whitespace), || {
                Finding::new(
                    format!("{shown} holds one URL and nothing else"),
                    format!("it holds {:?}", text.trim()),
                )
            })
        }
        Some("json") => {
            let given = found.manifest.map(|manifest| manifest.name);
            let given = given.filter(|given| !given.is_empty() && *given != found.name);
            ensure(given.is_none(), || {
                Finding::new(
                    format!("the Name in {shown} is that of the file, `{}`", found.name),
                    format!("it is `{}`", given.unwrap_or_default()),
                )
                .then(
                    "dockerd ignores the Name and goes by the file's name, so the name that the \
                     file promises is not found",
                )
                .harming(Harm::Misled)
                .at(Level::Should)
            })
        }
        _ => Err(Halt::skip(
            "the plugin is found through its socket, and no file is read",
        )),
    }
}

async fn tls(cx: &mut Cx) -> CaseResult {
    let found = found(cx)?;
    let shown = found.path.display();
    let expected = format!("{shown} names an https address and a CAFile");
    match &found.address {
        PluginAddress::Unix(_) => Err(Halt::skip("the plugin listens on a unix socket")),
        PluginAddress::Tcp(host) if is_loopback(host) => Err(Halt::skip(format!(
            "{host} is this machine, whose network nobody else reads"
        ))),
        PluginAddress::Tcp(host) => {
            Err(Finding::new(expected, format!("it names {host}, without TLS")).into())
        }
        PluginAddress::Https { host, tls } => {
            ensure(tls.ca.is_some(), || {
                Finding::new(
                    expected.clone(),
                    format!("it names https://{host} and no CAFile"),
                )
            })?;
            ensure(!tls.insecure, || {
                Finding::new(
                    expected.clone(),
                    format!("it sets InsecureSkipVerify for https://{host}"),
                )
            })
        }
    }
}

async fn socket_mode(cx: &mut Cx) -> CaseResult {
    let path = socket(cx)?;
    let mode = look(cx, &path, |path| std::fs::metadata(path))
        .await?
        .permissions()
        .mode()
        & 0o777;
    // Connecting takes the right to write; the right to read gives nothing.
    ensure(mode & 0o002 == 0, || {
        Finding::new(
            format!("{} is closed to others, 0660 or stricter", path.display()),
            format!("its mode is {mode:04o}"),
        )
    })
}

/// Where the plugin was found by name.
fn found(cx: &Cx) -> CaseResult<&Found> {
    let found = cx.target().found.as_ref();
    found.ok_or_else(|| Halt::skip(Need::Named.lacking()))
}

/// The path of the plugin's socket.
pub(super) fn socket(cx: &Cx) -> CaseResult<PathBuf> {
    let path = cx.target().address.socket().map(Path::to_owned);
    path.ok_or_else(|| Halt::skip(Need::UnixSocket.lacking()))
}

/// Looks at a path of the plugin's.
async fn look<T: Send + 'static>(
    cx: &Cx,
    path: &Path,
    how: impl FnOnce(&Path) -> std::io::Result<T> + Send + 'static,
) -> CaseResult<T> {
    let owned = path.to_owned();
    let seen = cx.target().files.look(move || how(&owned)).await;
    seen.map_err(|error| Halt::skip(format!("{} cannot be looked at: {error}", path.display())))
}

fn is_loopback(host: &str) -> bool {
    host.starts_with("127.") || host.starts_with("localhost:") || host.starts_with("[::1]:")
}
