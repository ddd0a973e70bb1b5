//! Names of images.

use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// What is in front of the digest in an image's ID.
const ALGORITHM: &str = "sha256:";
/// The shortest beginning of an ID that is looked up, as by habit of the CLI's users.
const SHORTEST_ID: usize = 4;

/// A reference with its tag, and without the registry that goes without saying.
pub(crate) fn full(reference: &str) -> String {
    let reference = reference.strip_prefix("docker.io/").unwrap_or(reference);
    let reference = reference.strip_prefix("library/").unwrap_or(reference);
    let last = reference.rsplit('/').next().unwrap_or(reference);
    if last.contains(':') || last.contains('@') {
        reference.to_owned()
    } else {
        format!("{reference}:latest")
    }
}

/// Repository and tag, or repository and digest.
pub(crate) fn split(full: &str) -> (&str, &str) {
    let at = match full.rsplit_once('@') {
        Some(parts) => return parts,
        None => full.rfind('/').map_or(0, |at| at + 1),
    };
    match full.get(at..).and_then(|last| last.find(':')) {
        Some(colon) => (
            full.get(..at + colon).unwrap_or(full),
            full.get(at + colon + 1..).unwrap_or_default(),
        ),
        None => (full, ""),
    }
}

/// A reference of a repository and a tag that came apart.
///
/// # Errors
/// Docker's text, if it is none.
pub(crate) fn join(repository: &str, tag: &str) -> Result<String> {
    let reference = match tag {
        "" => full(repository),
        digest if digest.contains(':') => full(&format!("{repository}@{digest}")),
        tag => full(&format!("{repository}:{tag}")),
    };
    let (repository, tag) = split(&reference);
    let is_lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/:".contains(c);
    if repository.chars().any(|c| c.is_ascii_uppercase()) && !repository.contains(['.', ':']) {
        return Err(Error::invalid(format!(
            "invalid reference format: repository name ({repository}) must be lowercase"
        )));
    }
    let first = repository.starts_with(|c: char| c.is_ascii_alphanumeric());
    let tagged = tag
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "._-:".contains(c));
    let named = repository
        .chars()
        .all(|c| is_lower(c) || c.is_ascii_uppercase());
    if !first || !named || !tagged || tag.is_empty() {
        return Err(Error::invalid("invalid reference format"));
    }
    Ok(reference)
}

/// The ID of an image that is only a name: the digest of the name.
pub(crate) fn id_of_name(full: &str) -> String {
    digest(full.as_bytes())
}

/// A digest as an ID.
pub(crate) fn digest(bytes: &[u8]) -> String {
    named(&Sha256::digest(bytes))
}

/// The bytes of a digest as an ID.
pub(crate) fn named(digest: &[u8]) -> String {
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{ALGORITHM}{hex}")
}

/// Whether `asked` is an ID or the beginning of one.
pub(crate) fn is_id(id: &str, asked: &str) -> bool {
    let digits = asked.strip_prefix(ALGORITHM).unwrap_or(asked);
    digits.len() >= SHORTEST_ID
        && id
            .strip_prefix(ALGORITHM)
            .is_some_and(|id| id.starts_with(digits))
}

#[cfg(test)]
mod tests {
    use super::{full, join, split};

    #[test]
    fn references_are_completed() {
        assert_eq!(full("busybox"), "busybox:latest");
        assert_eq!(full("docker.io/library/busybox:1"), "busybox:1");
        assert_eq!(full("localhost:5000/a"), "localhost:5000/a:latest");
        assert_eq!(split("localhost:5000/a:b"), ("localhost:5000/a", "b"));
        assert_eq!(join("a", "b").unwrap(), "a:b");
        assert!(join("A", "").is_err() && join("a b", "").is_err());
    }
}
