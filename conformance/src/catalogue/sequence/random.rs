//! Docker commands at random, and those that once failed.

use std::time::{Duration, Instant};

use super::SEQUENCE;
use super::host::Offers;
use super::moves::script;
use super::player::{Player, Proof};
use super::script::PLUGIN_RESTART;
use crate::play::regressions::{Entry, KeptCommands};
use crate::suite::{Case, CaseResult, Cx, Halt, Harm};

/// How long scripts are played unless the user gives their number.
const WHILE: Duration = Duration::from_millis(600);

/// So many scripts are played in up to [`PATIENCE`] times that: a busy machine should not be the reason
/// that nothing was found.
const FEWEST: u64 = 50;

/// See [`FEWEST`].
const PATIENCE: u32 = 8;

/// Of so many sequences of calls that the user asks for one is of commands: they take longer.
const ONE_IN: u64 = 10;

/// The id of the case.
pub(crate) const ID: &str = "sequence.random";

pub(super) const RANDOM: Case = Case {
    id: ID,
    title: "containers have their data as long as they run, whatever commands come in whatever order",
    why: "nobody has tried all orders in which containers start, stop, are copied from and removed \
          while daemon and plugin are restarted; users do",
    harm: Harm::DataLoss,
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, from which the engine in this suite was made",
    ],
    // It is made of what each of these is made of.
    follows: &[
        "sequence.run",
        "sequence.first-use",
        "sequence.create-again",
        "sequence.stop-start",
        "sequence.rm-force",
        "sequence.two-containers",
        "sequence.in-use",
        "sequence.cp-out-of-running",
        "sequence.cp-into-running",
        "sequence.cp-stopped",
        "sequence.daemon-restart",
        "sequence.daemon-crash",
        "sequence.daemon-crash-cp",
        "sequence.live-restore",
        "sequence.live-restore-cp",
        "sequence.plugin-restart",
        "sequence.plugin-restart-in-use",
        "sequence.plugin-and-daemon-restart",
        "prop.durable",
        "prop.holds-own",
        "prop.holds-floor",
        "prop.holds-kept",
        "prop.outside",
        "prop.data-apart",
        "prop.data-kept",
        "prop.released",
        "prop.calls-work",
        "prop.agree",
        "prop.well-formed",
    ],
    run: |cx| Box::pin(random(cx)),
    ..SEQUENCE
};

async fn random(cx: &mut Cx) -> CaseResult {
    let target = cx.shared_target();
    let regressions = &target.play.options.regressions;
    let offers = Offers {
        restarts: target.plugin.is_some(),
        options: !target.opts.is_empty(),
    };
    let mut player = Player::new(cx.memory(), offers);
    let mut client = cx.fork("random commands");
    let mut known = None;
    for (number, kept) in (1..).zip(regressions.commands()) {
        let failed = replay(&mut client, &mut player, number, kept).await?;
        known = known.or(failed);
    }
    let found = match known {
        None => hunt(cx, &mut client, &mut player).await?,
        known => known,
    };
    player.leave();
    match found {
        Some(proof) => {
            for exchange in proof.exchanges() {
                cx.show(&exchange);
            }
            regressions.keep(Entry::Commands(KeptCommands {
                broke: ID.to_owned(),
                seed: proof.seed,
                number: proof.number,
                live_restore: proof.live_restore,
                commands: proof.commands().to_vec(),
            }));
            Err(proof.halt())
        }
        None if player.played() == 0 => Err(Halt::skip("no script was played: --sequences is 0")),
        None => Ok(()),
    }
}

/// Plays the commands of the regression file, and says what became of them.
async fn replay(
    client: &mut Cx,
    player: &mut Player,
    number: usize,
    kept: &KeptCommands,
) -> CaseResult<Option<Proof>> {
    let target = client.shared_target();
    let lines = kept.commands.len();
    let told = |what: &str| {
        target.play.tell(format!(
            "commands {number} ({lines} lines, broke {ID}) {what}"
        ));
    };
    if kept.commands.iter().any(|line| line == PLUGIN_RESTART) && target.plugin.is_none() {
        told("were not played: they restart the plugin, which takes --exec");
        return Ok(None);
    }
    let Some(failed) = player
        .run(client, &kept.commands, kept.live_restore)
        .await?
    else {
        told("hold now");
        return Ok(None);
    };
    told(&format!("fail: {}", failed.reason()));
    let proof = player.confirm(client, failed, kept.live_restore).await?;
    Ok(Some(proof.drawn(kept.seed, kept.number)))
}

/// Plays scripts that are drawn from the seed, until one fails.
async fn hunt(cx: &Cx, client: &mut Cx, player: &mut Player) -> CaseResult<Option<Proof>> {
    let target = client.shared_target();
    let options = &target.play.options;
    let (limit, most) = if options.hurry {
        (WHILE, options.sequences)
    } else {
        (options.limit, options.sequences.div_ceil(ONE_IN))
    };
    let begun = Instant::now();
    let (mut scripts, mut lines) = (0_u64, 0);
    let mut found = None;
    for number in 0..most {
        let patience = if number < FEWEST { PATIENCE } else { 1 };
        let is_late = begun.elapsed() > limit.saturating_mul(patience);
        if (number > 0 && is_late) || target.health.is_dead() {
            break;
        }
        let drawn = script(options.seed, number);
        let (told, failed) = player.once(client, &drawn).await?;
        scripts += 1;
        lines += told;
        if let Some(failed) = failed {
            found = Some((number, drawn, failed));
            break;
        }
    }
    cx.note(format!(
        "{scripts} scripts with {lines} lines of docker commands in {} ms",
        begun.elapsed().as_millis()
    ));
    let Some((number, drawn, failed)) = found else {
        return Ok(None);
    };
    let proof = player.shorten(client, drawn, failed).await?;
    Ok(Some(proof.drawn(options.seed, number)))
}
