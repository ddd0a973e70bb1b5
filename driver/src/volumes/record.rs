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
    /// When that Create was answered, in whole seconds.
    #[serde(with = "jiff::fmt::serde::timestamp::second::required")]
    pub(crate) created_at: Timestamp,
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
            created_at,
            holds: Holds::default(),
        }
    }

    /// The options that the volume was created with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// When the volume was created.
    #[must_use]
    pub fn created_at(&self) -> Timestamp {
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
