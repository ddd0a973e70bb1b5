//! Completions and manual pages, as they are installed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::path::Path;
use std::process::Command;

/// What the program prints when it works.
fn printed(words: &[&str], directory: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_fake-dockerd"))
        .args(words)
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_shell_completes_the_options() {
    let place = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let told = printed(&["completions", shell], place.path());
        for word in ["fake-dockerd", "data-root", "live-restore"] {
            assert!(told.contains(word), "{shell}: {word}\n{told}");
        }
    }
}

#[test]
fn manual_pages_tell_the_options() {
    let place = tempfile::tempdir().unwrap();
    assert_eq!(printed(&["man", "pages"], place.path()), "");
    let page = |name: &str| {
        let text = std::fs::read_to_string(place.path().join("pages").join(name)).unwrap();
        // Dashes are written so that they are not taken for hyphens.
        text.replace("\\-", "-")
    };
    assert!(page("fake-dockerd.1").contains(".TH fake-dockerd 1"));
    for option in ["--sockets-dir", "--live-restore", "28.5"] {
        let page = page("fake-dockerd.1");
        assert!(page.contains(option), "{option}\n{page}");
    }
}
