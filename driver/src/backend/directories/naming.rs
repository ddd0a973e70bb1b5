//! Volume names as directory names on shared storage, and back.
//!
//! A directory that somebody made by hand should be a volume of just that name, so names stand
//! for themselves where they can. The others are written as [`Key`]s are, which holds a `%`; a
//! name with a `%` in it is always written so, and the two never meet.

use std::ffi::OsStr;

use crate::{types::VolumeName, volumes::Key};

/// Longest name that stands for itself, in bytes; file systems allow 255.
const MAX_BYTES: usize = 200;

/// How names become directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// As they are, where a directory can have that name.
    Plain,
    /// Always as keys: for storage that takes `A` and `a` for the same.
    Encoded,
}

impl Naming {
    pub(in crate::backend) fn directory_of(self, name: &VolumeName) -> String {
        if self == Self::Plain && stands_for_itself(name) {
            name.as_str().to_owned()
        } else {
            Key::of(name).as_str().to_owned()
        }
    }

    /// The volume of a directory; `None` for one that no volume has.
    pub(in crate::backend) fn name_of(self, directory: &str) -> Option<VolumeName> {
        let decoded = Key::name_of(OsStr::new(directory));
        let name = decoded.or_else(|| VolumeName::new(directory).ok())?;
        (self.directory_of(&name) == directory).then_some(name)
    }
}

/// Names that begin with a dot are hidden: the trash is one of them.
fn stands_for_itself(name: &str) -> bool {
    let strange = |char: char| matches!(char, '/' | '%') || char.is_control();
    name.len() <= MAX_BYTES && !name.starts_with('.') && !name.contains(strange)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn directories_made_by_hand_are_volumes_of_their_name() {
        for plain in ["data", "My Data", "Größe", "a,b", "-x", "v1.2"] {
            let name = VolumeName::new(plain).unwrap();
            assert_eq!(Naming::Plain.directory_of(&name), plain);
            assert_eq!(Naming::Plain.name_of(plain), Some(name));
        }
        for hidden in [".volplug-trash", ".", "..", "100%", "%61", "a\nb"] {
            assert_eq!(Naming::Plain.name_of(hidden), None, "{hidden}");
        }
        for case in ["My Data", "A"] {
            assert_eq!(Naming::Encoded.name_of(case), None);
        }
    }

    proptest! {
        #[test]
        fn names_are_injective_safe_and_come_back(one in ".{1,60}", two in ".{1,60}") {
            let (Ok(one), Ok(two)) = (VolumeName::new(one), VolumeName::new(two)) else { return Ok(()) };
            for naming in [Naming::Plain, Naming::Encoded] {
                let (a, b) = (naming.directory_of(&one), naming.directory_of(&two));
                prop_assert_eq!(one == two, a == b);
                prop_assert!(!a.contains('/') && !a.starts_with('.') && a.len() <= 255);
                if !a.contains("%sha256-") {
                    prop_assert_eq!(naming.name_of(&a), Some(one.clone()));
                }
            }
        }
    }
}
