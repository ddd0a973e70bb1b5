//! Snapshot files in insta's format: a header between two lines `---`, and the content.

use std::io;
use std::path::{Path, PathBuf};

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snap {
    /// What it shows, for who reviews it.
    pub(super) expression: String,
    /// The content, without a newline at its end.
    pub(super) content: String,
}

impl Snap {
    /// Reads a file, if it is there.
    pub(super) fn read(path: &Path) -> io::Result<Option<Self>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let parts = text
            .strip_prefix("---\n")
            .and_then(|text| text.split_once("\n---\n"));
        let (head, content) = parts.unwrap_or(("", &text));
        let expression = head
            .lines()
            .find_map(|line| line.strip_prefix("expression: "));
        let expression = expression.and_then(|text| serde_json::from_str(text).ok());
        Ok(Some(Self {
            expression: expression.unwrap_or_default(),
            content: content.trim_end_matches('\n').to_owned(),
        }))
    }

    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        // A JSON string is a YAML string.
        let expression = serde_json::Value::from(self.expression.as_str());
        let text = format!(
            "---\nsource: volplug-conformance\nexpression: {expression}\n---\n{}\n",
            self.content
        );
        std::fs::write(path, text)
    }
}

/// Where what differs is kept until somebody looks at it.
pub(super) fn pending(path: &Path) -> PathBuf {
    path.with_extension("snap.new")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_cargo_insta_reads_it_too() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("get.works.snap");
        assert_eq!(Snap::read(&path).unwrap(), None);
        let snap = Snap {
            expression: "a \"rule\": yes".to_owned(),
            content: "> one\n---\n< two".to_owned(),
        };
        snap.write(&path).unwrap();
        assert_eq!(Snap::read(&path).unwrap(), Some(snap));
        assert!(pending(&path).ends_with("get.works.snap.new"));
        let head = std::fs::read_to_string(&path).unwrap();
        assert!(head.starts_with(
            "---\nsource: volplug-conformance\nexpression: \"a \\\"rule\\\": yes\"\n---\n> one\n"
        ));
    }
}
