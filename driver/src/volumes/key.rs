//! Any volume name as a safe directory name.
//!
//! Docker forwards every name, so `../../etc`, `a/b`, names of one dot and names of 4 KiB must
//! all become one harmless path component, and two names never the same one: not on a file
//! system that ignores case, nor on one that normalises Unicode. Lower-case ASCII letters,
//! digits, `_`, `-` and inner dots stand for themselves, every other byte is written `%xx`.
//! What would be too long ends in the SHA-256 of the name instead, marked by `%sha256-`, which
//! the encoding of a short name cannot contain.

use std::{ffi::OsStr, fmt, fmt::Write as _, path::Path};

use sha2::{Digest, Sha256};

use crate::types::VolumeName;

/// Longest component written. File systems allow 255 bytes (eCryptfs 143); the rest is left for
/// what a backend may put around it.
const MAX_BYTES: usize = 140;
const HASH_MARK: &str = "%sha256-";
const HASH_HEX: usize = 64;

/// A volume's place in a directory: one path component, made from its name by an injective rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// The key of a name.
    #[must_use]
    pub fn of(name: &VolumeName) -> Self {
        let encoded = encode(name);
        if encoded.len() <= MAX_BYTES {
            return Self(encoded);
        }
        let mut key = encoded;
        truncate_at_escape(&mut key, MAX_BYTES - HASH_MARK.len() - HASH_HEX);
        key.push_str(HASH_MARK);
        for byte in Sha256::digest(name.as_bytes()) {
            // Writing to a String cannot fail.
            let _ = write!(key, "{byte:02x}");
        }
        Self(key)
    }

    /// The name that this directory was made for. `None` for a directory that is no key, and for
    /// the key of a long name, which cannot be turned back.
    #[must_use]
    pub fn name_of(component: &OsStr) -> Option<VolumeName> {
        let name = VolumeName::new(decode(component.to_str()?)?).ok()?;
        // Only the one canonical spelling counts: `%61` is not the directory of "a".
        (OsStr::new(&Self::of(&name).0) == component).then_some(name)
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name can be read back from the key.
    #[must_use]
    pub fn is_reversible(&self) -> bool {
        !self.0.contains(HASH_MARK)
    }
}

impl AsRef<Path> for Key {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn encode(name: &str) -> String {
    let last = name.len().saturating_sub(1);
    let mut encoded = String::with_capacity(name.len());
    for (index, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => encoded.push(char::from(byte)),
            b'.' if index > 0 && index < last => encoded.push('.'),
            _ => {
                let _ = write!(encoded, "%{byte:02x}");
            }
        }
    }
    encoded
}

fn decode(component: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(component.len());
    let mut rest = component.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Cuts to at most `limit` bytes of ASCII without leaving half a `%xx`.
fn truncate_at_escape(text: &mut String, limit: usize) {
    text.truncate(limit);
    if let Some(start) = text.rfind('%')
        && text.len() - start < 3
    {
        text.truncate(start);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(name: &str) -> String {
        Key::of(&VolumeName::new(name).unwrap()).as_str().to_owned()
    }

    #[test]
    fn hostile_names_become_harmless_components() {
        for (name, expected) in [
            ("v1", "v1"),
            ("a.b", "a.b"),
            (".", "%2e"),
            ("..", "%2e%2e"),
            (".ab", "%2eab"),
            ("ab.", "ab%2e"),
            ("../../etc", "%2e./..%2fetc"),
            ("a/b", "a%2fb"),
            ("A", "%41"),
            ("é", "%c3%a9"),
            ("e\u{301}", "e%cc%81"),
            ("a\nb", "a%0ab"),
            ("<a&b>", "%3ca%26b%3e"),
            ("%61", "%2561"),
        ] {
            if name == "../../etc" {
                assert_eq!(key(name), "%2e.%2f..%2fetc");
            } else {
                assert_eq!(key(name), expected, "{name:?}");
            }
        }
    }

    #[test]
    fn long_names_are_told_apart_by_their_hash() {
        let (one, two) = ("x".repeat(4096), "x".repeat(4095) + "y");
        assert_ne!(key(&one), key(&two));
        assert!(key(&one).len() <= MAX_BYTES);
        assert_eq!(Key::name_of(OsStr::new(&key(&one))), None);
        // The cut never leaves half an escape behind.
        for pad in 0..4 {
            let name = "x".repeat(pad) + &"é".repeat(200);
            let (prefix, _) = key(&name)
                .split_once(HASH_MARK)
                .map(|(a, b)| (a.to_owned(), b.to_owned()))
                .unwrap();
            assert!(
                decode(&prefix).is_some() || prefix.ends_with("%c3"),
                "{prefix}"
            );
        }
    }

    #[test]
    fn foreign_directories_are_not_taken_for_volumes() {
        for foreign in [
            "lost+found",
            "UPPER",
            "%zz",
            "%6",
            "%61",
            ".hidden",
            "%2E",
            "%sha256-00",
        ] {
            assert_eq!(Key::name_of(OsStr::new(foreign)), None, "{foreign}");
        }
    }

    proptest! {
        #[test]
        fn keys_are_injective_safe_and_reversible(one in ".{1,60}", two in ".{1,60}") {
            let (Ok(one), Ok(two)) = (VolumeName::new(one), VolumeName::new(two)) else { return Ok(()) };
            let (a, b) = (Key::of(&one), Key::of(&two));
            prop_assert_eq!(one == two, a == b);
            prop_assert_eq!(one == two, a.as_str().eq_ignore_ascii_case(b.as_str()));
            for key in [&a, &b] {
                let text = key.as_str();
                prop_assert!(!text.is_empty() && text.len() <= 255 && text.is_ascii());
                prop_assert!(!text.contains('/') && !text.starts_with('.') && !text.ends_with('.'));
            }
            if a.is_reversible() {
                prop_assert_eq!(Key::name_of(OsStr::new(a.as_str())), Some(one));
            }
        }
    }
}
