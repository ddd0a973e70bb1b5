//! What a volume is when several hosts share the storage.
//!
//! The storage says which volumes there are, and with what options; the record of this host says
//! who holds them here. Holds of other hosts are none of ours: their engines count their own
//! containers only, and so do their drivers (`glob.per-host-count`).

use jiff::Timestamp;

use super::Record;
use crate::{backend::Presence, types::Options};

/// A volume as this host sees it, where the storage only says whether it is there.
#[must_use]
pub fn seen(record: Option<Record>, presence: Presence) -> Option<Record> {
    match presence {
        Presence::AsRecorded | Presence::Unknown(_) => record,
        Presence::Present => Some(record.unwrap_or_else(Record::found)),
        // Removed elsewhere. Whoever holds it here must still be able to let go.
        Presence::Absent => record.filter(Record::is_mounted),
    }
}

/// A volume as this host sees it: from its own record, and from what is on the storage now.
#[must_use]
pub fn merged(record: Option<Record>, found: Option<(Options, Timestamp)>) -> Option<Record> {
    match (record, found) {
        (Some(record), Some((options, _))) if record.options == options => Some(record),
        // Removed and made anew elsewhere. Who holds it here has to let go of it all the same.
        (Some(record), Some((options, created_at))) => Some(Record {
            options,
            created_at: Some(created_at),
            found: false,
            holds: record.holds,
        }),
        (None, Some((options, created_at))) => Some(Record::new(options, created_at)),
        // Removed elsewhere. While it is held here, dockerd must be able to find it, or it would
        // never send the Unmount.
        (Some(record), None) => record.is_mounted().then_some(record),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::MountId;

    const THEN: Timestamp = Timestamp::UNIX_EPOCH;

    fn options(mode: &str) -> Options {
        [("mode".to_owned(), mode.to_owned())].into()
    }

    fn held() -> Record {
        let mut record = Record::new(options("0700"), THEN);
        record.holds.add(&MountId::new("a"));
        record
    }

    #[test]
    fn a_volume_of_another_host_is_known_and_one_that_is_gone_is_not() {
        let found = Some((options("0700"), THEN));
        let seen = merged(None, found).unwrap();
        assert_eq!(
            (seen.options(), seen.is_mounted()),
            (&options("0700"), false)
        );
        assert_eq!(merged(Some(held().without_holds()), None), None);
        assert_eq!(merged(None, None), None);
    }

    #[test]
    fn storage_that_knows_no_options_says_what_is_there() {
        let unheld = || Some(held().without_holds());
        assert_eq!(seen(unheld(), Presence::AsRecorded), unheld());
        assert_eq!(seen(unheld(), Presence::Absent), None);
        assert_eq!(seen(Some(held()), Presence::Absent), Some(held()));
        assert_eq!(seen(unheld(), Presence::Present), unheld());
        assert_eq!(seen(None, Presence::Present), Some(Record::found()));
    }

    #[test]
    fn holds_of_this_host_stay_whatever_others_do() {
        assert_eq!(merged(Some(held()), None), Some(held()));
        assert_eq!(
            merged(Some(held()), Some((options("0700"), THEN))),
            Some(held())
        );
        let anew = merged(Some(held()), Some((options("0755"), THEN))).unwrap();
        assert_eq!(
            (anew.options(), anew.holds().total()),
            (&options("0755"), 1)
        );
    }
}
