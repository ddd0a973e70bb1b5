//! A managed plugin as `docker plugin create` takes it: a directory with `config.json` and `rootfs/`.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

/// The directory, and what its `config.json` says.
#[derive(Debug, Clone)]
pub struct Bundle {
    directory: PathBuf,
    config: Config,
}

/// `config.json`, as far as it matters to a volume plugin
/// (<https://docs.docker.com/engine/extend/config/>).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Config {
    /// What it is run with; the first word is the program.
    #[serde(deserialize_with = "null_is_default")]
    pub entrypoint: Vec<String>,
    /// The directory in which it is run.
    #[serde(rename = "workdir")]
    pub work_directory: String,
    /// How the engine speaks to it.
    pub interface: Interface,
    /// What it is allowed.
    pub linux: Linux,
    /// What of the host it sees.
    #[serde(deserialize_with = "null_is_default")]
    pub mounts: Vec<Mount>,
    /// Environment variables.
    #[serde(deserialize_with = "null_is_default")]
    pub env: Vec<Variable>,
    /// The directory whose mounts the engine sees.
    pub propagated_mount: String,
    /// Whether it shares the host's process IDs.
    #[serde(rename = "pidhost")]
    pub pid_host: bool,
    /// Whether it shares the host's System V objects.
    #[serde(rename = "ipchost")]
    pub ipc_host: bool,
}

/// The `interface` of a [`Config`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Interface {
    /// Such as `docker.volumedriver/1.0`.
    #[serde(deserialize_with = "null_is_default")]
    pub types: Vec<String>,
    /// The socket's file name in `/run/docker/plugins`.
    pub socket: String,
}

/// The `linux` of a [`Config`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Linux {
    /// Such as `CAP_SYS_ADMIN`.
    #[serde(deserialize_with = "null_is_default")]
    pub capabilities: Vec<String>,
    /// Whether it may use all devices.
    pub allow_all_devices: bool,
}

/// An entry of the `mounts` of a [`Config`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Mount {
    /// What it is set by.
    pub name: String,
    /// What of the host, if that is said.
    pub source: Option<String>,
    /// Where in the plugin.
    pub destination: String,
    /// Such as `bind` and `ro`.
    #[serde(deserialize_with = "null_is_default")]
    pub options: Vec<String>,
    /// Which of these `docker plugin set` may change.
    #[serde(deserialize_with = "null_is_default")]
    pub settable: Vec<String>,
}

/// An entry of the `env` of a [`Config`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value until it is set.
    pub value: Option<String>,
}

impl Bundle {
    /// Reads the directory's `config.json`.
    ///
    /// # Errors
    /// A sentence when there is none, or it is none.
    pub fn read(directory: &Path) -> Result<Self, String> {
        let file = directory.join("config.json");
        let told = |why: String| {
            format!(
                "--managed: {} {why}; give the directory that `docker plugin create` is given",
                file.display()
            )
        };
        let text =
            std::fs::read(&file).map_err(|error| told(format!("cannot be read: {error}")))?;
        let config = serde_json::from_slice(&text)
            .map_err(|error| told(format!("is no configuration of a plugin: {error}")))?;
        Ok(Self {
            directory: directory.to_owned(),
            config,
        })
    }

    /// What `config.json` says.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The root file system.
    #[must_use]
    pub fn rootfs(&self) -> PathBuf {
        self.directory.join("rootfs")
    }

    /// Where a path of the plugin's lies on this machine, its links followed as they would be
    /// inside. `None` if there is no such file.
    #[must_use]
    pub fn inside(&self, path: &Path) -> Option<PathBuf> {
        const MOST_LINKS: usize = 40;
        let root = self.rootfs();
        let mut left: Vec<_> = components(path);
        let mut at = PathBuf::new();
        let mut links = 0;
        while let Some(next) = left.pop() {
            if next == ".." {
                at.pop();
                continue;
            }
            let entry = root.join(&at).join(&next);
            match std::fs::read_link(&entry) {
                Ok(target) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return None;
                    }
                    if target.is_absolute() {
                        at = PathBuf::new();
                    }
                    left.extend(components(&target));
                }
                Err(_) if std::fs::symlink_metadata(&entry).is_ok() => at.push(next),
                Err(_) => return None,
            }
        }
        Some(root.join(at))
    }

    /// The program that is run, on this machine; a bare name is looked for as the engine does.
    #[must_use]
    pub fn program(&self) -> Option<PathBuf> {
        const USUAL: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let word = self.config.entrypoint.first()?;
        if word.contains('/') {
            let workdir = Path::new("/").join(&self.config.work_directory);
            return self.inside(&workdir.join(word));
        }
        let mut env = self.config.env.iter();
        let path = env.find(|variable| variable.name == "PATH");
        let path = path.and_then(|variable| variable.value.clone());
        path.as_deref()
            .unwrap_or(USUAL)
            .split(':')
            .find_map(|directory| self.inside(&Path::new(directory).join(word)))
    }
}

/// The names in a path, the first one last.
fn components(path: &Path) -> Vec<std::ffi::OsString> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    let mut names: Vec<_> = names.collect();
    names.reverse();
    names
}

/// Go writes an empty list as `null`.
fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::Bundle;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    #[test]
    fn links_are_followed_inside() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("rootfs");
        std::fs::create_dir_all(root.join("usr/bin")).unwrap();
        std::fs::write(root.join("usr/bin/plugin"), "").unwrap();
        symlink("/usr/bin", root.join("bin")).unwrap();
        symlink("../../../../etc/passwd", root.join("usr/bin/outside")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        std::fs::write(
            directory.path().join("config.json"),
            r#"{"entrypoint":["plugin"],"mounts":null,"linux":{"capabilities":null}}"#,
        )
        .unwrap();
        let bundle = Bundle::read(directory.path()).unwrap();
        assert_eq!(bundle.program(), Some(root.join("usr/bin/plugin")));
        assert_eq!(bundle.inside(Path::new("/bin/outside")), None);
        assert_eq!(bundle.inside(Path::new("/loop")), None);
        assert!(bundle.inside(Path::new("/")).is_some());
    }
}
