//! What is asked of a plugin, and what it replies, as far as the model cares.

use std::sync::Arc;

use crate::protocol::{Endpoint, Opts};
use crate::suite::Answer;

/// A volume's name, cheap to copy.
pub type Name = Arc<str>;

/// A mount ID, cheap to copy.
pub type Id = Arc<str>;

/// One call, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Call {
    /// The handshake, once more: an engine was started again.
    Activate,
    /// Create.
    Create {
        /// The volume.
        name: Name,
        /// Its options.
        opts: Opts,
        /// Whether name and options are such that the plugin has no reason to refuse them. Docker's
        /// documentation leaves it to the plugin which it takes.
        sound: bool,
    },
    /// Get.
    Get(Name),
    /// List.
    List,
    /// Path.
    Path(Name),
    /// Mount.
    Mount(Name, Id),
    /// Unmount.
    Unmount(Name, Id),
    /// Remove.
    Remove(Name),
}

impl Call {
    /// The volume that the call is about, if it is about one.
    #[must_use]
    pub const fn volume(&self) -> Option<&Name> {
        match self {
            Self::Activate | Self::List => None,
            Self::Create { name, .. }
            | Self::Get(name)
            | Self::Path(name)
            | Self::Mount(name, _)
            | Self::Unmount(name, _)
            | Self::Remove(name) => Some(name),
        }
    }

    /// Its endpoint.
    #[must_use]
    pub const fn endpoint(&self) -> Endpoint {
        match self {
            Self::Activate => Endpoint::Activate,
            Self::Create { .. } => Endpoint::Create,
            Self::Get(_) => Endpoint::Get,
            Self::List => Endpoint::List,
            Self::Path(_) => Endpoint::Path,
            Self::Mount(..) => Endpoint::Mount,
            Self::Unmount(..) => Endpoint::Unmount,
            Self::Remove(_) => Endpoint::Remove,
        }
    }
}

/// What dockerd takes an answer for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reply {
    /// A failure, in dockerd's words.
    Refused(String),
    /// Success of a call that returns nothing.
    Done,
    /// What Get returned.
    Volume(Option<Shown>),
    /// What List returned, but for `null` entries.
    Volumes(Vec<Shown>),
    /// What Mount or Path returned; empty if nothing.
    Mountpoint(String),
}

/// A volume as Get and List show it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Shown {
    /// `Name`.
    pub name: String,
    /// `Mountpoint`, empty if there is none.
    pub mountpoint: String,
}

impl Reply {
    /// What dockerd makes of an answer; `None` if none came.
    #[must_use]
    pub fn of(answer: &Answer) -> Option<Self> {
        if answer.wire_error().is_some() {
            return None;
        }
        if let Some(error) = answer.error() {
            return Some(Self::Refused(error.to_owned()));
        }
        let shown = |volume: &crate::protocol::Volume| Shown {
            name: volume.name.clone(),
            mountpoint: volume.mountpoint.clone(),
        };
        Some(match answer.endpoint() {
            Endpoint::Get => Self::Volume(answer.volume().map(shown)),
            Endpoint::List => {
                let volumes = answer.reading().volumes.iter().flatten();
                Self::Volumes(volumes.map(shown).collect())
            }
            Endpoint::Mount | Endpoint::Path => Self::Mountpoint(answer.mountpoint().to_owned()),
            Endpoint::Activate
            | Endpoint::Capabilities
            | Endpoint::Create
            | Endpoint::Unmount
            | Endpoint::Remove => Self::Done,
        })
    }

    /// Whether it is a failure.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}
