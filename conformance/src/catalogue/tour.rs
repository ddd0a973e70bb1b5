//! The tour: every call once with success and, where there is a way, once with a failure.
//!
//! The rules about single answers are checked on every answer of a run. So that they are judged
//! also where only they are selected, each of their cases plays this first; what goes wrong on the
//! way is for the cases of the calls to say.

use crate::protocol::{Endpoint, create_body};
use crate::suite::{Answer, CaseResult, Cx, Finding, Halt, Lint, LintHit};

/// Plays the tour and says whether `lint` was ever hit.
pub(super) async fn lint(cx: &mut Cx, lint: Lint) -> CaseResult<Option<LintHit>> {
    play(cx).await;
    let hit = cx.target().lints.first(lint);
    if hit.is_none() && cx.target().health.is_dead() {
        return Err(Halt::skip(
            "the plugin stopped answering before enough had been seen",
        ));
    }
    Ok(hit)
}

/// A finding about the first answer that broke a rule, with its exchange in the transcript.
pub(super) fn finding(cx: &Cx, hit: &LintHit, expected: &str) -> Finding {
    cx.show(&hit.exchange);
    let others = match hit.times {
        0 | 1 => String::new(),
        times => format!(", the first of {times} such answers"),
    };
    Finding::new(expected, format!("{}: {}{others}", hit.endpoint, hit.what))
}

/// Plays the tour; ends early when a call goes unanswered.
pub(super) async fn play(cx: &mut Cx) {
    // How far it came does not matter: what was answered has been looked at.
    let _: Option<()> = lifecycle(cx).await;
}

async fn lifecycle(cx: &mut Cx) -> Option<()> {
    let (name, id) = (cx.name(), cx.id());
    goes_on(cx.activate().await)?;
    goes_on(cx.capabilities().await)?;
    goes_on(cx.create(&name).await)?;
    goes_on(cx.get(&name).await)?;
    goes_on(cx.list().await)?;
    goes_on(cx.path(&name).await)?;
    goes_on(cx.mount(&name, &id).await)?;
    goes_on(cx.get(&name).await)?;
    goes_on(cx.list().await)?;
    goes_on(cx.path(&name).await)?;
    goes_on(cx.unmount(&name, &id).await)?;
    goes_on(cx.remove(&name).await)?;
    goes_on(cx.list().await)?;

    // A name each: a plugin that locks up one on which a call has failed would cost every tour a
    // time limit, and has cases of its own.
    let unknown: [String; 5] = std::array::from_fn(|_| cx.name());
    let [get, path, mount, unmount, remove] = &unknown;
    goes_on(cx.get(get).await)?;
    goes_on(cx.path(path).await)?;
    goes_on(cx.mount(mount, &id).await)?;
    goes_on(cx.unmount(unmount, &id).await)?;
    goes_on(cx.remove(remove).await)?;
    // A plugin that ignores options which it does not know makes a volume, which is taken back.
    let odd = cx.name();
    let opts = cx.opts_with(&odd, "volplug-no-such-option", "1");
    goes_on(cx.create_with(&odd, &opts).await)?;
    goes_on(cx.remove(&odd).await)?;
    if cx.target().hostile {
        // What a bad plugin does with a volume without a name, it may do to its whole directory.
        cx.may_exist("");
        let nameless = create_body("", &cx.opts_for(&odd));
        goes_on(cx.call(Endpoint::Create, nameless, Some("")).await)?;
    }
    Some(())
}

/// `None` where a call went unanswered: what comes next would only wait.
fn goes_on(answer: CaseResult<Answer>) -> Option<()> {
    match answer {
        Ok(answer) => answer.wire_error().is_none().then_some(()),
        // A call that is known to hang is left out.
        Err(_) => Some(()),
    }
}
