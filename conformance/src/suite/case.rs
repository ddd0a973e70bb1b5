//! What a case is: one rule of the protocol as a constant.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::{CaseResult, Cx, Halt};

/// The future of a running case.
pub type CaseFuture<'a> = Pin<Box<dyn Future<Output = CaseResult> + Send + 'a>>;

/// One rule, why it matters, and how it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Stable slug, `section.name`.
    pub id: &'static str,
    /// How binding the rule is.
    pub level: Level,
    /// The rule, as a sentence that a finding can print.
    pub title: &'static str,
    /// What Docker does with a plugin that breaks the rule.
    pub why: &'static str,
    /// What the user of such a plugin suffers.
    pub harm: Harm,
    /// Where the rule comes from: pages, files of moby, threads, recordings.
    pub sources: &'static [&'static str],
    /// The docker commands that lead here; `{plugin}` and `{volume}` are replaced. Empty where no
    /// docker command does.
    pub docker: &'static [&'static str],
    /// What the case cannot do without.
    pub needs: &'static [Need],
    /// Which other cases may run meanwhile.
    pub mode: Mode,
    /// Cases whose failure explains a failure of this one.
    pub follows: &'static [&'static str],
    /// Judges the rule.
    pub run: for<'a> fn(&'a mut Cx) -> CaseFuture<'a>,
}

impl Case {
    /// What families of cases are made from: a MUST that needs nothing and may run beside others. Its
    /// text, and how it is judged, have to be filled in.
    pub const BLANK: Self = Self {
        id: "",
        level: Level::Must,
        title: "",
        why: "",
        harm: Harm::NoStart,
        sources: &[],
        docker: &[],
        needs: &[],
        mode: Mode::Shared,
        follows: &[],
        run: |_| Box::pin(async { Err(Halt::Harness("a case without a judge".to_owned())) }),
    };

    /// The section, which is the first half of the id.
    #[must_use]
    pub fn section(&self) -> &'static str {
        self.id
            .split_once('.')
            .map_or(self.id, |(section, _)| section)
    }
}

/// How binding a rule is.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Docker documents it, or dockerd breaks, loses data or is fooled otherwise.
    Must,
    /// It works today, but costs users time, or only some engines depend on it.
    Should,
    /// Optional; reported only.
    May,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::May => "MAY",
        })
    }
}

/// What the user of a plugin that breaks the rule suffers. Reports group findings by it, worst
/// first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Harm {
    /// Data are deleted, mixed up or no longer reached.
    DataLoss,
    /// The plugin can be led to touch what is not its own.
    HostAtRisk,
    /// The daemon itself dies.
    DaemonDies,
    /// Docker commands hang.
    Hang,
    /// A container does not start, or runs without its volume.
    NoStart,
    /// Volumes vanish, double or turn into local ones.
    VolumeLost,
    /// Mounts, volumes or sockets are left behind.
    Leak,
    /// Secrets are shown.
    SecretShown,
    /// A call that should work is refused.
    Refused,
    /// Users or tools are told something wrong, or nothing.
    Misled,
}

impl Harm {
    /// The heading under which a report groups such findings.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::DataLoss => "Data can be lost",
            Self::HostAtRisk => "The host is at risk",
            Self::DaemonDies => "The Docker daemon can die",
            Self::Hang => "Docker commands can hang",
            Self::NoStart => "Containers do not start, or start without their volume",
            Self::VolumeLost => "Volumes vanish, double or turn local",
            Self::Leak => "Something is left behind",
            Self::SecretShown => "Secrets are shown",
            Self::Refused => "Calls that should work are refused",
            Self::Misled => "Users or tools are told something wrong",
        }
    }
}

/// What a case cannot do without. A run that lacks it skips the case and says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Need {
    /// The runner starts, stops and kills the plugin (`--exec`).
    Exec,
    /// The runner sees the file system that mountpoints are in.
    Filesystem,
    /// The runner is root where the plugin runs.
    Root,
    /// Hostile names and values cannot harm (`--hostile`).
    Hostile,
    /// The plugin listens on a unix socket.
    UnixSocket,
    /// The plugin was found by name, through Docker's plugin directories (`--plugin`).
    Named,
    /// Half a minute (`--soak`).
    Soak,
    /// A second host's plugin (`--peer`).
    Peer,
    /// Storage that can be cut off (`--storage-cut`).
    StorageFault,
    /// A managed plugin with its `config.json`.
    Managed,
}

impl Need {
    /// Why a case that needs this was skipped, and how to give it.
    #[must_use]
    pub const fn lacking(self) -> &'static str {
        match self {
            Self::Exec => "needs to stop and start the plugin: give --exec 'CMD … {socket}'",
            Self::Filesystem => "needs to look into the mountpoints, and cannot from here",
            Self::Root => "needs root",
            Self::Hostile => {
                "sends hostile names: they only run where they cannot harm, with --exec in a mount \
                 namespace of its own, or with --hostile on"
            }
            Self::UnixSocket => "is about unix sockets, and the plugin is reached over TCP",
            Self::Named => "is about the plugin directories: name the plugin with --plugin NAME",
            Self::Soak => "takes half a minute: give --soak",
            Self::Peer => {
                "needs a second host's plugin on the same storage: give --peer ADDRESS, or with --exec \
                 --peer-exec 'CMD … {socket}'"
            }
            Self::StorageFault => {
                "needs storage that can be cut off: give --storage-cut 'CMD …' and \
                 --storage-restore 'CMD …'"
            }
            Self::Managed => {
                "is about managed plugins: give --managed DIR with its config.json and rootfs"
            }
        }
    }
}

/// Which other cases may run at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Any that are shared too: it uses volumes of its own and measures nothing else.
    Shared,
    /// None: it restarts the plugin, floods it or looks at all of it.
    Alone,
    /// None, and it comes last: it judges every answer that the run has seen.
    Closing,
}
