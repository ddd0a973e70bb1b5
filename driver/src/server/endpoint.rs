//! The nine endpoints of the protocol, and what their requests look like.

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Activate,
    Capabilities,
    Create,
    Get,
    List,
    Path,
    Mount,
    Unmount,
    Remove,
}

impl Endpoint {
    const ALL: [Self; 9] = [
        Self::Activate,
        Self::Capabilities,
        Self::Create,
        Self::Get,
        Self::List,
        Self::Path,
        Self::Mount,
        Self::Unmount,
        Self::Remove,
    ];

    /// The endpoint at a path.
    pub(super) fn at(path: &str) -> Option<Self> {
        let name = path.strip_prefix('/')?;
        Self::ALL
            .into_iter()
            .find(|endpoint| endpoint.name() == name)
    }

    /// The path without its slash, as messages name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Activate => "Plugin.Activate",
            Self::Capabilities => "VolumeDriver.Capabilities",
            Self::Create => "VolumeDriver.Create",
            Self::Get => "VolumeDriver.Get",
            Self::List => "VolumeDriver.List",
            Self::Path => "VolumeDriver.Path",
            Self::Mount => "VolumeDriver.Mount",
            Self::Unmount => "VolumeDriver.Unmount",
            Self::Remove => "VolumeDriver.Remove",
        }
    }
}
