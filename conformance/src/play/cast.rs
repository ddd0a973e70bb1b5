//! What volumes and mount IDs are called in one play of a sequence.

use std::path::Path;

use super::sequence::{IDS, Options, Sequence, Spelling, Step};
use crate::model::{Call, Id, Name};
use crate::suite::Cx;

/// The option that no plugin knows.
const BOGUS: &str = "volplug-bogus";

/// The names and IDs of a play, by number.
#[derive(Debug)]
pub(super) struct Cast {
    roles: Vec<Role>,
    /// The mount IDs. The second one differs from the first in its last digit only.
    ids: Vec<Id>,
}

/// A volume as it is called in this play.
#[derive(Debug)]
struct Role {
    name: Name,
    /// The ordinary name that options and `--prepare` are given.
    stand_in: String,
    strange: bool,
}

impl Cast {
    /// New names, spelt as the sequence asks; those that lead out of a directory lead to `aim`.
    pub(super) fn of(sequence: &Sequence, cx: &mut Cx, aim: Option<&Path>) -> Self {
        Self {
            roles: roles(cx, sequence, aim),
            ids: ids(cx),
        }
    }

    /// How many volumes there are.
    pub(super) const fn volumes(&self) -> usize {
        self.roles.len()
    }

    /// The name of volume `number`.
    pub(super) fn name(&self, number: u8) -> Option<Name> {
        self.role(number).map(|role| Name::clone(&role.name))
    }

    /// The ordinary name that stands in for `name` where it may be strange.
    pub(super) fn stand_in(&self, name: &Name) -> &str {
        let role = self.roles.iter().find(|role| role.name == *name);
        role.map_or("", |role| role.stand_in.as_str())
    }

    /// All mount IDs.
    pub(super) fn ids(&self) -> &[Id] {
        &self.ids
    }

    /// The number of a mount ID.
    pub(super) fn number_of(&self, id: &Id) -> Option<u8> {
        let number = self.ids.iter().position(|known| known == id);
        number.and_then(|number| u8::try_from(number).ok())
    }

    /// A step as a call; `None` for one that is none, or that is about no volume of this play.
    pub(super) fn call(&self, cx: &Cx, step: Step) -> Option<Call> {
        let name = || self.name(step.volume()?);
        let id = || self.ids.get(usize::from(step.id()?)).cloned();
        Some(match step {
            Step::Activate => Call::Activate,
            Step::List => Call::List,
            Step::Create { volume, options } => self.create(cx, volume, options)?,
            Step::Get { .. } => Call::Get(name()?),
            Step::Path { .. } => Call::Path(name()?),
            Step::Mount { .. } => Call::Mount(name()?, id()?),
            Step::Unmount { .. } => Call::Unmount(name()?, id()?),
            Step::Remove { .. } => Call::Remove(name()?),
            Step::Write { .. }
            | Step::Read { .. }
            | Step::Kill
            | Step::KillDuring { .. }
            | Step::Restart => return None,
        })
    }

    fn create(&self, cx: &Cx, number: u8, options: Options) -> Option<Call> {
        let role = self.role(number)?;
        let usual = cx.opts_for(&role.stand_in);
        Some(Call::Create {
            name: Name::clone(&role.name),
            sound: !role.strange && options != Options::Bogus,
            opts: match options {
                Options::Usual => usual,
                Options::Empty => Some(usual.unwrap_or_default()),
                Options::Bogus => cx.opts_with(&role.stand_in, BOGUS, "1"),
            },
        })
    }

    fn role(&self, number: u8) -> Option<&Role> {
        self.roles.get(usize::from(number))
    }
}

/// What the volumes are called this time.
fn roles(cx: &mut Cx, sequence: &Sequence, aim: Option<&Path>) -> Vec<Role> {
    let mut first = cx.name();
    // What a slash is most likely taken for.
    let underscored = first.replace('-', "_");
    if sequence.names.contains(&Spelling::Slashes) && cx.is_ordinary(&underscored) {
        first = underscored;
    }
    let mut roles = Vec::new();
    for number in (0_u8..).take(sequence.names.len()) {
        let stand_in = if number == 0 {
            first.clone()
        } else {
            cx.name()
        };
        let spelling = sequence.spelling(number);
        let hostile = cx.target().hostile;
        let spelt = spell(&first, spelling, aim)
            .filter(|_| number > 0)
            .filter(|name| hostile || (!spelling.is_strange() && cx.is_ordinary(name)))
            .filter(|name| roles.iter().all(|role: &Role| *role.name != **name));
        let strange = spelt.as_ref().is_some_and(|name| !cx.is_ordinary(name));
        roles.push(Role {
            name: spelt.as_deref().unwrap_or(&stand_in).into(),
            stand_in,
            strange,
        });
    }
    roles
}

/// A name that is like `first` and not the same.
fn spell(first: &str, spelling: Spelling, aim: Option<&Path>) -> Option<String> {
    // From the root, `..` leads to the root: so many of them fit any depth.
    const DEPTH: usize = 16;
    let name = match spelling {
        Spelling::Plain => return None,
        Spelling::Longer => format!("{first}{}", first.chars().last().unwrap_or('x')),
        Spelling::Capitals => first.to_uppercase(),
        Spelling::Slashes => first.replace('_', "/"),
        Spelling::Accent => format!("{first}\u{301}"),
        Spelling::Blank => format!("{first} "),
        Spelling::Upwards => {
            let aim = aim?.to_str()?.trim_start_matches('/');
            format!("{}{aim}/{first}", "../".repeat(DEPTH))
        }
    };
    (name != first).then_some(name)
}

/// New mount IDs.
fn ids(cx: &mut Cx) -> Vec<Id> {
    let first = cx.id();
    let (start, last) = first.split_at(first.len().saturating_sub(1));
    let twin = format!("{start}{}", if last == "0" { "1" } else { "0" });
    let mut ids = vec![Id::from(first.as_str()), Id::from(twin)];
    ids.extend((2..IDS).map(|_| Id::from(cx.id())));
    ids
}
