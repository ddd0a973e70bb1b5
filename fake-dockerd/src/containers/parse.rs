//! Mounts as users write them.
//!
//! Follows moby's `volume/mounts/linux_parser.go`, with its texts.

use std::path::Path;

use super::config::{BindOptions, DriverConfig, MountKind, MountSpec, VolumeOptions};
use super::mountpoint::MountPoint;
use crate::error::{Error, Result};
use crate::profile::Profile;
use crate::runtime::HostPaths;

const PROPAGATIONS: [&str; 6] = [
    "private", "rprivate", "slave", "rslave", "shared", "rshared",
];
const DEFAULT_PROPAGATION: &str = "rprivate";

/// What one word of a mode is about; only one of each kind may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ModeKind {
    Access,
    Label,
    Propagation,
    Copy,
    Consistency,
}

fn mode_kind(word: &str) -> Option<ModeKind> {
    Some(match word {
        "rw" | "ro" => ModeKind::Access,
        "z" | "Z" => ModeKind::Label,
        "nocopy" => ModeKind::Copy,
        "consistent" | "cached" | "delegated" => ModeKind::Consistency,
        word if PROPAGATIONS.contains(&word) => ModeKind::Propagation,
        _ => return None,
    })
}

fn is_mode(mode: &str) -> bool {
    let mut seen = Vec::new();
    mode.is_empty()
        || mode.split(',').all(|word| match mode_kind(word) {
            Some(kind) if !seen.contains(&kind) => {
                seen.push(kind);
                true
            }
            _ => false,
        })
}

fn has(mode: &str, kind: ModeKind) -> bool {
    mode.split(',').any(|word| mode_kind(word) == Some(kind))
}

/// Whether a mode lets write.
pub(super) fn is_writable(mode: &str) -> bool {
    is_mode(mode) && !mode.split(',').any(|word| word == "ro")
}

/// `SOURCE:DESTINATION[:MODE]`, a value of `-v`.
pub(super) fn bind(raw: &str, driver: &str, profile: &Profile) -> Result<MountPoint> {
    let wrong = || Error::invalid(format!("invalid volume specification: '{raw}'"));
    let parts: Vec<&str> = raw.splitn(4, ':').collect();
    let (source, target, mode) = match parts.as_slice() {
        [""] | ["", ..] => return Err(wrong()),
        [target] => ("", *target, ""),
        [_, mode] if is_mode(mode) => return Err(wrong()),
        [source, target] => (*source, *target, ""),
        [source, target, mode] => (*source, *target, *mode),
        _ => return Err(wrong()),
    };
    if !is_mode(mode) {
        return Err(Error::invalid(format!("invalid mode: {mode}")));
    }
    let mut spec = MountSpec {
        kind: if source.starts_with('/') {
            MountKind::Bind
        } else {
            MountKind::Volume
        },
        source: source.to_owned(),
        target: target.to_owned(),
        read_only: !is_writable(mode),
        ..MountSpec::default()
    };
    if !driver.is_empty() && spec.kind == MountKind::Volume {
        spec.volume_options = Some(VolumeOptions {
            driver_config: Some(DriverConfig {
                name: driver.to_owned(),
                options: None,
            }),
            ..VolumeOptions::default()
        });
    }
    if has(mode, ModeKind::Copy) {
        spec.volume_options.get_or_insert_default().no_copy = true;
    }
    if has(mode, ModeKind::Propagation) {
        let word = mode.split(',').find(|word| PROPAGATIONS.contains(word));
        spec.bind_options = Some(BindOptions {
            propagation: word.unwrap_or_default().to_owned(),
            create_mountpoint: false,
        });
    }
    // A missing source of `-v` is made, so that it need not exist here.
    let mut point = mount_point(spec, profile, None)
        .map_err(|error| error.context(format_args!("invalid volume specification: '{raw}'")))?;
    mode.clone_into(&mut point.mode);
    Ok(point)
}

/// One `--mount`.
pub(super) fn mount(
    spec: MountSpec,
    profile: &Profile,
    host: &dyn HostPaths,
) -> Result<MountPoint> {
    mount_point(spec, profile, Some(host))
}

/// A value of `--volumes-from`: the container and the mode.
pub(super) fn volumes_from(spec: &str) -> Result<(&str, &str)> {
    if spec.is_empty() {
        return Err(Error::invalid(
            "volumes-from specification cannot be an empty string",
        ));
    }
    let (container, mode) = spec.split_once(':').unwrap_or((spec, ""));
    if !is_mode(mode) || has(mode, ModeKind::Propagation) || has(mode, ModeKind::Copy) {
        return Err(Error::invalid(format!("invalid mode: {mode}")));
    }
    Ok((container, mode))
}

