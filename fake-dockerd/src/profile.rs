//! Which Docker engine is played, and everything in which the engines differ.
//!
//! The rest of the crate asks [`Profile`] and never compares versions, so that [`Profile::of`] is
//! the one place that says how 20.10.24, 26.1.5 and 28.5.2 differ. Each field was seen in
//! recordings of the three engines (`fixtures/recordings/`) unless its comment names another source.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A Docker engine that can be played.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub enum Engine {
    /// Docker 20.10 (recorded: 20.10.24).
    #[serde(rename = "20.10")]
    V20_10,
    /// Docker 26.1 (recorded: 26.1.5).
    #[serde(rename = "26.1")]
    V26_1,
    /// Docker 28.5 (recorded: 28.5.2).
    #[default]
    #[serde(rename = "28.5")]
    V28_5,
}

impl Engine {
    /// Every engine, the oldest first.
    pub const ALL: [Self; 3] = [Self::V20_10, Self::V26_1, Self::V28_5];

    /// The short version, as `--engine` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V20_10 => "20.10",
            Self::V26_1 => "26.1",
            Self::V28_5 => "28.5",
        }
    }

    /// What this engine does differently from the others.
    #[must_use]
    pub const fn profile(self) -> &'static Profile {
        Profile::of(self)
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A version that is not played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no engine \"{0}\": there are 20.10, 26.1 and 28.5")]
pub struct UnknownEngine(pub String);

impl FromStr for Engine {
    type Err = UnknownEngine;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|engine| text == engine.name() || text == engine.profile().version)
            .ok_or_else(|| UnknownEngine(text.to_owned()))
    }
}

/// How one engine behaves where engines differ.
#[derive(Debug)]
pub struct Profile {
    /// The full version that was recorded.
    pub version: &'static str,
    /// The newest Engine API version that it speaks.
    pub api_version: &'static str,
    /// The oldest Engine API version that it still speaks.
    pub min_api_version: &'static str,
    /// The Go release that it was built with, which shows in some error texts.
    pub go_version: &'static str,
    /// `Host` of requests over a unix socket. Without one the header is there and empty, and error
    /// texts show the socket's escaped path instead: Go 1.20.6 began to refuse a path as a host.
    pub unix_host: Option<&'static str>,
    /// What is in front of Go's text about a certificate (from Go 1.20 on; read in Go's source).
    pub certificate_error: &'static str,
    /// "Plugin does not implement the requested driver" names the plugin and the driver.
    pub names_what_is_not_implemented: bool,
    /// A volume that is created without name and driver is looked for in every plugin first.
    pub probes_plugins_for_anonymous: bool,
    /// A volume that is created without a name gets the label `com.docker.volume.anonymous`.
    pub labels_anonymous: bool,
    /// A mount that is restored with a running container counts as held, and is looked up (`Get`)
    /// once more for it.
    pub live_restore_counts: bool,
    /// An Unmount without a counted Mount is not sent (moby#46508).
    pub guards_mount_count: bool,
    /// `volume-subpath` is honoured; before, the whole volume is mounted without a word.
    pub honours_subpath: bool,
    /// Volumes are mounted before the container's network is set up, so that a missing network
    /// shows after `Mount` and costs an `Unmount`.
    pub mounts_before_network: bool,
    /// A start whose client goes away while a volume is mounted is undone.
    pub start_follows_client: bool,
    /// Events of volumes are those of commands (moby's `volume/service/service.go`) and not of what
    /// becomes of volumes (`store.go`): a container that is created with an existing volume makes a
    /// second `create`, and what a prune removes makes no `destroy`.
    pub volume_events_of_commands: bool,
    /// What an image has at a volume's path is copied with the container's own mount point, whose
    /// ID a failed Unmount keeps, and a volume that is gone is passed over (moby's `populateVolume`);
    /// before, with a mount of its own (20.10's `CopyImagePathContent`).
    pub copies_up_through_mount_point: bool,
    /// A `--mount` without a source is named, and labelled as anonymous, like `-v /data`; before, the
    /// name was made up where the mount is read, and there is no label (`parseMountSpec`).
    pub labels_anonymous_mounts: bool,
    /// `:z` looks for the path that Mount answered; before, for the one that was known of the volume
    /// when the container was created (moby's `MountPoint.Setup`).
    pub relabels_what_is_mounted: bool,
    /// `docker cp` lets go of what it has mounted also if not everything can be mounted; later that
    /// stays mounted (20.10's `containerStatPath`, and `openContainerFS`; compared with real engines).
    pub cp_unmounts_after_failure: bool,
    /// `--volume-driver` beside `--mount` is warned about, by the engine itself.
    pub warns_about_ignored_driver: bool,
    /// What `docker inspect` shows as the network mode of a container that asked for none: from 26
    /// on the default is written out.
    pub default_network: &'static str,
    /// `volume prune` spares named volumes unless the filter `all` asks for them (API 1.42); without
    /// that, there is no such filter.
    pub prunes_anonymous_only: bool,
    /// A filter that is a switch and given as true and as false counts as true; later it is refused
    /// (`filters.Args.GetBoolOrDefault`, from Docker 23 on; read in moby's source, and seen).
    pub contradiction_is_true: bool,
    /// How `docker ps` refuses values of filters that make no sense.
    pub ps_filters: PsFilters,
    /// `docker kill` reads the signal before anything else, and adds nothing to the error; whether
    /// there is such a signal is looked at last, and is the engine's own fault (moby 20.10's
    /// `postContainersKill` and `ContainerKill`; compared with real engines).
    pub reads_signal_first: bool,
    /// A network that cannot be removed names who is on it.
    pub names_active_endpoints: bool,
    /// Texts of the engine's own that others begin with a small letter begin with a capital: see
    /// `worded`. Compared with real engines (`tests/engines`).
    pub capital_texts: bool,
    /// `docker exec` of a command that does not exist ends with 127 as in a shell; before with 126.
    /// Compared with real engines.
    pub exec_finds_no_command: bool,
    /// How "cannot remove a container" begins.
    pub cannot_remove: CannotRemove,
    /// What the runtime below says when a process cannot be started.
    pub oci: OciTexts,
}

