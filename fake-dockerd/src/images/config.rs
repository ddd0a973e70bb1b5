//! What an image says about containers of it, and how `docker import -c` changes it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::volumes::Pairs;

/// The path of a shell command's shell.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// A set, as Go's maps to empty structs are written.
pub(crate) type Set = BTreeMap<String, Empty>;

/// Nothing, as `{}`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Empty {}

/// The configuration, with the names of the Engine API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct ImageConfig {
    pub(crate) user: String,
    pub(crate) exposed_ports: Option<Set>,
    pub(crate) env: Option<Vec<String>>,
    pub(crate) cmd: Option<Vec<String>>,
    pub(crate) volumes: Option<Set>,
    pub(crate) working_dir: String,
    pub(crate) entrypoint: Option<Vec<String>>,
    pub(crate) on_build: Option<Vec<String>>,
    pub(crate) labels: Option<Pairs>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) stop_signal: String,
}

impl ImageConfig {
    /// A configuration of nothing but changes, each an instruction of a Dockerfile.
    ///
    /// # Errors
    /// An instruction that is none, or not one for an import (moby's `BuildFromConfig`).
    pub(crate) fn of_changes<'a>(changes: impl Iterator<Item = &'a str>) -> Result<Self> {
        let mut config = Self::default();
        for change in changes.map(str::trim).filter(|change| !change.is_empty()) {
            let (instruction, rest) = change
                .split_once(char::is_whitespace)
                .map_or((change, ""), |(word, rest)| (word, rest.trim()));
            config.change(instruction, rest)?;
        }
        Ok(config)
    }

    fn change(&mut self, instruction: &str, rest: &str) -> Result<()> {
        let upper = instruction.to_uppercase();
        if rest.is_empty() {
            return Err(Error::invalid(format!(
                "{upper} requires at least one argument"
            )));
        }
        match upper.as_str() {
            "CMD" => self.cmd = Some(command(rest)),
            "ENTRYPOINT" => {
                self.entrypoint = Some(command(rest));
                // A command was an argument of the entrypoint before.
                self.cmd = None;
            }
            "ENV" => {
                let env = self.env.get_or_insert_default();
                for (key, value) in pairs("ENV", rest)? {
                    let old = format!("{key}=");
                    env.retain(|pair| !pair.starts_with(&old));
                    env.push(format!("{key}={value}"));
                }
            }
            "EXPOSE" => {
                let ports = rest
                    .split_whitespace()
                    .map(|port| match port.split_once('/') {
                        Some(_) => port.to_lowercase(),
                        None => format!("{port}/tcp"),
                    });
                extend(&mut self.exposed_ports, ports);
            }
            "LABEL" => {
                let labels = pairs("LABEL", rest)?;
                self.labels.get_or_insert_default().extend(labels);
            }
            "ONBUILD" => self.on_build.get_or_insert_default().push(rest.to_owned()),
            "STOPSIGNAL" => rest.clone_into(&mut self.stop_signal),
            "USER" => rest.clone_into(&mut self.user),
            "VOLUME" => {
                let paths = list(rest).unwrap_or_else(|| words(rest));
                if paths.iter().any(String::is_empty) {
                    return Err(Error::invalid(
                        "VOLUME specified can not be an empty string",
                    ));
                }
                extend(&mut self.volumes, paths);
            }
            "WORKDIR" => {
                let current = match self.working_dir.as_str() {
                    "" => "/",
                    current => current,
                };
                let joined = if rest.starts_with('/') {
                    rest.to_owned()
                } else {
                    format!("{current}/{rest}")
                };
                self.working_dir = crate::containers::clean(&joined);
            }
            "HEALTHCHECK" => {
                return Err(Error::new(
                    crate::error::ErrorKind::NotImplemented,
                    "fake-dockerd does not serve docker import with HEALTHCHECK: nothing checks a \
                     container's health",
                ));
            }
            _ => {
                return Err(Error::invalid(format!(
                    "{instruction} is not a valid change command"
                )));
            }
        }
        Ok(())
    }
}

fn extend(set: &mut Option<Set>, names: impl IntoIterator<Item = String>) {
    let named = names.into_iter().map(|name| (name, Empty {}));
    set.get_or_insert_default().extend(named);
}

/// The JSON form of an instruction.
fn list(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn command(text: &str) -> Vec<String> {
    list(text).unwrap_or_else(|| {
        let shell = SHELL.into_iter().map(str::to_owned);
        shell.chain([text.to_owned()]).collect()
    })
}

/// `KEY=VALUE …` with quotes, or the old `KEY VALUE`.
fn pairs(instruction: &str, text: &str) -> Result<Vec<(String, String)>> {
    let first = text.split_whitespace().next().unwrap_or_default();
    if !first.contains('=') {
        let pair = text.split_once(char::is_whitespace);
        let (key, value) =
            pair.ok_or_else(|| Error::invalid(format!("{instruction} must have two arguments")))?;
        return Ok(vec![(key.to_owned(), value.trim().to_owned())]);
    }
    let words = shell_words::split(text)
        .map_err(|error| Error::invalid(format!("{instruction} {text}: {error}")))?;
    words
        .into_iter()
        .map(|word| match word.split_once('=') {
            Some(("", _)) => Err(Error::invalid(format!(
                "{instruction} names can not be blank"
            ))),
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => Err(Error::invalid(format!(
                "Syntax error - can't find = in \"{word}\". Must be of the form: name=value"
            ))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::ImageConfig;

    #[test]
    fn changes_are_read_as_instructions() {
        let config = ImageConfig::of_changes(
            [
                "VOLUME /data /logs",
                "volume [\"/with space\"]",
                "ENV A=1 B=\"2 3\"",
                "ENV A=4",
                "ENTRYPOINT [\"/init\"]",
                "CMD echo hi",
                "EXPOSE 80 53/UDP",
                "WORKDIR /srv",
                "WORKDIR app/..",
                "LABEL a=b",
                "USER 5:6",
            ]
            .into_iter(),
        )
        .unwrap();
        let keys = |set: Option<super::Set>| set.unwrap().into_keys().collect::<Vec<_>>();
        assert_eq!(keys(config.volumes), ["/data", "/logs", "/with space"]);
        assert_eq!(config.env.unwrap(), ["B=2 3", "A=4"]);
        assert_eq!(config.entrypoint.unwrap(), ["/init"]);
        assert_eq!(config.cmd.unwrap(), ["/bin/sh", "-c", "echo hi"]);
        assert_eq!(keys(config.exposed_ports), ["53/udp", "80/tcp"]);
        assert_eq!(config.working_dir, "/srv");
        assert_eq!(config.labels.unwrap()["a"], "b");
        assert_eq!(config.user, "5:6");
    }

    #[test]
    fn what_is_no_change_is_refused_by_its_name() {
        let refused = |change| {
            let error = ImageConfig::of_changes([change].into_iter()).unwrap_err();
            error.message().to_owned()
        };
        assert_eq!(refused("RUN x"), "RUN is not a valid change command");
        assert_eq!(refused("VOLUME"), "VOLUME requires at least one argument");
        assert!(refused("ENV A=1 B").starts_with("Syntax error - can't find = in \"B\""));
    }
}
