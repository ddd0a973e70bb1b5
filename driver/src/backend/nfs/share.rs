//! Naming NFS exports: `host:/path`, in options and in names of volumes.

use crate::error::Quoted;

/// Where an export is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NfsShare {
    host: String,
    pub(super) path: String,
}

impl NfsShare {
    /// A share whose parts are known to be good.
    pub(in crate::backend) fn new(host: &str, path: &str) -> Self {
        Self {
            host: host.to_owned(),
            path: path.to_owned(),
        }
    }

    /// A directory of this share.
    pub(super) fn below(&self, directory: &str) -> Self {
        let path = self.path.trim_end_matches('/');
        Self::new(&self.host, &format!("{path}/{directory}"))
    }

    /// `host:/path`, or `[address]:/path`.
    pub(super) fn source(&self) -> String {
        let Self { host, path } = self;
        if host.contains(':') {
            format!("[{host}]:{path}")
        } else {
            format!("{host}:{path}")
        }
    }
}

/// `host:/path`; an IPv6 address stands in brackets.
pub(in crate::backend) fn parse_share(text: &str) -> Result<NfsShare, String> {
    let (host, path) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once("]:").ok_or_else(|| expected(text))?,
        None => text.split_once(':').ok_or_else(|| expected(text))?,
    };
    let share = NfsShare {
        host: host.to_owned(),
        path: path.to_owned(),
    };
    if !is_host(host) || !path.starts_with('/') || path.chars().any(char::is_control) {
        return Err(expected(text));
    }
    if path.split('/').any(|part| part == "..") {
        return Err(format!("{} leads upwards", Quoted(text)));
    }
    Ok(share)
}

fn expected(text: &str) -> String {
    format!("{} is no NFS share; expected HOST:/PATH", Quoted(text))
}

/// `host/path`, as in `docker run -v nas.example/export/data:/data --volume-driver nfs`.
pub(super) fn share_in_name(name: &str) -> Option<NfsShare> {
    let (host, path) = match name.split_once(":/") {
        Some((host, path)) => (host, path),
        None => name.split_once('/')?,
    };
    parse_share(&format!("{host}:/{path}"))
        .ok()
        .filter(|share| share.path.len() > 1)
}

/// A host name or address, and surely no option or path.
pub(in crate::backend) fn is_host(host: &str) -> bool {
    let fits =
        |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-' | '_' | ':' | '%');
    host.starts_with(|char: char| char.is_ascii_alphanumeric() || char == ':')
        && host.len() <= 253
        && host.chars().all(fits)
}
