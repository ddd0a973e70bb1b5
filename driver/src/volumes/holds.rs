//! Who holds a volume mounted, counted per mount ID.
//!
//! Two sequences look alike from the socket. `docker cp` on a running container sends Mount with
//! an ID that is held, and Unmount for it (moby issues 37314 and 47964): a *set* of IDs would
//! unmount under the running container. After a crash, dockerd sends Mount again with an ID that
//! it never released, and one Unmount: a *counter* leaks a hold. A leak costs a mount, the other
//! error costs data, so calls are counted, and the way out of a leak is to remove the holds by
//! hand (`--forget-holds`).

use std::{collections::BTreeMap, fmt, num::NonZeroU32};

use serde::{Deserialize, Serialize};

use crate::{error::Error, types::MountId};

/// How often each holder has mounted the volume and not unmounted it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Holds(BTreeMap<MountId, NonZeroU32>);

impl Holds {
    /// Whether nobody holds the volume.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All holds together: successful Mounts minus successful Unmounts.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().map(|count| u64::from(count.get())).sum()
    }

    /// One hold more for this holder.
    pub(super) fn add(&mut self, id: &MountId) {
        match self.0.get_mut(id) {
            Some(count) => *count = count.saturating_add(1),
            None => {
                self.0.insert(id.clone(), NonZeroU32::MIN);
            }
        }
    }

    /// One hold less. A holder that has none is refused and takes nobody else's.
    pub(super) fn release(&mut self, id: &MountId) -> Result<(), Error> {
        let Some(count) = self.0.get_mut(id) else {
            return Err(Error::refused(
                match (self.0.is_empty(), id.is_anonymous()) {
                    (true, _) => "it is not mounted".to_owned(),
                    (false, true) => format!("a caller without an ID does not hold it, but {self}"),
                    (false, false) => format!("{id} does not hold it, but {self}"),
                },
            ));
        };
        match NonZeroU32::new(count.get() - 1) {
            Some(less) => *count = less,
            None => {
                self.0.remove(id);
            }
        }
        Ok(())
    }
}

impl fmt::Display for Holds {
    /// `2f05da218e5e, 91aa0c3f5d21 (2 times) and 3 more`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        for (index, (id, count)) in self.0.iter().take(SHOWN).enumerate() {
            let separator = if index > 0 { ", " } else { "" };
            write!(f, "{separator}{id}")?;
            if count.get() > 1 {
                write!(f, " ({count} times)")?;
            }
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moby_47964_cp_reuses_a_held_id() {
        let (mut holds, id) = (Holds::default(), MountId::new("container"));
        holds.add(&id);
        holds.add(&id);
        holds.release(&id).unwrap();
        assert!(
            !holds.is_empty(),
            "the container lost its volume to docker cp"
        );
        holds.release(&id).unwrap();
        assert!(holds.is_empty());
    }

    #[test]
    fn a_stray_release_takes_nobodys_hold() {
        let mut holds = Holds::default();
        holds.add(&MountId::new("a"));
        assert!(holds.release(&MountId::new("b")).is_err());
        assert!(holds.release(&MountId::default()).is_err());
        assert_eq!(holds.total(), 1);
    }

    #[test]
    fn many_holders_are_summed_up_in_the_same_order_always() {
        let mut holds = Holds::default();
        for id in ["g", "b", "d", "a", "b", "f", "e", "c"] {
            holds.add(&MountId::new(id));
        }
        assert_eq!(holds.to_string(), "a, b (2 times), c, d, e and 2 more");
    }
}
