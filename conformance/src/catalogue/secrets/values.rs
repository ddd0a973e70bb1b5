//! Whether a secret arrives: whole, and also by reference.

use std::path::PathBuf;

use super::trial::{keys, value};
use crate::catalogue::plugin_files::Snapshot;
use crate::suite::{CaseResult, Cx, Finding, Halt, ensure};

/// What stands between two harmless halves of a secret.
const SPECIAL: &[&str] = &[
    ",", "\"", "'", "$", "$HOME", "%", "%41", "\\", "\\n", " ", "=", ";", "#", "&",
];

/// How a file with the secret is named by an option, for the option of the secret itself.
const REFERENCES: &[&str] = &[
    "@-file",
    "@_file",
    "@file",
    "@.file",
    "@-path",
    "@_path",
    "@path",
    "@-ref",
    "file-@",
    "credentials",
    "credentials-file",
    "secret-file",
    "secrets-file",
];

pub(super) async fn by_reference(cx: &mut Cx) -> CaseResult {
    let bogus = "volplug-bogus-file";
    let mut taken = Vec::new();
    for key in keys(cx) {
        let secret = value(cx);
        if make(cx, &key, &secret).await? == Made::Taken {
            taken.push(key);
        }
    }
    let Some(key) = taken.first().cloned() else {
        return Err(Halt::skip(
            "the plugin takes none of the usual secret options: name its own with --secret-opt",
        ));
    };
    let file = secret_file(cx).await?;
    let unknown = match make(cx, bogus, &file).await? {
        Made::Taken => {
            return Err(Halt::skip(
                "the plugin takes any option, so which ones it knows cannot be seen",
            ));
        }
        Made::Refused(why) => why,
    };
    let references = taken.iter().flat_map(|key| spellings(key));
    for reference in references.collect::<Vec<_>>() {
        // An option that is refused in other words is known, and wants something else.
        if make(cx, &reference, &file).await? != Made::Refused(unknown.clone()) {
            cx.note(format!("the option {reference} is known"));
            return Ok(());
        }
    }
    Err(Finding::new(
        format!("the secret that {key} takes can be given by file, too"),
        format!(
            "the plugin refuses {key}-file, {key}_file and {} more",
            REFERENCES.len() - 2
        ),
    )
    .into())
}

/// What the option that names a file may be called, for the option of the secret itself.
fn spellings(key: &str) -> Vec<String> {
    REFERENCES
        .iter()
        .map(|reference| reference.replace('@', key))
        .collect()
}

/// What became of a Create with one more option.
#[derive(Debug, PartialEq, Eq)]
enum Made {
    Taken,
    /// Why not, with the volume and the option left out.
    Refused(String),
}

/// A Create with one more option, taken back at once.
async fn make(cx: &mut Cx, key: &str, value: &str) -> CaseResult<Made> {
    let name = cx.name();
    let opts = cx.opts_with(&name, key, value);
    let answer = cx.create_with(&name, &opts).await?;
    if answer.is_ok() {
        cx.discard(&name).await?;
        return Ok(Made::Taken);
    }
    let why = answer.error().unwrap_or_default();
    Ok(Made::Refused(why.replace(&name, "@").replace(key, "@")))
}

async fn secret_file(cx: &mut Cx) -> CaseResult<String> {
    let secret = value(cx);
    let file = format!("secret-{}", cx.hex(6));
    let path = cx.target().work.join(file);
    let shown = path.display().to_string();
    cx.target()
        .files
        .look(move || std::fs::write(path, secret))
        .await
        .map_err(|error| Halt::skip(format!("{shown} cannot be written: {error}")))?;
    Ok(shown)
}

/// What an accepted value becomes can be seen in two ways: a repeated Create shows whether the
/// plugin takes two secrets that differ only behind the special character for the same one, and,
/// where the runner started the plugin, a file of the plugin's that holds just the secret shows
/// what it stored.
pub(super) async fn special_characters(cx: &mut Cx) -> CaseResult {
    let mut seen = Vec::new();
    for key in keys(cx) {
        let Some(eyes) = Eyes::open(cx, &key).await? else {
            continue;
        };
        let mut refused = 0;
        for special in SPECIAL {
            if !eyes.judge(cx, &key, special).await? {
                refused += 1;
            }
        }
        seen.push(format!(
            "{key}: {}, {refused} of {} values refused",
            eyes.describe(),
            SPECIAL.len()
        ));
    }
    if seen.is_empty() {
        return Err(Halt::skip(
            "the plugin takes none of the usual secret options: name its own with --secret-opt",
        ));
    }
    cx.note(seen.join("; "));
    Ok(())
}

