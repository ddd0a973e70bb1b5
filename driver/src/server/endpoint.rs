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
    /// The endpoint at a path.
    pub(super) fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/Plugin.Activate" => Self::Activate,
            "/VolumeDriver.Capabilities" => Self::Capabilities,
            "/VolumeDriver.Create" => Self::Create,
            "/VolumeDriver.Get" => Self::Get,
            "/VolumeDriver.List" => Self::List,
            "/VolumeDriver.Path" => Self::Path,
            "/VolumeDriver.Mount" => Self::Mount,
            "/VolumeDriver.Unmount" => Self::Unmount,
            "/VolumeDriver.Remove" => Self::Remove,
            _ => return None,
        })
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
