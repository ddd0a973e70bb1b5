//! Docker commands at random: what users and accidents do, drawn from a seed.
//!
//! A script is drawn as moves, and becomes commands given what the moves before have done
//! ([`host`](super::host)): whatever is left out of it, the rest are commands that have to work. That is
//! what makes scripts short again.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// How many containers and volumes there are at the most.
pub(super) const CONTAINERS: usize = 3;
pub(super) const VOLUMES: usize = 2;

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    /// `docker run`, where there is no such container.
    Run { container: usize, volume: usize },
    /// `docker start` of one that is stopped, else `docker stop`.
    Toggle { container: usize },
    /// `docker restart`.
    Restart { container: usize },
    /// `docker kill`.
    Kill { container: usize },
    /// `docker rm -f`.
    Remove { container: usize },
    /// A file is written in the container.
    Write { container: usize },
    /// `docker cp` of a file that was written.
    CopyOut { container: usize },
    /// `docker cp` into the container.
    CopyIn { container: usize },
    /// `docker volume create`, where there is no such volume.
    Create { volume: usize },
    /// `docker volume rm`, which is refused while a container has the volume.
    Discard { volume: usize },
    /// `docker volume ls` and `inspect`.
    Look { volume: usize },
    /// The daemon is stopped and started again.
    DaemonRestart,
    /// The daemon is killed and started again.
    DaemonCrash,
    /// The plugin is killed and started again.
    PluginRestart,
}

/// What is done, before it is known what that takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) moves: Vec<Move>,
    /// Whether containers run on while the daemon is gone.
    pub(super) live_restore: bool,
}

/// Script number `number` of `seed`: the same on every machine, whatever was played before.
pub(super) fn script(seed: u64, number: u64) -> Script {
    let mut bytes = [0; 32];
    let (first, rest) = bytes.split_at_mut(8);
    first.copy_from_slice(&seed.to_le_bytes());
    let (second, rest) = rest.split_at_mut(8);
    second.copy_from_slice(&number.to_le_bytes());
    // Neither the numbers that sequences of calls are drawn from, nor those of concurrent rounds.
    rest.fill(2);
    let mut rng = ChaCha8Rng::from_seed(bytes);
    let length = rng.random_range(5..14);
    Script {
        live_restore: rng.random_bool(0.4),
        moves: (0..length).map(|_| any(&mut rng)).collect(),
    }
}

fn any(rng: &mut ChaCha8Rng) -> Move {
    let container = rng.random_range(0..CONTAINERS);
    let volume = usize::from(rng.random_bool(0.25));
    match rng.random_range(0..30) {
        0..=7 => Move::Run { container, volume },
        8..=11 => Move::Toggle { container },
        12 => Move::Restart { container },
        13 => Move::Kill { container },
        14..=16 => Move::Remove { container },
        17..=19 => Move::Write { container },
        20 | 21 => Move::CopyOut { container },
        22 => Move::CopyIn { container },
        23 => Move::Create { volume },
        24 | 25 => Move::Discard { volume },
        26 => Move::Look { volume },
        27 => Move::DaemonRestart,
        28 => Move::DaemonCrash,
        _ => Move::PluginRestart,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_the_scripts() {
        let draw = |seed| {
            (0..50)
                .map(|number| script(seed, number))
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}
