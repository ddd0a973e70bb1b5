//! What is remembered of one volume.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Holds;
use crate::types::Options;

/// One volume, as the store keeps it under the volume's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The options of the Create that made it.
    #[serde(default, skip_serializing_if = "Options::is_empty")]
    pub(crate) options: Options,
    /// When that Create was answered, in whole seconds, if it was answered here.
    #[serde(
        default,
        with = "jiff::fmt::serde::timestamp::second::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) created_at: Option<Timestamp>,
    /// Whether it was found on the storage, so that nobody here knows the options of its Create.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) found: bool,
    /// Who holds it mounted.
    #[serde(default, skip_serializing_if = "Holds::is_empty")]
    pub(crate) holds: Holds,
}

impl Record {
    /// A new volume, held by nobody.
    #[must_use]
    pub fn new(options: Options, created_at: Timestamp) -> Self {
        Self {
            options,
            created_at: Some(created_at),
            found: false,
            holds: Holds::default(),
        }
    }

    /// A volume that was found on the storage.
    #[must_use]
    pub fn found() -> Self {
        Self {
            options: Options::new(),
            created_at: None,
            found: true,
            holds: Holds::default(),
        }
    }

    /// The options that the volume was created with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// When the volume was created, if that happened here.
    #[must_use]
    pub fn created_at(&self) -> Option<Timestamp> {
        self.created_at
    }

    /// Who holds the volume mounted.
    #[must_use]
    pub fn holds(&self) -> &Holds {
        &self.holds
    }

    /// A volume is mounted exactly while somebody holds it.
    #[must_use]
    pub fn is_mounted(&self) -> bool {
        !self.holds.is_empty()
    }

    /// The same volume after its holders are known to be gone.
    #[must_use]
    pub fn without_holds(mut self) -> Self {
        self.holds = Holds::default();
        self
    }
}
