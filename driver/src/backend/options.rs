//! Reading the options of a Create: `docker volume create -o key=value`.
//!
//! An option that is not known is refused with the nearest one that is. Values are checked here,
//! so that what reaches a mount helper is one value and nothing more.

use crate::{
    error::{Error, Quoted},
    mount::options::{MountOptions, check_value},
    suggest,
    types::Options,
};

/// Mount options that users may hand through to a helper, under a prefix: `s3fs-umask=022`.
#[derive(Debug, Clone, Copy)]
pub(super) struct PassThrough {
    pub(super) prefix: &'static str,
    /// Those with a value.
    pub(super) values: &'static [&'static str],
    /// Those without one; `-o nfs-noatime`.
    pub(super) flags: &'static [&'static str],
}

/// The options of one volume.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given<'a> {
    options: &'a Options,
}

impl<'a> Given<'a> {
    /// Takes the options if all of them are known.
    pub(super) fn check(
        options: &'a Options,
        accepted: &[&str],
        through: Option<&PassThrough>,
    ) -> Result<Self, Error> {
        for key in options.keys() {
            let passed = through.is_some_and(|through| through.accepts(key));
            if !passed && !accepted.contains(&key.as_str()) {
                return Err(Error::invalid_option(key, unknown(key, accepted, through)));
            }
        }
        Ok(Self { options })
    }

    /// Any text that is not empty and has no control characters.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, Error> {
        let Some(value) = self.options.get(key) else {
            return Ok(None);
        };
        if value.is_empty() {
            return Err(Error::invalid_option(key, "the value is empty"));
        }
        if value.chars().any(char::is_control) {
            return Err(Error::invalid_option(
                key,
                "the value holds a control character",
            ));
        }
        Ok(Some(value))
    }

    /// A text that is one value in a list of mount options.
    pub(super) fn value(&self, key: &str) -> Result<Option<&'a str>, Error> {
        let Some(value) = self.options.get(key) else {
            return Ok(None);
        };
        check_value(value).map_err(|problem| Error::invalid_option(key, problem))?;
        Ok(Some(value))
    }

    /// `-o ro`, which Docker sends as `"ro": ""`, and the usual words.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, Error> {
        match self.options.get(key).map(String::as_str) {
            None => Ok(None),
            Some("" | "true" | "1" | "yes" | "on") => Ok(Some(true)),
            Some("false" | "0" | "no" | "off") => Ok(Some(false)),
            Some(other) => Err(Error::invalid_option(
                key,
                format!("{} is neither true nor false", Quoted(other)),
            )),
        }
    }

    /// One of a few words.
    pub(super) fn choice(&self, key: &str, choices: &[&str]) -> Result<Option<&'a str>, Error> {
        match self.options.get(key).map(String::as_str) {
            None => Ok(None),
            Some(value) if choices.contains(&value) => Ok(Some(value)),
            Some(other) => {
                let (shown, choices) = (Quoted(other), choices.join(", "));
                Err(Error::invalid_option(
                    key,
                    format!("{shown} is none of {choices}"),
                ))
            }
        }
    }

    /// A user or group by number.
    pub(super) fn id(&self, key: &str) -> Result<Option<u32>, Error> {
        let value = self.options.get(key);
        value
            .map(|value| id(value).map_err(|problem| Error::invalid_option(key, problem)))
            .transpose()
    }

    /// A file mode in octal digits.
    pub(super) fn mode(&self, key: &str) -> Result<Option<u32>, Error> {
        let value = self.options.get(key);
        value
            .map(|value| mode(value).map_err(|problem| Error::invalid_option(key, problem)))
            .transpose()
    }

    /// The mount options of a volume, to begin with: `ro`, where it asks for that.
    pub(super) fn mount_options(&self) -> Result<MountOptions, Error> {
        let mut options = MountOptions::default();
        if self.flag("ro")? == Some(true) {
            options.flag("ro");
        }
        Ok(options)
    }

    /// Adds what is handed through to the helper.
    pub(super) fn pass_through(
        &self,
        through: &PassThrough,
        options: &mut MountOptions,
    ) -> Result<(), Error> {
        for (key, value) in self.options {
            let Some(name) = key.strip_prefix(through.prefix) else {
                continue;
            };
            if through.flags.contains(&name) {
                match self.flag(key)? {
                    Some(true) => options.flag(name),
                    _ => options.remove(name),
                }
            } else if through.values.contains(&name) {
                options
                    .set(name, value)
                    .map_err(|problem| Error::invalid_option(key, problem))?;
            }
        }
        Ok(())
    }
}

