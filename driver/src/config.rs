//! The configuration file: several plugins for one process.
//!
//! ```toml
//! [[plugin]]
//! name = "fast"
//! backend = "local"
//! data-root = "/srv/fast"
//!
//! [[plugin]]
//! name = "shared"
//! backend = "local"
//! data-root = "/srv/shared"
//! request-timeout = 20
//! ```
//!
//! Each table is a command line, `volplug-driver BACKEND --name …`, in other words: its keys are
//! the long options, a flag is `true`, an option that may be repeated is a list. Keys and values
//! are read by the same code, so the two cannot differ. Only the environment has no say here, for
//! one variable cannot be meant for several plugins.

use std::{collections::BTreeMap, fs, path::Path};

use clap::{Arg, ArgAction, Command, FromArgMatches as _, Subcommand as _, builder::Resettable};
use serde::Deserialize;
use toml::{Table, Value};

use crate::{StartError, plugin::PluginConfig, suggest};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "plugin")]
    plugins: Vec<Table>,
}

/// Reads the plugins of a file.
///
/// # Errors
/// [`StartError::Config`] when the file cannot be read, or says something that is not understood.
pub fn read(path: &Path) -> Result<Vec<PluginConfig>, StartError> {
    let text =
        fs::read_to_string(path).map_err(|error| StartError::config(path.display(), error))?;
    parse(&text).map_err(|reason| StartError::config(path.display(), reason))
}

/// Refuses plugins that would stand in each other's way.
///
/// # Errors
/// [`StartError::Config`] naming two plugins and what both of them want.
pub fn check(plugins: &[PluginConfig], source: &str) -> Result<(), StartError> {
    let mut taken = BTreeMap::new();
    for config in plugins {
        let options = config.options();
        let wanted = [
            Some(("name", options.name().to_owned())),
            options
                .socket()
                .map(|path| ("socket", path.display().to_string())),
            options
                .listen
                .tcp
                .filter(|address| address.port() != 0)
                .map(|address| ("tcp", address.to_string())),
            Some(match &options.state_dir {
                Some(directory) => ("state-dir", directory.display().to_string()),
                None => ("data-root", options.data_root.display().to_string()),
            }),
        ];
        for want in wanted.into_iter().flatten() {
            let (key, value) = want.clone();
            if let Some(other) = taken.insert(want, options.name()) {
                let reason = format!(
                    "the plugins {other:?} and {:?} both have {key} = {value:?}: each needs one of \
                     its own",
                    options.name()
                );
                return Err(StartError::config(source, reason));
            }
        }
    }
    Ok(())
}

fn parse(text: &str) -> Result<Vec<PluginConfig>, String> {
    let file: File = toml::from_str(text).map_err(|error| one_line(&error.to_string()))?;
    let number = 1..;
    number
        .zip(&file.plugins)
        .map(|(number, table)| {
            let name = table.get("name").and_then(Value::as_str);
            let shown = name.map_or_else(|| format!("no. {number}"), |name| format!("{name:?}"));
            plugin(table).map_err(|reason| format!("plugin {shown}: {reason}"))
        })
        .collect()
}

fn plugin(table: &Table) -> Result<PluginConfig, String> {
    let kinds = PluginConfig::augment_subcommands(Command::new("plugin").no_binary_name(true));
    let words = words(&kinds, table)?;
    let without_environment = |arg: Arg| arg.env(Resettable::Reset);
    kinds
        .mut_subcommands(|kind| kind.mut_args(without_environment))
        .try_get_matches_from(words)
        .and_then(|matches| PluginConfig::from_arg_matches(&matches))
        .map_err(|error| one_line(&error.to_string()))
}

/// A table as a command line.
fn words(kinds: &Command, table: &Table) -> Result<Vec<String>, String> {
    let names = kinds.get_subcommands().map(Command::get_name);
    let backend = match table.get("backend") {
        Some(Value::String(backend)) => backend,
        Some(_) => return Err("backend is not a text".to_owned()),
        None => {
            let names = names.collect::<Vec<_>>().join(", ");
            return Err(format!("it has no backend; there are {names}"));
        }
    };
    let kind = kinds.find_subcommand(backend).ok_or_else(|| {
        format!(
            "backend {backend:?} is {}",
            suggest::unknown(backend, names)
        )
    })?;
    let mut words = vec![backend.clone()];
    for (key, value) in table.iter().filter(|(key, _)| *key != "backend") {
        let mut args = kind.get_arguments();
        let arg = args
            .find(|arg| arg.get_long() == Some(key))
            .ok_or_else(|| {
                let shown = kind.get_arguments().filter(|arg| !arg.is_hide_set());
                let known = shown.filter_map(Arg::get_long).chain(["backend"]);
                format!("key {key:?} is {}", suggest::unknown(key, known))
            })?;
        let flag = matches!(arg.get_action(), ArgAction::SetTrue);
        push(&mut words, key, value, flag)?;
    }
    Ok(words)
}