fn mount_point(
    spec: MountSpec,
    profile: &Profile,
    host: Option<&dyn HostPaths>,
) -> Result<MountPoint> {
    validate(&spec, profile, host).map_err(|why| {
        let kind = spec.kind.name();
        Error::invalid(format!("invalid mount config for type \"{kind}\": {why}"))
    })?;
    let mut point = MountPoint {
        kind: spec.kind,
        destination: clean(&spec.target),
        rw: !spec.read_only,
        ..MountPoint::default()
    };
    match spec.kind {
        MountKind::Volume => {
            point.name.clone_from(&spec.source);
            let options = spec.volume_options.as_ref();
            point.copy_data = !options.is_some_and(|options| options.no_copy);
            if let Some(driver) = options.and_then(|options| options.driver_config.as_ref()) {
                point.driver.clone_from(&driver.name);
            }
        }
        MountKind::Bind => {
            point.source = clean(&spec.source);
            let options = spec.bind_options.as_ref();
            point.propagation = options
                .map(|options| options.propagation.clone())
                .filter(|propagation| !propagation.is_empty())
                .unwrap_or_else(|| DEFAULT_PROPAGATION.to_owned());
        }
        MountKind::Tmpfs | MountKind::Unknown => {}
    }
    point.spec = spec;
    Ok(point)
}

fn validate(
    spec: &MountSpec,
    profile: &Profile,
    host: Option<&dyn HostPaths>,
) -> Result<(), String> {
    let extra = |field: &str| Err(format!("field {field} must not be specified"));
    let missing = |field: &str| Err(format!("field {field} must not be empty"));
    let absolute = |path: &str| {
        if path.starts_with('/') {
            Ok(())
        } else {
            Err(format!(
                "invalid mount path: '{path}' mount path must be absolute"
            ))
        }
    };
    if spec.target.is_empty() {
        return missing("Target");
    }
    if clean(&spec.target) == "/" {
        return Err("invalid specification: destination can't be '/'".to_owned());
    }
    absolute(&spec.target)?;
    match spec.kind {
        MountKind::Bind => {
            if spec.source.is_empty() {
                return missing("Source");
            }
            let propagation = spec
                .bind_options
                .as_ref()
                .map(|options| &*options.propagation);
            match propagation {
                Some(mode) if !mode.is_empty() && !PROPAGATIONS.contains(&mode) => {
                    return Err(format!("invalid propagation mode: {mode}"));
                }
                _ => {}
            }
            if spec.volume_options.is_some() {
                return extra("VolumeOptions");
            }
            absolute(&spec.source)?;
            let made = spec
                .bind_options
                .as_ref()
                .is_some_and(|options| options.create_mountpoint);
            if host.is_some_and(|host| !host.exists(Path::new(&spec.source))) && !made {
                return Err(format!("bind source path does not exist: {}", spec.source));
            }
        }
        MountKind::Volume => {
            if spec.bind_options.is_some() {
                return extra("BindOptions");
            }
            let anonymous = spec.source.is_empty();
            let subpath = spec
                .volume_options
                .as_ref()
                .map(|options| &*options.subpath);
            if let Some(subpath) =
                subpath.filter(|path| profile.honours_subpath && !path.is_empty())
            {
                if anonymous {
                    return Err("must not set Subpath when using anonymous volumes".to_owned());
                }
                if !is_local(subpath) {
                    return Err("subpath must be a relative path within the volume".to_owned());
                }
            }
            if spec.read_only && anonymous {
                return Err("must not set ReadOnly mode when using anonymous volumes".to_owned());
            }
        }
        MountKind::Tmpfs => {
            if spec.bind_options.is_some() {
                return extra("BindOptions");
            }
            if !spec.source.is_empty() {
                return extra("Source");
            }
        }
        MountKind::Unknown => return Err("mount type unknown".to_owned()),
    }
    Ok(())
}

/// Go's `path.Clean`.
pub(crate) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    match (rooted, path.is_empty()) {
        (true, _) => format!("/{path}"),
        (false, true) => ".".to_owned(),
        (false, false) => path,
    }
}

/// Go's `filepath.IsLocal`: a path that does not lead out of where it starts.
fn is_local(path: &str) -> bool {
    !path.is_empty() && !path.starts_with('/') && !clean(path).starts_with("..")
}

#[cfg(test)]
mod tests {
    use super::{bind, clean, volumes_from};
    use crate::containers::config::MountKind;
    use crate::profile::Engine;

    #[test]
    fn binds_are_read_as_docker_reads_them() {
        let profile = Engine::V28_5.profile();
        let point = bind("v1:/data/:ro,nocopy", "mine", profile).unwrap();
        assert_eq!(
            (point.kind, &*point.destination),
            (MountKind::Volume, "/data")
        );
        assert!(!point.rw && !point.copy_data);
        assert_eq!(point.driver, "mine");
        let point = bind("/etc:/x", "mine", profile).unwrap();
        assert_eq!((point.kind, &*point.driver), (MountKind::Bind, ""));
        let error = |raw: &str| bind(raw, "", profile).unwrap_err().to_string();
        assert_eq!(error("v:/d:rx"), "invalid mode: rx");
        assert_eq!(error("v:/d:ro,rw"), "invalid mode: ro,rw");
        assert_eq!(error("/d:rw"), "invalid volume specification: '/d:rw'");
        assert_eq!(
            error("v:d"),
            "invalid volume specification: 'v:d': invalid mount config for type \"volume\": invalid \
             mount path: 'd' mount path must be absolute"
        );
        assert_eq!(volumes_from("c:ro").unwrap(), ("c", "ro"));
        assert!(volumes_from("c:nocopy").is_err());
    }

    #[test]
    fn paths_are_cleaned_like_gos() {
        for (path, clean_path) in [
            ("/a/./b//c/..", "/a/b"),
            ("/..", "/"),
            ("a/../..", ".."),
            ("", "."),
        ] {
            assert_eq!(clean(path), clean_path);
        }
    }
}
