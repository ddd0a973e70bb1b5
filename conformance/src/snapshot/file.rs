//! Snapshot files in insta's format: a header between two lines `---`, and the content.

use std::io;
use std::path::{Path, PathBuf};

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snap {
    /// What it shows, for who reviews it.
    pub(super) expression: String,
    /// The content, as [`normal`] makes it.
    content: String,
}

impl Snap {
    pub(super) fn new(expression: &str, content: &str) -> Self {
        Self {
            expression: expression.to_owned(),
            content: normal(content),
        }
    }

    pub(super) fn content(&self) -> &str {
        &self.content
    }

    /// The content of a file, if it is there, whichever program has written it.
    pub(super) fn read(path: &Path) -> io::Result<Option<String>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => normal(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let parts = text
            .strip_prefix("---\n")
            .and_then(|text| text.split_once("\n---\n"));
        Ok(Some(parts.map_or("", |(_, content)| content).to_owned()))
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

/// A text without blanks at its end and with plain newlines, as insta keeps it (`TextSnapshotContents::normalize`):
/// what `cargo insta accept` has written has to be what the next run finds.
fn normal(text: &str) -> String {
    text.trim_end().replace("\r\n", "\n")
}

/// Where what differs is kept until somebody looks at it.
pub(super) fn pending(path: &Path) -> PathBuf {
    path.with_extension("snap.new")
}

/// Whether `cargo insta` finds a directory: it walks through Cargo's packages, past hidden directories
/// and those named `target`.
pub(super) fn is_found_by_cargo_insta(directory: &Path) -> bool {
    let Ok(directory) = directory.canonicalize() else {
        return false;
    };
    for ancestor in directory.ancestors() {
        if let Ok(manifest) = std::fs::read_to_string(ancestor.join("Cargo.toml")) {
            return manifest.lines().any(|line| line.trim() == "[package]");
        }
        let name = ancestor.file_name().unwrap_or_default().to_string_lossy();
        if name == "target" || name.starts_with('.') {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("get.works.snap");
        (directory, path)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let (_directory, path) = inside();
        assert_eq!(Snap::read(&path).unwrap(), None);
        let snap = Snap::new("a \"rule\": yes", "> one\n---\n< two\r\n< ");
        snap.write(&path).unwrap();
        assert_eq!(Snap::read(&path).unwrap().as_deref(), Some(snap.content()));
        assert!(pending(&path).ends_with("get.works.snap.new"));
        // As a checkout with the line ends of Windows has it.
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace('\n', "\r\n")).unwrap();
        assert_eq!(Snap::read(&path).unwrap().as_deref(), Some(snap.content()));
    }

    /// `cargo insta accept` is these two calls of insta's library.
    #[test]
    fn what_insta_accepts_is_what_was_pending() {
        let rules = [
            "a rule",
            "a \"rule\": it's - yes, #1 {at} *all* \\ times",
            "",
            "12",
            "…",
        ];
        let contents = [
            "> one\n< two",
            "> one\n---\n< two\n< ",
            "\n> after a blank line\n\n< \r\n< {\"Err\":\"\"}\t \n\n",
            "must passed\n> a\rb\n< \u{7f}\u{1}",
        ];
        for (rule, content) in rules.iter().flat_map(|rule| contents.map(|c| (rule, c))) {
            let (_directory, path) = inside();
            let snap = Snap::new(rule, content);
            snap.write(&pending(&path)).unwrap();
            let read = insta::Snapshot::from_file(&pending(&path)).unwrap();
            assert_eq!(read.metadata().source(), Some("volplug-conformance"));
            assert_eq!(read.metadata().expression(), Some(*rule));
            assert_eq!(read.as_text().unwrap().to_string(), snap.content());
            read.save(&path).unwrap();
            assert_eq!(Snap::read(&path).unwrap().as_deref(), Some(snap.content()));
        }
    }

    #[test]
    fn cargo_insta_is_named_where_it_finds_the_directory() {
        let directory = tempfile::Builder::new().prefix("vp").tempdir().unwrap();
        let inner = |path: &str| {
            let inner = directory.path().join(path);
            std::fs::create_dir_all(&inner).unwrap();
            inner
        };
        let (snapshots, built) = (inner("tests/snapshots"), inner("target/snapshots"));
        assert!(!is_found_by_cargo_insta(&snapshots));
        let manifest = directory.path().join("Cargo.toml");
        std::fs::write(&manifest, "[workspace]\n").unwrap();
        assert!(!is_found_by_cargo_insta(&snapshots));
        std::fs::write(&manifest, "[package]\nname = \"mine\"\n").unwrap();
        assert!(is_found_by_cargo_insta(&snapshots));
        assert!(!is_found_by_cargo_insta(&built));
    }
}
