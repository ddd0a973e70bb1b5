//! Invariants that random play looks after: they hold in every state, whatever was called before.
//!
//! The play is made once a run (see [`play`](crate::play)); each case here says what became of one
//! invariant, and shows the shortest sequence that breaks it.

use crate::model::Invariant;
use crate::play::regressions::{Entry, KeptSequence};
use crate::play::{Found, Haul};
use crate::suite::{Case, CaseResult, Cx, Finding, Halt, Harm, Level, Mode, Need};

const CALLS: &str = "https://docs.docker.com/engine/extend/plugins_volume/";

const MODEL: &str = "the reference model of this suite, which every recorded history of dockerd \
                     20.10.24, 26.1.5 and 28.5.2 keeps to";

/// What all invariants have in common.
const fn case(
    invariant: Invariant,
    title: &'static str,
    why: &'static str,
    harm: Harm,
    needs: &'static [Need],
    run: for<'a> fn(&'a mut Cx) -> crate::suite::CaseFuture<'a>,
) -> Case {
    Case {
        id: invariant.id(),
        level: match invariant {
            Invariant::Steady => Level::Should,
            _ => Level::Must,
        },
        title,
        why,
        harm,
        sources: &[CALLS, MODEL],
        docker: &[],
        needs,
        // It restarts the plugin, and looks at all that is mounted.
        mode: Mode::Alone,
        follows: &[],
        run,
    }
}

pub(super) const CASES: &[Case] = &[
    case(
        Invariant::CallsWork,
        "no call that should work is refused, whatever was called before",
        "containers do not start, or volumes cannot be made, in states that nobody has tried",
        Harm::Refused,
        &[],
        |cx| Box::pin(judge(cx, Invariant::CallsWork)),
    ),
    case(
        Invariant::HoldsKept,
        "a hold lasts until its own Unmount, whatever happens in between",
        "the volume is unmounted, or can be removed, under a container that is running",
        Harm::DataLoss,
        &[],
        |cx| Box::pin(judge(cx, Invariant::HoldsKept)),
    ),
    case(
        Invariant::HoldsOwn,
        "an Unmount takes no hold but one of its own ID",
        "after restarts of plugin or dockerd such Unmounts come: they take the volume away from \
         another container",
        Harm::DataLoss,
        &[],
        |cx| Box::pin(judge(cx, Invariant::HoldsOwn)),
    ),
    case(
        Invariant::HoldsFloor,
        "an Unmount too many does not cancel a later Mount",
        "the next container's volume is unmounted, or can be removed, while it runs",
        Harm::DataLoss,
        &[],
        |cx| Box::pin(judge(cx, Invariant::HoldsFloor)),
    ),
    case(
        Invariant::Released,
        "a volume that nobody holds is released, and can be removed",
        "the volume is \"in use\" for ever: it stays mounted, and `docker volume rm` fails",
        Harm::Leak,
        &[],
        |cx| Box::pin(judge(cx, Invariant::Released)),
    ),
    case(
        Invariant::DataKept,
        "data stay as long as the volume does, and every holder sees them",
        "what a container wrote is gone for the next one, or for the one beside it",
        Harm::DataLoss,
        &[Need::Filesystem],
        |cx| Box::pin(judge(cx, Invariant::DataKept)),
    ),
    case(
        Invariant::DataApart,
        "no volume shows the data of another, or is where another is",
        "containers overwrite each other's data, and Remove of one volume deletes both",
        Harm::DataLoss,
        &[],
        |cx| Box::pin(judge(cx, Invariant::DataApart)),
    ),
    case(
        Invariant::Agree,
        "Get, List and Path agree with each other and with what was done",
        "dockerd takes a volume that Get does not know for gone and makes a local one of that name; \
         one that Get invents is never created",
        Harm::VolumeLost,
        &[],
        |cx| Box::pin(judge(cx, Invariant::Agree)),
    ),
    case(
        Invariant::Outside,
        "a call on one volume changes no other",
        "starting or stopping one container takes the volume of another away",
        Harm::DataLoss,
        &[Need::Filesystem],
        |cx| Box::pin(judge(cx, Invariant::Outside)),
    ),
    case(
        Invariant::WellFormed,
        "every call is answered, in a form that dockerd can use, whatever was called before",
        "dockerd takes an answer that it cannot read for a failure, and waits for one that does not \
         come",
        Harm::Misled,
        &[],
        |cx| Box::pin(judge(cx, Invariant::WellFormed)),
    ),
    case(
        Invariant::Durable,
        "what was acknowledged survives kill -9 and restarts of the plugin at any point",
        "volumes turn local, or are unmounted under running containers, because the plugin was \
         restarted",
        Harm::VolumeLost,
        &[Need::Exec],
        |cx| Box::pin(judge(cx, Invariant::Durable)),
    ),
    case(
        Invariant::Steady,
        "what Docker leaves to the plugin it decides once, and always the same",
        "what worked yesterday fails today, and nobody can tell why",
        Harm::Misled,
        &[],
        |cx| Box::pin(judge(cx, Invariant::Steady)),
    ),
];

