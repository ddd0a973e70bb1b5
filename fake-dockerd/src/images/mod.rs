//! Images: names that exist without being pulled, and content that was imported.
//!
//! Any reference can be run; one that was never imported has the usual directories and nothing in
//! them. [`ImageStore`] knows what was pulled, tagged and imported, over a restart too; [`config`]
//! is what an image says about its containers, [`reference`] how images are named.

pub(crate) mod config;
pub(crate) mod reference;
pub(crate) mod skeleton;
mod store;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) use config::ImageConfig;
pub(crate) use store::{ImageStore, Import};

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Image {
    /// `sha256:` and 64 hexadecimal digits.
    pub(crate) id: String,
    /// When it was imported; one that is only a name never was.
    pub(crate) created: Option<Timestamp>,
    /// What `docker import --message` said.
    pub(crate) comment: String,
    pub(crate) config: ImageConfig,
    /// The bytes of its files.
    pub(crate) size: u64,
    /// The digest of the archive that it was imported from.
    pub(crate) layer: Option<String>,
}

impl Image {
    /// An image of which nothing is known but a name.
    pub(crate) fn of_name(full: &str) -> Self {
        Self {
            id: reference::id_of_name(full),
            created: None,
            comment: String::new(),
            config: ImageConfig::default(),
            size: 0,
            layer: None,
        }
    }

    /// Whether there are files in it.
    pub(crate) fn has_content(&self) -> bool {
        self.layer.is_some()
    }
}