/// How an engine words that a container is running and cannot be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CannotRemove {
    /// "You cannot remove a running container ID. Stop the container …".
    YouCannot,
    /// "cannot remove container "/NAME": container is running: stop the container …".
    NameFirst,
    /// As [`Self::NameFirst`], with the name as it was asked for.
    AskedFirst,
}

/// How `docker ps` refuses values of filters (moby's `foldFilter`; compared with real engines).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PsFilters {
    /// An exit code that is no number is answered with 500, in Go's words.
    Go,
    /// Filter and value are named.
    Named,
    /// As [`Self::Named`], with the values that there are.
    WithChoices,
}

/// The texts around an error of runc.
#[derive(Debug)]
pub struct OciTexts {
    /// In front of everything that containerd's shim says.
    pub task: &'static str,
    /// Between "unable to start container process: " and a command that does not exist.
    pub command: &'static str,
    /// Behind every text.
    pub end: &'static str,
    /// A mount whose source does not exist.
    pub missing_source: MissingSource,
}

/// How runc words that the source of a bind mount does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingSource {
    /// runc 1.1.5: `error mounting "S" to rootfs at "D": stat S: …`.
    Stat,
    /// runc 1.1.15: `… create mount destination for D mount: bind mount source stat: stat S: …`.
    BindStat,
    /// runc 1.3: `failed to fulfil mount request: open S: …`.
    Open,
}

impl Profile {
    /// A text as this engine begins it: `Invalid filter …` or `invalid filter …`.
    pub(crate) fn worded(&self, text: &str) -> String {
        match text.char_indices().nth(1) {
            Some((second, _)) if self.capital_texts => {
                let (first, rest) = text.split_at(second);
                first.to_uppercase() + rest
            }
            _ => text.to_owned(),
        }
    }

