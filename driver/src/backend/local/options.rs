//! The options of a local volume: `mode`, `uid`, `gid` and `from`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    backend::options::{id, mode},
    error::{Error, Quoted},
    suggest,
    types::Options,
};

const ACCEPTED: [&str; 4] = ["from", "gid", "mode", "uid"];

/// What the options ask for; `None` leaves it to the default, or to what is copied.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// Permissions of the volume's directory.
    pub(super) mode: Option<u32>,
    /// Its owner.
    pub(super) uid: Option<u32>,
    /// Its group.
    pub(super) gid: Option<u32>,
    /// The directory whose content the volume starts with.
    pub(super) from: Option<PathBuf>,
}

/// Reads the options of a new volume; `root` is the data root, which cannot be copied into itself.
pub(super) fn parse(options: &Options, root: &Path) -> Result<Plan, Error> {
    let mut plan = Plan::default();
    for (key, value) in options {
        let invalid = |problem: String| Error::invalid_option(key, problem);
        match key.as_str() {
            "mode" => plan.mode = Some(mode(value).map_err(invalid)?),
            "uid" => plan.uid = Some(id(value).map_err(invalid)?),
            "gid" => plan.gid = Some(id(value).map_err(invalid)?),
            "from" => plan.from = Some(source(value, root).map_err(invalid)?),
            unknown => return Err(invalid(suggest::unknown(unknown, ACCEPTED))),
        }
    }
    Ok(plan)
}

fn source(value: &str, root: &Path) -> Result<PathBuf, String> {
    let shown = Quoted(value);
    let path = Path::new(value);
    if !path.is_absolute() {
        return Err(format!("{shown} is not an absolute path"));
    }
    // Compared after links are resolved, or one could lead into the data root all the same.
    let real = path
        .canonicalize()
        .map_err(|error| format!("{shown} cannot be read: {error}"))?;
    if !fs::metadata(&real).is_ok_and(|metadata| metadata.is_dir()) {
        return Err(format!("{shown} is no directory"));
    }
    if real.starts_with(root) || root.starts_with(&real) {
        return Err(format!(
            "{shown} lies in the driver's data root or contains it"
        ));
    }
    Ok(real)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(key: &str, value: &str) -> Result<Plan, String> {
        let options = [(key.to_owned(), value.to_owned())].into();
        parse(&options, Path::new("/nonexistent/root")).map_err(|error| error.to_string())
    }

    #[test]
    fn good_values_are_read() {
        assert_eq!(parsed("mode", "0750").unwrap().mode, Some(0o750));
        assert_eq!(parsed("mode", "1777").unwrap().mode, Some(0o1777));
        assert_eq!(parsed("uid", "1000").unwrap().uid, Some(1000));
        assert_eq!(parsed("gid", "0").unwrap().gid, Some(0));
        assert_eq!(
            parsed("from", "/usr").unwrap().from,
            Some(PathBuf::from("/usr"))
        );
    }

    #[test]
    fn bad_values_are_refused_by_name() {
        for (key, value) in [
            ("mode", ""),
            ("mode", "rwx"),
            ("mode", "0888"),
            ("mode", "+755"),
            ("mode", "77777"),
            ("mode", "7"),
            ("uid", ""),
            ("uid", "-1"),
            ("uid", "+1"),
            ("uid", "root"),
            ("gid", "4294967295"),
            ("from", ""),
            ("from", "relative"),
            ("from", "/nonexistent/source"),
            ("from", "/etc/passwd"),
            ("from", "/"),
        ] {
            let text = parsed(key, value).unwrap_err();
            assert!(
                text.contains(&format!("option \"{key}\"")),
                "{key}={value}: {text}"
            );
        }
    }

    #[test]
    fn unknown_options_come_with_advice_and_without_their_value() {
        let text = parsed("Mod", "hunter2").unwrap_err();
        assert!(
            text.contains("did you mean mode?") && text.contains("from, gid, mode, uid"),
            "{text}"
        );
        let text = parsed("password", "hunter2").unwrap_err();
        assert!(
            !text.contains("did you mean") && !text.contains("hunter2"),
            "{text}"
        );
    }
}