/// What can be seen of a secret without special characters.
struct Eyes {
    /// Repeated Creates are refused just when the secret differs.
    compares: bool,
    /// Files that hold nothing but the secret; the volume's name in their path is replaced by `@`.
    stored: Vec<String>,
}

impl Eyes {
    /// `None` if the plugin does not take the option.
    async fn open(cx: &mut Cx, key: &str) -> CaseResult<Option<Self>> {
        let (name, secret, other) = (cx.name(), value(cx), value(cx));
        let opts = cx.opts_with(&name, key, &secret);
        if !cx.create_with(&name, &opts).await?.is_ok() {
            return Ok(None);
        }
        let stored = match Snapshot::take(cx).await {
            Ok(files) => files
                .files()
                .iter()
                .filter(|(_, file)| file.content.trim_ascii_end() == secret.as_bytes())
                .map(|(path, _)| path.display().to_string())
                .filter(|path| path.contains(&name))
                .map(|path| path.replace(&name, "@"))
                .collect(),
            Err(_) => Vec::new(),
        };
        let same = cx.create_with(&name, &opts).await?.is_ok();
        let opts = cx.opts_with(&name, key, &other);
        let different = cx.create_with(&name, &opts).await?.is_refusal();
        cx.remove(&name).await?;
        Ok(Some(Self {
            compares: same && different,
            stored,
        }))
    }

    fn describe(&self) -> &'static str {
        match (self.compares, self.stored.is_empty()) {
            (true, true) => "judged by repeated Creates",
            (true, false) => "judged by repeated Creates and by what is stored",
            (false, false) => "judged by what is stored",
            (false, true) => "whether accepted values arrive whole cannot be seen",
        }
    }

    /// Whether the value was taken, after looking that it was taken whole.
    async fn judge(&self, cx: &mut Cx, key: &str, special: &str) -> CaseResult<bool> {
        let name = cx.name();
        let (front, back, other) = (cx.hex(6), cx.hex(6), cx.hex(6));
        let secret = format!("{front}{special}{back}");
        let opts = cx.opts_with(&name, key, &secret);
        let create = cx.create_with(&name, &opts).await?;
        let about = format!("a secret with {special:?} in it");
        create.expect_answer(&format!("a Create with {about} is answered"))?;
        if !create.is_ok() {
            return Ok(false);
        }
        for place in &self.stored {
            let path = PathBuf::from(place.replace('@', &name));
            // Where it is stored otherwise, nothing can be said.
            let Ok(kept) = cx.target().files.read(path.clone()).await else {
                continue;
            };
            let kept = kept.trim_end_matches('\n');
            ensure(kept == secret || !is_rest_of(kept, &secret), || {
                Finding::new(
                    format!("{about} is taken whole or refused"),
                    format!(
                        "of {key}={secret:?} the plugin stored {kept:?} in {}",
                        path.display()
                    ),
                )
            })?;
        }
        if self.compares {
            let again = cx.create_with(&name, &opts).await?;
            ensure(again.is_ok(), || {
                again.finding(&format!(
                    "a Create repeated with the same options succeeds with {about} as it does without"
                ))
            })?;
            let opts = cx.opts_with(&name, key, &format!("{front}{special}{other}"));
            let different = cx.create_with(&name, &opts).await?;
            ensure(!different.is_ok(), || {
                Finding::new(
                    format!("secrets that differ behind {special:?} are different ones"),
                    format!(
                        "a repeated Create with another {key} is refused, but not where it differs \
                         only behind {special:?}"
                    ),
                )
            })?;
        }
        let id = cx.id();
        let mount = cx.mount(&name, &id).await?;
        mount.expect_answer(&format!("a Mount with {about} is answered"))?;
        if mount.is_ok() {
            cx.unmount(&name, &id).await?;
        }
        cx.remove(&name).await?;
        Ok(true)
    }
}

/// Whether `kept` is what is left of `whole` when something is taken out of it; what was escaped
/// is longer, and what was encrypted is something else.
fn is_rest_of(kept: &str, whole: &str) -> bool {
    let mut letters = whole.chars();
    kept.len() < whole.len()
        && kept
            .chars()
            .all(|letter| letters.any(|other| other == letter))
}

#[cfg(test)]
mod tests {
    use super::is_rest_of;

    #[test]
    fn what_was_cut_is_told_from_what_was_escaped() {
        assert!(is_rest_of("a", "a,b") && is_rest_of("ab", "a\"b") && is_rest_of("", "a b"));
        assert!(
            !is_rest_of("a\\,b", "a,b") && !is_rest_of("x", "a,b") && !is_rest_of("a,b", "a,b")
        );
    }
}