    /// A filter of `docker ps` that would have to be a number.
    pub(crate) fn no_exit_code(&self, value: &str) -> Error {
        let go = format!("strconv.Atoi: parsing {value:?}: invalid syntax");
        match self.ps_filters {
            PsFilters::Go => Error::system(go),
            PsFilters::Named | PsFilters::WithChoices => {
                Error::invalid(format!("invalid filter 'exited={value}': {go}"))
            }
        }
    }

    /// A filter of `docker ps` that is none of the values of `what`.
    pub(crate) fn no_choice(&self, key: &str, what: &str, value: &str, known: &[&str]) -> Error {
        let named = format!("invalid filter '{key}={value}'");
        Error::invalid(match (self.ps_filters, key) {
            (PsFilters::Go, "health") => format!("Unrecognised filter value for health: {value}"),
            (PsFilters::Named, "health") => {
                format!("unrecognized filter value for health: {value}")
            }
            (PsFilters::Go | PsFilters::Named, _) => self.worded(&named),
            (PsFilters::WithChoices, _) => format!(
                "{named}: invalid value for {what} ({value}): must be one of {}",
                known.join(", ")
            ),
        })
    }

    /// What is said where only a running container will do.
    pub(crate) fn not_running(&self, id: &str) -> Error {
        Error::conflict(self.worded(&format!("container {id} is not running")))
    }

    /// The table of differences.
    #[must_use]
    pub const fn of(engine: Engine) -> &'static Self {
        match engine {
            Engine::V20_10 => &V20_10,
            Engine::V26_1 => &V26_1,
            Engine::V28_5 => &V28_5,
        }
    }
}

const V20_10: Profile = Profile {
    version: "20.10.24",
    api_version: "1.41",
    min_api_version: "1.12",
    go_version: "go1.19.8",
    unix_host: None,
    certificate_error: "",
    names_what_is_not_implemented: false,
    probes_plugins_for_anonymous: true,
    labels_anonymous: false,
    live_restore_counts: false,
    guards_mount_count: false,
    honours_subpath: false,
    mounts_before_network: false,
    start_follows_client: false,
    volume_events_of_commands: true,
    copies_up_through_mount_point: false,
    labels_anonymous_mounts: false,
    relabels_what_is_mounted: false,
    cp_unmounts_after_failure: true,
    warns_about_ignored_driver: false,
    default_network: "default",
    prunes_anonymous_only: false,
    contradiction_is_true: true,
    ps_filters: PsFilters::Go,
    reads_signal_first: true,
    names_active_endpoints: false,
    capital_texts: true,
    exec_finds_no_command: false,
    cannot_remove: CannotRemove::YouCannot,
    oci: OciTexts {
        task: "failed to create shim task: ",
        command: "",
        end: ": unknown",
        missing_source: MissingSource::Stat,
    },
};

const V26_1: Profile = Profile {
    version: "26.1.5",
    api_version: "1.45",
    min_api_version: "1.24",
    go_version: "go1.24.4",
    unix_host: Some("plugin.moby.localhost"),
    certificate_error: "tls: failed to verify certificate: ",
    names_what_is_not_implemented: true,
    probes_plugins_for_anonymous: true,
    labels_anonymous: true,
    live_restore_counts: true,
    guards_mount_count: true,
    honours_subpath: true,
    mounts_before_network: false,
    start_follows_client: true,
    volume_events_of_commands: false,
    copies_up_through_mount_point: true,
    labels_anonymous_mounts: false,
    relabels_what_is_mounted: true,
    cp_unmounts_after_failure: false,
    warns_about_ignored_driver: false,
    default_network: "bridge",
    prunes_anonymous_only: true,
    contradiction_is_true: false,
    ps_filters: PsFilters::Named,
    reads_signal_first: false,
    names_active_endpoints: false,
    capital_texts: false,
    exec_finds_no_command: false,
    cannot_remove: CannotRemove::NameFirst,
    oci: OciTexts {
        task: "failed to create task for container: failed to create shim task: ",
        command: "",
        end: ": unknown",
        missing_source: MissingSource::BindStat,
    },
};