impl PassThrough {
    fn accepts(&self, key: &str) -> bool {
        key.strip_prefix(self.prefix)
            .is_some_and(|name| self.values.contains(&name) || self.flags.contains(&name))
    }

    fn names(&self) -> impl Iterator<Item = String> {
        self.values
            .iter()
            .chain(self.flags)
            .map(|name| format!("{}{name}", self.prefix))
    }
}

/// Octal digits such as `0750`.
pub(super) fn mode(value: &str) -> Result<u32, String> {
    let wellformed =
        (3..=5).contains(&value.len()) && value.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    match u32::from_str_radix(value, 8) {
        Ok(mode) if wellformed && mode <= 0o7777 => Ok(mode),
        _ => Err(format!(
            "{} is no file mode; expected octal digits such as 0750",
            Quoted(value)
        )),
    }
}

/// A user or group by number.
pub(super) fn id(value: &str) -> Result<u32, String> {
    // The highest number means "leave it" to chown(2).
    match value.parse::<u32>() {
        Ok(id) if id != u32::MAX && !value.starts_with('+') => Ok(id),
        _ => Err(format!("{} is no numeric ID", Quoted(value))),
    }
}

/// What is wrong with an option that nobody knows, and what was meant perhaps. Mount options are
/// listed when the key looks like one of them.
fn unknown(key: &str, accepted: &[&str], through: Option<&PassThrough>) -> String {
    let accepted = accepted.iter().copied();
    match through {
        None => suggest::unknown(key, accepted),
        Some(through) if key.starts_with(through.prefix) => {
            let names: Vec<_> = through.names().collect();
            suggest::unknown(key, accepted.chain(names.iter().map(String::as_str)))
        }
        Some(PassThrough { prefix, .. }) => format!(
            "{}, and mount options as {prefix}…",
            suggest::unknown(key, accepted)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THROUGH: PassThrough = PassThrough {
        prefix: "x-",
        values: &["umask"],
        flags: &["noatime"],
    };

    fn options(pairs: &[(&str, &str)]) -> Options {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn only_listed_options_are_handed_through_each_as_one() {
        let pairs = [("x-umask", "022"), ("x-noatime", "")];
        let options_given = options(&pairs);
        let given = Given::check(&options_given, &[], Some(&THROUGH)).unwrap();
        let mut list = MountOptions::default();
        given.pass_through(&THROUGH, &mut list).unwrap();
        assert_eq!(list.to_string(), "noatime,umask=022");

        let sneaky = options(&[("x-umask", "022,suid")]);
        let given = Given::check(&sneaky, &[], Some(&THROUGH)).unwrap();
        let error = given
            .pass_through(&THROUGH, &mut list)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("\"x-umask\"") && !error.contains("suid"),
            "{error}"
        );

        for bad in ["x-suid", "x-", "umask", "x-umask,suid"] {
            let unlisted = options(&[(bad, "1")]);
            assert!(
                Given::check(&unlisted, &["ro"], Some(&THROUGH)).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn unknown_options_come_with_advice_and_without_their_value() {
        let typo = options(&[("buckets", "hunter2")]);
        let error = Given::check(&typo, &["bucket", "ro"], Some(&THROUGH))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("did you mean bucket?")
                && error.contains("x-…")
                && !error.contains("hunter2"),
            "{error}"
        );
    }

    #[test]
    fn flags_are_words() {
        for (value, expected) in [("", true), ("true", true), ("0", false), ("no", false)] {
            let pairs = options(&[("ro", value)]);
            let given = Given::check(&pairs, &["ro"], None).unwrap();
            assert_eq!(given.flag("ro").unwrap(), Some(expected));
        }
        let pairs = options(&[("ro", "maybe"), ("empty", ""), ("lines", "a\nb")]);
        let given = Given::check(&pairs, &["ro", "empty", "lines"], None).unwrap();
        assert!(
            given.flag("ro").is_err()
                && given.text("empty").is_err()
                && given.text("lines").is_err()
        );
        assert_eq!(given.flag("absent").unwrap(), None);
    }
}
