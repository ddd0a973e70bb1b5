//! The directory that Mount answers with.

use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;

use crate::catalogue::volume_steps::{CALLS, at_path, plugin_mounts, stuck, wait_until};
use crate::suite::{Case, CaseResult, Cx, Finding, Halt, Harm, Level, Mode, Need, ensure, is_root};

pub(super) const USABLE: Case = Case {
    id: "mount.usable",
    level: Level::Must,
    title: "Mount answers the absolute path of a directory",
    why: "dockerd checks nothing: with an empty path the container gets its own OCI bundle (config.json \
          and all), writable, in place of the volume; a relative one is looked up in that bundle",
    harm: Harm::NoStart,
    sources: &[
        CALLS,
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: after an empty Mountpoint the container ran \
         with the runc bundle at /data",
    ],
    docker: &["docker run --rm -v {volume}:/data --volume-driver {plugin} busybox ls -la /data"],
    needs: &[],
    mode: Mode::Shared,
    follows: &["create.works"],
    run: |cx| Box::pin(usable(cx)),
};

async fn usable(cx: &mut Cx) -> CaseResult {
    let (name, id) = (cx.volume().await?, cx.id());
    let mount = cx.mount(&name, &id).await?;
    mount.expect_ok("Mount of an existing volume succeeds")?;
    let path = Path::new(mount.mountpoint());
    ensure(path.is_absolute(), || {
        mount.finding("Mount answers an absolute path")
    })?;
    if cx.target().files.blindness().is_some() {
        return Ok(());
    }
    let there = path.to_owned();
    let found = cx
        .target()
        .files
        .look(move || std::fs::metadata(there))
        .await;
    // What is not there at all may be there for the plugin alone: mount.visible.
    ensure(!found.is_ok_and(|found| !found.is_dir()), || {
        Finding::new(
            "Mount answers the path of a directory",
            format!("{} is no directory", path.display()),
        )
    })
}

pub(super) const VISIBLE: Case = Case {
    id: "mount.visible",
    level: Level::Must,
    title: "the mountpoint is there for the daemon, and not only for the plugin",
    why: "the container does not start, or starts with an empty directory of the host's: what it \
          writes never reaches the volume",
    harm: Harm::DataLoss,
    sources: &[
        CALLS,
        "https://github.com/contiv-experimental/volplugin/issues/63",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: a Mountpoint that does not exist fails the \
         start with exit status 127",
    ],
    docker: &["docker run --rm -v {volume}:/data --volume-driver {plugin} busybox df /data"],
    needs: &[Need::Filesystem],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(visible(cx)),
};

/// How long a mount that comes after the answer to Mount is waited for.
const LATE: Duration = Duration::from_secs(1);

async fn visible(cx: &mut Cx) -> CaseResult {
    let (name, id) = (cx.volume().await?, cx.id());
    let mount = cx.mount(&name, &id).await?;
    mount.step("Mount of an existing volume succeeds")?;
    let path = PathBuf::from(mount.mountpoint());
    if !path.is_absolute() {
        return Err(stuck(
            &mount,
            "Mount answers an absolute path",
            "mount.usable",
        ));
    }
    let there = path.clone();
    let found = cx
        .target()
        .files
        .look(move || std::fs::metadata(there))
        .await;
    match found {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(Halt::skip(format!(
                "{} cannot be looked at without root",
                path.display()
            )));
        }
        Err(error) => {
            let expected = "the mountpoint exists where the daemon runs";
            return Err(at_path(expected, &path, &error).into());
        }
    }
    if cx.is_mounted(&path)? {
        return Ok(());
    }
    if let Some(took) = wait_until(LATE, || cx.is_mounted(&path)).await? {
        let late = took.as_millis();
        let expected =
            format!("the volume is mounted when Mount is answered, and not {late} ms later");
        return Err(mount.finding(&expected).into());
    }
    // Never, then: a plain directory, or a mount in a namespace of the plugin's own.
    let seen_by_plugin = plugin_mounts(cx).await.unwrap_or_default();
    ensure(!seen_by_plugin.contains(&path), || {
        Finding::new(
            "what the plugin mounts is mounted for the daemon, too",
            format!(
                "{} is a mount for the plugin's process alone, and an empty directory for others",
                path.display()
            ),
        )
    })
}

pub(super) const WRITABLE: Case = Case {
    id: "mount.writable",
    level: Level::Must,
    title: "root can create, write, chmod, chown and delete in a mounted volume",
    why: "the container cannot write; where its image has files at the mountpoint, it is not even \
          created: dockerd copies them, with their owners, into the volume first",
    harm: Harm::NoStart,
    sources: &[
        CALLS,
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: Mount and Unmount at `docker create`, to copy \
         the image's files",
        "https://github.com/cloudfoundry/docker_driver_integration_tests",
    ],
    docker: &[
        "docker run --rm -v {volume}:/data --volume-driver {plugin} busybox sh -c \
         'echo x > /data/x && chown 1:1 /data/x && rm /data/x'",
    ],
    needs: &[Need::Filesystem],
    mode: Mode::Shared,
    follows: &["mount.visible"],
    run: |cx| Box::pin(writable(cx)),
};

/// A try in a mounted volume: what it is called, and what came of it.
struct Tried {
    what: &'static str,
    error: io::Error,
}

