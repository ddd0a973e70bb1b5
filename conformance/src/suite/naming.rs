//! Volume names and mount IDs of a run: its own, the same for the same seed, and in the alphabet
//! that the plugin takes.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// The alphabet of ordinary names when the user gives none.
const DEFAULT_ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz0123456789_-";

/// The longest ordinary name.
const LONGEST: usize = 40;

/// What the names of a run have in common.
#[derive(Debug)]
pub struct Naming {
    alphabet: Vec<char>,
    prefix: String,
    seed: u64,
    /// Names that may not be used: volumes that the plugin had before the run.
    taken: Mutex<HashSet<String>>,
    /// Names given out.
    made: Mutex<HashSet<String>>,
}

impl Naming {
    /// Names for a run with `seed`; `alphabet` holds the characters a choosy plugin takes.
    ///
    /// # Errors
    /// A sentence if the alphabet has fewer than two characters.
    pub fn new(seed: u64, alphabet: Option<&str>) -> Result<Self, String> {
        let mut seen = HashSet::new();
        let alphabet: Vec<char> = alphabet
            .unwrap_or(DEFAULT_ALPHABET)
            .chars()
            .filter(|c| seen.insert(*c))
            .collect();
        if alphabet.len() < 2 {
            return Err("--name-chars needs at least two different characters".to_owned());
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let prefix = format!(
            "vp{}",
            (0..4)
                .map(|_| rng.random_range('a'..='z'))
                .collect::<String>()
        );
        Ok(Self {
            alphabet,
            prefix,
            seed,
            taken: Mutex::default(),
            made: Mutex::default(),
        })
    }

    /// What the names of the run begin with, where the alphabet can write it.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Keeps the run from ever using `name`.
    pub fn reserve(&self, name: &str) {
        self.taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned());
    }

    /// Whether `name` was given out by this run.
    #[must_use]
    pub fn is_own(&self, name: &str) -> bool {
        self.made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(name)
    }

    /// The names and IDs of one case.
    #[must_use]
    pub fn for_case(self: &Arc<Self>, case: &str) -> NameMaker {
        NameMaker {
            naming: Arc::clone(self),
            case: case.replace('.', "-"),
            rng: ChaCha8Rng::seed_from_u64(self.seed ^ fnv1a(case)),
            made: 0,
        }
    }

    /// `readable` if the alphabet can write it, else a name of the alphabet's own.
    fn spell(&self, readable: &str, rng: &mut ChaCha8Rng) -> String {
        let fits = |c: char| self.alphabet.contains(&c);
        if readable.len() <= LONGEST && readable.chars().all(fits) {
            return readable.to_owned();
        }
        let letters: Vec<char> = self
            .alphabet
            .iter()
            .copied()
            .filter(char::is_ascii_alphabetic)
            .collect();
        let first = if letters.is_empty() {
            &self.alphabet
        } else {
            &letters
        };
        // Enough characters for some 64 bits, whatever the alphabet.
        let length = (64 / self.alphabet.len().ilog2().max(1)).clamp(12, 36) as usize;
        let mut pick = |from: &[char]| {
            let at = rng.random_range(0..from.len());
            from.get(at).copied().unwrap_or('v')
        };
        std::iter::once(pick(first))
            .chain((1..length).map(|_| pick(&self.alphabet)))
            .collect()
    }
}

/// Names and IDs for one case, the same in every run with the same seed.
#[derive(Debug)]
pub struct NameMaker {
    naming: Arc<Naming>,
    case: String,
    rng: ChaCha8Rng,
    made: u32,
}

impl NameMaker {
    /// A volume name that nobody uses.
    pub fn name(&mut self) -> String {
        loop {
            self.made += 1;
            let readable = format!("{}-{}-{}", self.naming.prefix, self.case, self.made);
            let name = self.naming.spell(&readable, &mut self.rng);
            let taken = self
                .naming
                .taken
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let mut made = self
                .naming
                .made
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if !taken.contains(&name) && made.insert(name.clone()) {
                return name;
            }
        }
    }

    /// Whether every character of `name` is one that ordinary names are made of.
    #[must_use]
    pub fn is_ordinary(&self, name: &str) -> bool {
        !name.is_empty() && name.chars().count() <= LONGEST && self.spells(name)
    }

    /// Whether ordinary names are made of the characters of `text`, among others.
    #[must_use]
    pub fn spells(&self, text: &str) -> bool {
        text.chars().all(|c| self.naming.alphabet.contains(&c))
    }

    /// A mount ID as dockerd makes them: 64 lower-case hex digits.
    pub fn id(&mut self) -> String {
        self.hex(64)
    }

    /// `digits` random lower-case hex digits.
    pub fn hex(&mut self, digits: usize) -> String {
        (0..digits)
            .map(|_| char::from_digit(self.rng.random_range(0..16), 16).unwrap_or('0'))
            .collect()
    }

    /// A random number.
    pub fn number(&mut self) -> u64 {
        self.rng.next_u64()
    }
}

/// FNV-1a: the same on every machine and in every release, as seeds must be.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Naming;

    #[test]
    fn the_same_seed_gives_the_same_names() {
        let make = || {
            let naming = Arc::new(Naming::new(7, None).unwrap());
            let mut maker = naming.for_case("mount.usable");
            (maker.name(), maker.name(), maker.id())
        };
        assert_eq!(make(), make());
        let (first, second, id) = make();
        assert!(
            first.ends_with("-mount-usable-1") && second.ends_with("-2"),
            "{first} {second}"
        );
        assert_eq!(id.len(), 64);
    }

    #[test]
    fn names_keep_to_the_alphabet_and_avoid_what_is_there() {
        let naming = Arc::new(Naming::new(1, Some("ab")).unwrap());
        let mut maker = naming.for_case("x.y");
        let name = maker.name();
        assert!(
            name.chars().all(|c| c == 'a' || c == 'b') && name.len() <= 40,
            "{name}"
        );
        let again = Arc::new(Naming::new(1, Some("ab")).unwrap());
        again.reserve(&name);
        assert_ne!(again.for_case("x.y").name(), name);
        assert!(Naming::new(1, Some("aa")).is_err());
    }
}
