//! What is shipped beside the program agrees with it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

fn packaging(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("packaging")
        .join(file)
}

/// The variables that `volplug-driver local --help` names.
fn variables() -> BTreeSet<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_volplug-driver"))
        .args(["local", "--help"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split("[env: ")
        .skip(1)
        .map(|rest| rest.split('=').next().unwrap().to_owned())
        .collect()
}

#[test]
fn settings_of_the_managed_plugin_are_variables_of_the_driver() {
    let config: serde_json::Value =
        serde_json::from_slice(&fs::read(packaging("managed/config.json")).unwrap()).unwrap();
    let known = variables();
    let settings = config["env"].as_array().unwrap();
    assert!(!settings.is_empty());
    for setting in settings {
        let name = setting["name"].as_str().unwrap();
        assert!(known.contains(name), "{name} is not among {known:?}");
        assert_eq!(setting["settable"][0], "value", "{name}");
    }
    // Docker shows the host what is below it, and keeps it over an upgrade.
    assert_eq!(config["propagatedMount"], "/var/lib/volplug");
}

#[test]
fn every_option_is_a_variable() {
    let help = Command::new(env!("CARGO_BIN_EXE_volplug-driver"))
        .args(["local", "--help"])
        .output()
        .unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    let options: Vec<_> = text
        .split_whitespace()
        .zip(text.split_whitespace().skip(1))
        .filter(|(option, value)| option.starts_with("--") && value.starts_with('<'))
        .map(|(option, _)| option.trim_start_matches('-'))
        .collect();
    assert!(options.contains(&"data-root"), "{text}");
    let known = variables();
    for option in options {
        let variable = format!("VOLPLUG_{}", option.to_uppercase().replace('-', "_"));
        assert!(known.contains(&variable), "{variable}\n{text}");
    }
}

#[test]
fn the_example_of_a_configuration_is_one() {
    let plugins = volplug_driver::config::read(&packaging("driver.toml")).unwrap();
    volplug_driver::config::check(&plugins, "driver.toml").unwrap();
    let names: Vec<_> = plugins
        .iter()
        .map(|plugin| plugin.options().name())
        .collect();
    assert_eq!(names, ["fast", "remote"]);
}