/// A key and its value as words of a command line.
fn push(words: &mut Vec<String>, key: &str, value: &Value, flag: bool) -> Result<(), String> {
    let text = match value {
        Value::Boolean(true) if flag => {
            words.push(format!("--{key}"));
            return Ok(());
        }
        Value::Boolean(false) if flag => return Ok(()),
        _ if flag => return Err(format!("{key} is either true or false")),
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(value) => value.to_string(),
        Value::Array(items) => {
            return items
                .iter()
                .filter(|item| !item.is_array())
                .try_for_each(|item| push(words, key, item, flag));
        }
        Value::Datetime(_) | Value::Table(_) => {
            return Err(format!("{key} takes a text, a number or a list of them"));
        }
    };
    words.push(format!("--{key}={text}"));
    Ok(())
}

/// The gist of an error that was made for a terminal.
fn one_line(error: &str) -> String {
    let plain = error.strip_prefix("error: ").unwrap_or(error);
    let lines = plain
        .lines()
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        // The excerpt that toml shows of the file.
        .filter(|line| !line.contains('|'));
    lines
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        parse(text).unwrap_err()
    }

    #[test]
    fn keys_are_the_options_of_the_command_line() {
        let plugins = parse(
            r#"
            [[plugin]]
            name = "fast"
            backend = "local"
            socket = "/run/fast.sock"
            data-root = "/srv/fast"
            scope = "global"
            request-timeout = 20
            forget-holds = true
            [[plugin]]
            backend = "local"
            tcp = "127.0.0.1:0"
            allow-plain-tcp = false
            "#,
        )
        .unwrap();
        let [fast, other] = &plugins[..] else {
            panic!("{plugins:?}")
        };
        let fast = fast.options();
        assert_eq!(fast.name(), "fast");
        assert_eq!(fast.data_root, Path::new("/srv/fast"));
        assert_eq!((fast.request_timeout, fast.forget_holds), (Some(20), true));
        assert_eq!(other.options().name(), "volplug");
        assert_eq!(other.options().socket(), None);
    }

    #[test]
    fn mistakes_are_told_with_the_nearest_right_word() {
        for (text, expected) in [
            (
                "[[plugin]]\nname = 'a'",
                "plugin \"a\": it has no backend; there are local",
            ),
            (
                "[[plugin]]\nbackend = 'lcoal'",
                "plugin no. 1: backend \"lcoal\" is not known, did you mean local?",
            ),
            (
                "[[plugin]]\nbackend = 'local'\ndata_rot = '/x'",
                "key \"data_rot\" is not known, did you mean data-root?",
            ),
            (
                "[[plugin]]\nbackend = 'local'\nhelp = true",
                "key \"help\" is not known",
            ),
            (
                "[[plugin]]\nbackend = 'local'\nscope = 'galactic'",
                "invalid value 'galactic' for '--scope",
            ),
            (
                "[[plugin]]\nbackend = 'local'\nforget-holds = 'yes'",
                "forget-holds is either true or false",
            ),
            (
                "[[plugin]]\nbackend = 'local'\nsocket = { a = 1 }",
                "socket takes a text",
            ),
            (
                "[[plugin]]\nbackend = 'local'\ntls-cert = '/x'",
                "--tls-key",
            ),
            (
                "[[plugins]]\nbackend = 'local'",
                "unknown field `plugins`, expected `plugin`",
            ),
            ("[[plugin]\n", "line 1"),
        ] {
            let refusal = refusal(text);
            assert!(refusal.contains(expected), "{text}: {refusal}");
            assert!(!refusal.contains('\n'), "{refusal}");
        }
    }

    #[test]
    fn two_plugins_cannot_share_what_is_ones_own() {
        for (one, two, expected) in [
            (
                "name = 'a'\nsocket = '/s'\ndata-root = '/a'",
                "name = 'a'\nsocket = '/t'\ndata-root = '/b'",
                "both have name",
            ),
            (
                "name = 'a'\nsocket = '/s'\ndata-root = '/a'",
                "name = 'b'\nsocket = '/s'\ndata-root = '/b'",
                "both have socket",
            ),
            (
                "name = 'a'",
                "name = 'b'",
                "both have data-root = \"/var/lib/volplug\"",
            ),
        ] {
            let text =
                format!("[[plugin]]\nbackend='local'\n{one}\n[[plugin]]\nbackend='local'\n{two}");
            let refusal = check(&parse(&text).unwrap(), "file")
                .unwrap_err()
                .to_string();
            assert!(refusal.contains(expected), "{refusal}");
        }
    }
}
