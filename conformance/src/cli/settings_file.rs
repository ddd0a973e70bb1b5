//! `volplug.toml`: the options of a run, kept beside the plugin's sources.
//!
//! A key is a flag of `run` without its dashes, and is read by the flag's own parser, so that both
//! mean the same. What the command line gives is left out of what the file gives.

use std::ffi::OsString;
use std::path::{Path, PathBuf, absolute};

use clap::builder::ValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args as _, Command};
use toml::de::DeValue;

use super::settings::RunArgs;
use crate::suggest;
use crate::toml_source::{Entry, TomlSource, sorted};

/// The file that is read where it lies in the working directory.
pub(super) const FILE: &str = "volplug.toml";

/// The flags that say what is judged: one of them on the command line stands for all.
const WHO: [&str; 4] = ["socket", "plugin", "reference", "exec"];

/// The flags that hold commands.
const COMMANDS: [&str; 3] = ["exec", "prepare", "cleanup"];

/// The words to add to a command line of `run` for the settings that apply to it.
///
/// # Errors
/// A sentence with file and line: the file cannot be read, a key is not known, a value is not what
/// the flag takes.
pub(super) fn words(given: &ArgMatches) -> Result<Vec<OsString>, String> {
    let told: Option<&PathBuf> = given.get_one("settings");
    let path = match told {
        Some(path) => path.clone(),
        None if Path::new(FILE).exists() => PathBuf::from(FILE),
        None => return Ok(Vec::new()),
    };
    let source = TomlSource::read(&path)?;
    let base = absolute(&path).map_err(|why| format!("{}: {why}", path.display()))?;
    let base = base.parent().unwrap_or(Path::new("/"));
    let flags = RunArgs::augment_args(Command::new(FILE).no_binary_name(true));
    let mut words = Vec::new();
    if told.is_none() {
        words.push(format!("--settings={FILE}").into());
    }
    for entry in source.entries()? {
        let Entry { key, at, value } = entry;
        let flag = find(&flags, &key).map_err(|what| source.error(&at, what))?;
        let values = values(flag, value).map_err(|what| source.error(&at, what))?;
        let set: Vec<OsString> = values
            .iter()
            .map(|value| match value {
                None => format!("--{key}").into(),
                Some(value) => format!("--{key}={}", placed(flag, value, base)).into(),
            })
            .collect();
        check(&flags, &set).map_err(|what| source.error(&at, what))?;
        if !wins(given, &flags, flag) {
            words.extend(set);
        }
    }
    Ok(words)
}

/// The flag that a key stands for.
fn find<'a>(flags: &'a Command, key: &str) -> Result<&'a Arg, String> {
    let settable = || {
        let all = flags.get_arguments();
        all.filter(|flag| !matches!(flag.get_long(), None | Some("settings" | "help")))
    };
    settable()
        .find(|flag| flag.get_long() == Some(key))
        .ok_or_else(|| {
            let nearest = suggest::nearest(key, settable().filter_map(Arg::get_long));
            let hint = suggest::hint(nearest);
            format!(
                "there is no setting `{key}`{hint}; settings are the flags of `run` without dashes"
            )
        })
}

/// What the flag has to be given, once for each; none for a flag without a value.
fn values(flag: &Arg, value: DeValue<'_>) -> Result<Vec<Option<String>>, String> {
    let key = flag.get_long().unwrap_or_default();
    match (flag.get_action(), value) {
        (ArgAction::SetTrue, DeValue::Boolean(on)) => Ok(if on { vec![None] } else { Vec::new() }),
        (ArgAction::SetTrue, _) => Err(format!("`{key}` should be true or false")),
        (ArgAction::Append, DeValue::Array(all)) => {
            let all = all.into_iter().map(|value| scalar(key, value.into_inner()));
            all.map(|value| value.map(Some)).collect()
        }
        // `opt = { path = "/srv" }` and `format = { html = "report.html" }`.
        (ArgAction::Append, DeValue::Table(table)) => sorted(table)
            .into_iter()
            .map(|entry| Ok(Some(format!("{}={}", entry.key, scalar(key, entry.value)?))))
            .collect(),
        (_, value) => Ok(vec![Some(scalar(key, value)?)]),
    }
}

fn scalar(key: &str, value: DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.into_owned()),
        DeValue::Integer(number) => Ok(number.to_string()),
        DeValue::Float(number) => Ok(number.to_string()),
        DeValue::Boolean(true) => Ok("on".to_owned()),
        DeValue::Boolean(false) => Ok("off".to_owned()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => Err(format!(
            "`{key}` should be a text, a number, or a list of them where it may be given twice"
        )),
    }
}

/// A value with its relative paths below the directory of the file.
fn placed(flag: &Arg, value: &str, base: &Path) -> String {
    let below = |path: &str| base.join(path).display().to_string();
    match flag.get_long() {
        Some("socket") => match value.split_once("://") {
            None => below(value),
            Some(("unix", path)) => format!("unix://{}", below(path)),
            Some(_) => value.to_owned(),
        },
        Some("format") => match value.split_once('=') {
            Some((format, file)) if !matches!(file, "" | "-") => {
                format!("{format}={}", below(file))
            }
            _ => value.to_owned(),
        },
        Some(key) if COMMANDS.contains(&key) => command(value, base),
        _ if is_path(flag.get_value_parser()) => below(value),
        _ => value.to_owned(),
    }
}

fn is_path(parser: &ValueParser) -> bool {
    parser.type_id() == ValueParser::path_buf().type_id()
}

/// A command: the program where it is a path, and words that begin with `./` or `../`, are below
/// the directory of the file.
fn command(line: &str, base: &Path) -> String {
    let Ok(words) = shell_words::split(line) else {
        // The flag's own parser says what is wrong.
        return line.to_owned();
    };
    let words = words.iter().enumerate().map(|(at, word)| {
        let program = at == 0 && word.contains('/') && !word.starts_with('{');
        if program || word.starts_with("./") || word.starts_with("../") {
            base.join(word).display().to_string()
        } else {
            word.clone()
        }
    });
    shell_words::join(words)
}

/// Whether the flag's own parser takes the values.
fn check(flags: &Command, set: &[OsString]) -> Result<(), String> {
    match flags.clone().try_get_matches_from(set) {
        Ok(_) => Ok(()),
        // What it needs or excludes is known when flags and file have met.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::MissingRequiredArgument | ErrorKind::ArgumentConflict
            ) =>
        {
            Ok(())
        }
        Err(error) => {
            let told = error.to_string();
            let first = told.lines().next().unwrap_or_default();
            Err(first.trim_start_matches("error: ").to_owned())
        }
    }
}

/// Whether the command line says the same thing, or something that excludes it.
fn wins(given: &ArgMatches, flags: &Command, flag: &Arg) -> bool {
    let told =
        |other: &Arg| given.value_source(other.get_id().as_str()) == Some(ValueSource::CommandLine);
    let who = |flag: &Arg| flag.get_long().is_some_and(|name| WHO.contains(&name));
    flags
        .get_arguments()
        .filter(|other| told(other))
        .any(|other| {
            other.get_id() == flag.get_id()
                || (who(other) && who(flag))
                || flags.get_arg_conflicts_with(flag).contains(&other)
                || flags.get_arg_conflicts_with(other).contains(&flag)
        })
}