const V28_5: Profile = Profile {
    version: "28.5.2",
    api_version: "1.51",
    min_api_version: "1.24",
    go_version: "go1.24.9",
    unix_host: Some("plugin.moby.localhost"),
    certificate_error: "tls: failed to verify certificate: ",
    names_what_is_not_implemented: true,
    probes_plugins_for_anonymous: false,
    labels_anonymous: true,
    live_restore_counts: true,
    guards_mount_count: true,
    honours_subpath: true,
    mounts_before_network: true,
    start_follows_client: true,
    volume_events_of_commands: false,
    copies_up_through_mount_point: true,
    labels_anonymous_mounts: true,
    relabels_what_is_mounted: true,
    cp_unmounts_after_failure: false,
    warns_about_ignored_driver: true,
    default_network: "bridge",
    prunes_anonymous_only: true,
    contradiction_is_true: false,
    ps_filters: PsFilters::WithChoices,
    reads_signal_first: false,
    names_active_endpoints: true,
    capital_texts: false,
    exec_finds_no_command: true,
    cannot_remove: CannotRemove::AskedFirst,
    oci: OciTexts {
        task: "failed to create task for container: failed to create shim task: ",
        command: "error during container init: ",
        end: "",
        missing_source: MissingSource::Open,
    },
};

impl OciTexts {
    /// A command that the container does not have, or cannot run; `why` is Go's text.
    #[must_use]
    pub fn command_not_run(&self, command: &str, why: &str) -> String {
        let at = self.command;
        self.create_failed(&format!("{at}exec: \"{command}\": {why}"))
    }

    /// As [`Self::command_not_run`], for `docker exec` (moby's `daemon/exec.go`, runc's `exec`).
    #[must_use]
    pub fn exec_not_run(&self, command: &str, why: &str) -> String {
        let end = self.end;
        format!(
            "OCI runtime exec failed: exec failed: unable to start container process: exec: \
             \"{command}\": {why}{end}"
        )
    }

    /// A mount whose source does not exist or cannot be reached; `why` is Go's text.
    #[must_use]
    pub fn unusable_source(&self, source: &str, destination: &str, why: &str) -> String {
        self.not_made(&match self.missing_source {
            MissingSource::Stat => format!(
                "error mounting \"{source}\" to rootfs at \"{destination}\": stat {source}: {why}"
            ),
            MissingSource::BindStat => format!(
                "error mounting \"{source}\" to rootfs at \"{destination}\": create mount destination \
                 for {destination} mount: bind mount source stat: stat {source}: {why}"
            ),
            MissingSource::Open => {
                format!("failed to fulfil mount request: open {source}: {why}")
            }
        })
    }

    /// The container's surroundings cannot be made.
    #[must_use]
    pub fn not_made(&self, why: &str) -> String {
        self.create_failed(&format!("error during container init: {why}"))
    }

    fn create_failed(&self, why: &str) -> String {
        let Self { task, end, .. } = self;
        format!(
            "{task}OCI runtime create failed: runc create failed: unable to start container process: \
             {why}{end}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Engine;

    #[test]
    fn an_engine_is_named_by_its_short_or_full_version() {
        assert_eq!("26.1".parse(), Ok(Engine::V26_1));
        assert_eq!("28.5.2".parse(), Ok(Engine::V28_5));
        assert!("29.0".parse::<Engine>().is_err());
    }

    #[test]
    fn runc_names_where_it_looked() {
        let oci = &Engine::V28_5.profile().oci;
        let missing = "stat /x: no such file or directory";
        assert!(oci.command_not_run("/x", missing).ends_with(
            "error during container init: exec: \"/x\": stat /x: no such file or directory"
        ));
        let oci = &Engine::V20_10.profile().oci;
        assert!(
            oci.command_not_run("x", "executable file not found in $PATH")
                .ends_with("exec: \"x\": executable file not found in $PATH: unknown")
        );
    }
}