/// Says what became of one invariant.
async fn judge(cx: &mut Cx, invariant: Invariant) -> CaseResult {
    let target = cx.shared_target();
    let haul = target.play.found(cx).await?;
    cx.note(summary(&haul));
    for line in haul.replayed.iter().chain(&haul.remarks) {
        cx.note(line);
    }
    if let Some(found) = haul.found.iter().find(|f| f.invariant() == invariant) {
        let regressions = &target.play.options.regressions;
        regressions.keep(Entry::Sequence(KeptSequence {
            broke: invariant.id().to_owned(),
            seed: found.proof.seed,
            sequence: found.proof.sequence.clone(),
        }));
        return Err(accuse(cx, found).into());
    }
    if haul.sequences == 0 && haul.replayed.is_empty() {
        let why = haul.cut_short.as_deref().unwrap_or("--sequences is 0");
        return Err(Halt::skip(format!("no sequence was played: {why}")));
    }
    Ok(())
}

fn summary(haul: &Haul) -> String {
    let per_second = haul.calls as f64 / haul.took.as_secs_f64().max(0.001);
    let cut = haul.cut_short.as_ref();
    let cut = cut.map(|why| format!("; then {why}")).unwrap_or_default();
    format!(
        "{} sequences were played with {} calls ({per_second:.0} calls/s){cut}",
        haul.sequences, haul.calls
    )
}

/// The finding, with the transcript of the shortest sequence.
fn accuse(cx: &Cx, found: &Found) -> Finding {
    for exchange in &found.exchanges {
        cx.show(exchange);
    }
    for step in &found.afterwards {
        cx.step(step);
    }
    let proof = &found.proof;
    let flaky = if proof.is_flaky() {
        let (broke, played) = (proof.broke, proof.played);
        format!(" (flaky: seen in {broke} of {played} plays of the shortest sequence)")
    } else {
        String::new()
    };
    let violation = &found.violation;
    let mut finding = Finding::new(
        violation.expected.clone(),
        format!("{}{flaky}", violation.actual),
    )
    .because_any(found.suspects.iter().map(|case| (*case).to_owned()))
    .with_docker(found.docker.clone())
    .proven_by(proof.clone());
    if let Some(level) = violation.level {
        finding = finding.at(level);
    }
    finding
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::catalogue;
    use crate::model::Violation;
    use crate::play::generate;

    #[test]
    fn each_invariant_has_a_case() {
        let cases: Vec<_> = CASES.iter().map(|case| case.id).collect();
        assert_eq!(cases, Invariant::ALL.map(Invariant::id));
    }

    #[test]
    fn whatever_is_suspected_is_a_case() {
        let known: BTreeSet<_> = catalogue::all().map(|case| case.id).collect();
        for index in 0..500 {
            let sequence = generate::sequence(1, index);
            let violation = Violation::new(Invariant::Agree, "", "");
            for case in crate::play::suspects(&sequence, &violation) {
                assert!(known.contains(case), "{case}");
            }
        }
    }
}
