//! Commands that the user gives: the plugin itself, `--prepare`, `--cleanup`, `--storage-…`.

use std::process::Stdio;
use std::time::Duration;

/// A command line, split into words as a shell would, and never given to a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserCommand {
    words: Vec<String>,
}

impl UserCommand {
    /// Splits `line` into words; quotes and backslashes work as in a shell, nothing else does.
    ///
    /// # Errors
    /// A sentence when a quote is open or there is no word.
    pub fn parse(flag: &str, line: &str) -> Result<Self, String> {
        let words =
            shell_words::split(line).map_err(|error| format!("{flag} '{line}': {error}"))?;
        if words.is_empty() {
            return Err(format!("{flag} is empty: give a command and its arguments"));
        }
        Ok(Self { words })
    }

    /// Whether `{name}` stands anywhere in the command.
    #[must_use]
    pub fn mentions(&self, name: &str) -> bool {
        let placeholder = format!("{{{name}}}");
        self.words.iter().any(|word| word.contains(&placeholder))
    }

    /// The words with each `{name}` replaced.
    #[must_use]
    pub fn with(&self, values: &[(&str, &str)]) -> Vec<String> {
        let replace = |word: &String| {
            values.iter().fold(word.clone(), |word, (name, value)| {
                word.replace(&format!("{{{name}}}"), value)
            })
        };
        self.words.iter().map(replace).collect()
    }

    /// Runs the command for a volume and waits for it.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_for(&self, volume: &str, limit: Duration) -> Result<(), String> {
        self.run(&[("volume", volume)], limit).await
    }

    /// Runs the command with each `{name}` replaced and waits for it.
    ///
    /// # Errors
    /// A sentence with the command, its exit status and the end of what it printed.
    pub async fn run(&self, values: &[(&str, &str)], limit: Duration) -> Result<(), String> {
        let words = self.with(values);
        let shown = shell_words::join(&words);
        let Some((program, arguments)) = words.split_first() else {
            return Ok(());
        };
        let child = tokio::process::Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("`{shown}` could not be started: {error}"))?;
        let output = tokio::time::timeout(limit, child.wait_with_output())
            .await
            .map_err(|_| format!("`{shown}` did not end within {} s", limit.as_secs_f32()))?
            .map_err(|error| format!("`{shown}`: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let printed = String::from_utf8_lossy(&output.stderr);
        let last = printed
            .trim()
            .lines()
            .last()
            .unwrap_or("and printed nothing");
        Err(format!("`{shown}` ended with {}: {last}", output.status))
    }
}
