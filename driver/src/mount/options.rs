//! Lists of mount options that no value can add to.
//!
//! `mount -o` takes one text of options with commas between them, and FUSE helpers undo
//! backslashes in it. A value from a user that holds a comma would be two options: such values
//! are refused, not escaped, since helpers disagree on escapes.

use crate::error::Quoted;

/// Options for one `-o`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MountOptions(Vec<String>);

impl MountOptions {
    /// Options that the administrator gave as one text; taken as they are.
    pub(crate) fn trusted(text: &str) -> Self {
        Self(
            text.split(',')
                .filter(|option| !option.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }

    /// An option without a value. One of the same name is replaced.
    pub(crate) fn flag(&mut self, name: &str) {
        self.remove(name);
        self.0.push(name.to_owned());
    }

    /// An option with a value; the last one given counts.
    ///
    /// # Errors
    /// A sentence about the value, when it could be read as more than one value.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        check_value(value)?;
        self.remove(name);
        self.0.push(format!("{name}={value}"));
        Ok(())
    }

    /// The same with a value that the driver made itself, such as a number.
    pub(crate) fn put(&mut self, name: &str, value: impl std::fmt::Display) {
        self.remove(name);
        self.0.push(format!("{name}={value}"));
    }

    /// Adds the others; each replaces one of its name.
    pub(crate) fn extend(&mut self, others: &Self) {
        for option in &others.0 {
            self.remove(name_of(option));
            self.0.push(option.clone());
        }
    }

    /// Whether an option of this name is there, with a value or without.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|option| name_of(option) == name)
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|option| name_of(option) != name);
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Display for MountOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

fn name_of(option: &str) -> &str {
    option.split_once('=').map_or(option, |(name, _)| name)
}

/// Whether a text is one value to every mount helper.
///
/// # Errors
/// A sentence that shows what cannot be in it.
pub(crate) fn check_value(value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err("the value is empty".to_owned());
    }
    let forbidden =
        |char: &char| matches!(char, ',' | '\\' | '"') || char.is_whitespace() || char.is_control();
    match value.chars().find(forbidden) {
        None => Ok(()),
        Some(char) => Err(format!(
            "the value holds {}, which could be read as another mount option",
            Quoted(&char.to_string())
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_never_becomes_two_options() {
        for value in [
            "a,uid=0",
            "a\nb",
            "a b",
            "a\\,b",
            "\"a",
            "",
            "a\0",
            "a\tb",
            "a\u{2028}b",
        ] {
            let mut options = MountOptions::default();
            assert!(options.set("vers", value).is_err(), "{value:?}");
            assert!(options.is_empty());
        }
        for value in ["4.2", "a=b", "-oallow_other", "é", "/a/b:c"] {
            let mut options = MountOptions::default();
            options.set("vers", value).unwrap();
            assert_eq!(options.to_string(), format!("vers={value}"));
        }
    }

    #[test]
    fn the_last_word_counts() {
        let mut options = MountOptions::trusted("soft,timeo=10,,ro");
        options.put("timeo", 20);
        options.flag("ro");
        assert_eq!(options.to_string(), "soft,timeo=20,ro");
        options.remove("soft");
        assert!(!options.has("soft") && options.has("timeo"));
    }
}