async fn writable(cx: &mut Cx) -> CaseResult {
    let (_, _, path) = cx.held_volume().await?;
    cx.see(&path).await?;
    if cx.target().asks_read_only() {
        return Err(Halt::skip(
            "the volumes are read-only, as the options given with --opt ask",
        ));
    }
    let place = path.join(format!("volplug-{}", cx.hex(8)));
    cx.step(format!(
        "created, wrote, changed and deleted files in {}",
        path.display()
    ));
    let tried = cx
        .target()
        .files
        .look(move || Ok((contents(&place), owners(&place))))
        .await;
    let (contents, owners) =
        tried.map_err(|error| at_path("a mounted volume can be written to", &path, &error))?;
    if let Err(Tried { what, error }) = contents {
        if error.kind() == io::ErrorKind::PermissionDenied && !is_root() {
            return Err(Halt::skip(format!(
                "{} cannot be written without root",
                path.display()
            )));
        }
        return Err(at_path(format!("root can {what}"), &path, &error).into());
    }
    if let Err(Tried { what, error }) = owners {
        let expected = format!("root can {what}, as the copy of an image's files needs");
        return Err(at_path(expected, &path, &error).at(Level::Should).into());
    }
    Ok(())
}

/// Creates a directory with a file in it, writes, reads, renames and deletes.
fn contents(place: &Path) -> Result<(), Tried> {
    let tried = |what| move |error| Tried { what, error };
    let (file, other) = (place.join("one"), place.join("two"));
    std::fs::create_dir(place).map_err(tried("create a directory in a mounted volume"))?;
    std::fs::write(&file, "volplug").map_err(tried("write a file into a mounted volume"))?;
    let read = std::fs::read(&file).map_err(tried("read a file of a mounted volume"))?;
    if read != b"volplug" {
        let error = io::Error::other("it reads other than what was just written");
        return Err(tried("read back what it wrote into a mounted volume")(
            error,
        ));
    }
    std::fs::rename(&file, &other).map_err(tried("rename a file in a mounted volume"))?;
    std::fs::remove_file(&other).map_err(tried("delete a file in a mounted volume"))?;
    std::fs::remove_dir(place).map_err(tried("delete a directory in a mounted volume"))
}

/// Changes the mode and the owner of a file. Whether that has an effect is the storage's business,
/// but as an error it ends the copy of an image's files.
fn owners(place: &Path) -> Result<(), Tried> {
    let tried = |what| move |error| Tried { what, error };
    std::fs::write(place, "").map_err(tried("write a file into a mounted volume"))?;
    let mode = std::fs::Permissions::from_mode(0o640);
    let chmod = std::fs::set_permissions(place, mode);
    // Without all user IDs (not root, or in a user namespace) it is the kernel that refuses.
    let chown = if has_all_users() {
        chown(place, Some(1), Some(1))
    } else {
        Ok(())
    };
    let removed = std::fs::remove_file(place);
    chmod.map_err(tried("chmod in a mounted volume"))?;
    match chown {
        Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => {}
        other => other.map_err(tried("chown in a mounted volume"))?,
    }
    removed.map_err(tried("delete a file in a mounted volume"))
}

/// Whether this process is root over all users, and not just in a user namespace with some.
fn has_all_users() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    is_root() && map.split_whitespace().eq(["0", "0", "4294967295"])
}

pub(super) const OUTSIDE_DOCKER_ROOT: Case = Case {
    id: "mount.outside-docker-root",
    level: Level::Must,
    title: "volumes are not mounted below /var/lib/docker",
    why: "that directory is dockerd's own: it unmounts, moves and deletes in it as it sees fit, with \
          what is mounted there",
    harm: Harm::DataLoss,
    sources: &[CALLS],
    docker: &["docker volume inspect {volume}"],
    needs: &[],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(outside_docker_root(cx)),
};

async fn outside_docker_root(cx: &mut Cx) -> CaseResult {
    let (_, _, path) = cx.held_volume().await?;
    ensure(!path.starts_with("/var/lib/docker"), || {
        Finding::new(
            "the mountpoint lies outside /var/lib/docker",
            format!("it is {}", path.display()),
        )
    })
}

pub(super) const OWN_PATH: Case = Case {
    id: "mount.own-path",
    level: Level::Must,
    title: "each volume has a mountpoint and data of its own",
    why: "containers with different volumes overwrite each other's files",
    harm: Harm::DataLoss,
    sources: &[
        CALLS,
        "https://github.com/vieux/docker-volume-sshfs/blob/master/main.go (the mountpoint is a hash of \
         the ssh command: volumes of one server collide)",
    ],
    docker: &[
        "docker run --rm -v {volume}:/a --volume-driver {plugin} busybox touch /a/file",
        "docker run --rm -v {volume}-2:/b --volume-driver {plugin} busybox ls /b",
    ],
    needs: &[],
    mode: Mode::Shared,
    follows: &["mount.usable", "mount.visible"],
    run: |cx| Box::pin(own_path(cx)),
};

async fn own_path(cx: &mut Cx) -> CaseResult {
    let (one, _, first) = cx.held_volume().await?;
    let (other, _, second) = cx.held_volume().await?;
    // One storage for all may be what the user's own options ask for.
    let opts = &cx.target().opts;
    let fixed = !opts.is_empty() && cx.opts_for(&one) == cx.opts_for(&other);
    ensure(first != second, || {
        Finding::new(
            format!("the volumes `{one}` and `{other}` have mountpoints of their own"),
            format!("both are mounted at {}", first.display()),
        )
    })?;
    let token = match cx.write_token(&first).await {
        Err(Halt::Skip(reason)) => {
            cx.note(format!("only the paths were compared: {reason}"));
            return Ok(());
        }
        token => token?,
    };
    cx.see(&second).await?;
    if cx.check_token(&second, &token).await.is_err() {
        return Ok(());
    }
    if fixed {
        return Err(Halt::skip(
            "all volumes share their data, which the options given with --opt may ask for: put \
             {volume} into the one that names the storage",
        ));
    }
    Err(Finding::new(
        format!("what is written into `{one}` is not seen in `{other}`"),
        format!(
            "{} also appeared in {}",
            token.file.display(),
            second.display()
        ),
    )
    .into())
}
