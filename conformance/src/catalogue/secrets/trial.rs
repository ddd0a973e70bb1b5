//! A secret option on its way through a volume's life.

use crate::suite::{Answer, CaseResult, Cx};

/// What secret options are called where the user declares none.
const USUAL: [&str; 3] = ["password", "secret", "token"];

/// The options to try.
pub(super) fn keys(cx: &Cx) -> Vec<String> {
    let declared = &cx.target().secret_opts;
    if declared.is_empty() {
        USUAL.map(str::to_owned).to_vec()
    } else {
        declared.clone()
    }
}

/// A value that stands nowhere else.
pub(super) fn value(cx: &mut Cx) -> String {
    format!("vps{}", cx.hex(24))
}

/// All answers to the calls of a volume with a secret.
#[derive(Debug)]
pub(super) struct Trial {
    /// The option.
    pub(super) key: String,
    /// The values that were sent for it.
    pub(super) values: Vec<String>,
    /// What came back.
    pub(super) answers: Vec<Answer>,
    /// Whether the plugin takes the option.
    pub(super) taken: bool,
}

/// Makes, uses and removes a volume with the option `key`, and fails on purpose on the way.
pub(super) async fn trial(cx: &mut Cx, key: &str) -> CaseResult<Trial> {
    let (name, first, other) = (cx.name(), value(cx), value(cx));
    let opts = cx.opts_with(&name, key, &first);
    let mut answers = vec![cx.create_with(&name, &opts).await?];
    let taken = answers.iter().all(Answer::is_ok);
    if taken {
        let id = cx.id();
        answers.push(cx.mount(&name, &id).await?);
        answers.push(cx.get(&name).await?);
        answers.push(cx.path(&name).await?);
        answers.push(cx.list().await?);
        // Another secret for a volume that is there: whatever the answer is, it is not the secret.
        let opts = cx.opts_with(&name, key, &other);
        answers.push(cx.create_with(&name, &opts).await?);
        answers.push(cx.unmount(&name, &id).await?);
        answers.push(cx.unmount(&name, &id).await?);
        answers.push(cx.get(&name).await?);
        answers.push(cx.remove(&name).await?);
    }
    // Refusals tend to repeat what they refuse.
    let mut opts = cx.opts_with(&name, key, &first);
    if let Some(opts) = &mut opts {
        opts.insert("volplug_bogus".to_owned(), "1".to_owned());
    }
    let failing = cx.name();
    answers.push(cx.create_with(&failing, &opts).await?);
    Ok(Trial {
        key: key.to_owned(),
        values: vec![first, other],
        answers,
        taken,
    })
}

/// Tells in the report what was tried, for the cases that judge only what they see.
pub(super) fn tell(cx: &Cx, trials: &[Trial]) {
    let named = |taken: bool| {
        let keys: Vec<&str> = trials
            .iter()
            .filter(|trial| trial.taken == taken)
            .map(|trial| trial.key.as_str())
            .collect();
        if keys.is_empty() {
            "none".to_owned()
        } else {
            keys.join(", ")
        }
    };
    let hint = if cx.target().secret_opts.is_empty() {
        "; declare the plugin's own with --secret-opt"
    } else {
        ""
    };
    cx.note(format!(
        "options taken: {}; refused: {}{hint}",
        named(true),
        named(false)
    ));
}
