//! The mount target of a file system: the one in this instance's own availability zone, where the
//! traffic is free and fast, if the metadata service tells the zone.

use tokio::sync::OnceCell;

use crate::{
    error::{Error, ErrorKind},
    http::metadata::Metadata,
};

/// How names of file systems become names of hosts.
#[derive(Debug)]
pub(super) struct Targets {
    region: Option<String>,
    domain: String,
    metadata: Metadata,
    /// An instance never changes its zone; what was learnt once holds.
    zone: OnceCell<String>,
}

impl Targets {
    pub(super) fn new(region: Option<String>, domain: String, metadata: Metadata) -> Self {
        Self {
            region,
            domain,
            metadata,
            zone: OnceCell::new(),
        }
    }

    /// The host name of a file system's mount target.
    pub(super) async fn of(&self, fs_id: &str) -> Result<String, Error> {
        let zone = self
            .zone
            .get_or_try_init(|| self.metadata.get("placement/availability-zone"))
            .await;
        let domain = &self.domain;
        match (zone, &self.region) {
            (Ok(zone), region) => {
                let region = match region {
                    Some(region) => region.as_str(),
                    None => region_of(zone)?,
                };
                Ok(if zone.starts_with(region) {
                    format!("{zone}.{fs_id}.efs.{region}.{domain}")
                } else {
                    // Another region than ours, which has zones of its own.
                    format!("{fs_id}.efs.{region}.{domain}")
                })
            }
            (Err(error), Some(region)) => {
                tracing::debug!(%error, "the availability zone is not known");
                Ok(format!("{fs_id}.efs.{region}.{domain}"))
            }
            (Err(error), None) => Err(Error::new(
                ErrorKind::Unavailable,
                format!("the region is not known: set --region or --mount-target, for {error}"),
            )),
        }
    }
}

/// `eu-central-1a` is in `eu-central-1`; local zones have longer names and mount no EFS.
fn region_of(zone: &str) -> Result<&str, Error> {
    let region = zone.trim_end_matches(|char: char| char.is_ascii_lowercase());
    let wellformed = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if region.len() < zone.len() && wellformed(zone) && region.contains('-') {
        Ok(region)
    } else {
        Err(Error::new(
            ErrorKind::Unavailable,
            "the metadata service tells an availability zone that is none".to_owned(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_read_from_zones() {
        assert_eq!(region_of("eu-central-1a").unwrap(), "eu-central-1");
        for zone in ["", "1a", "<html>", "eu-central-1", "eu central-1a"] {
            assert!(region_of(zone).is_err(), "{zone}");
        }
    }
}
