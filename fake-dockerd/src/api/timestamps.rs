//! Points in time as clients write them (moby's `api/types/time`).

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::ask::Filters;
use crate::error::{Error, Result};

/// Seconds since 1970, `10m` ago, or a date with as much of a time as one likes.
///
/// # Errors
/// Go's text, if it is none of them.
pub(super) fn parse(text: &str, now: Timestamp) -> Result<Timestamp> {
    let invalid = || {
        Error::invalid(format!(
            "failed to parse {text:?} as a time: use seconds since 1970, a duration such as 10m, \
             or a date such as 2006-01-02T15:04:05Z"
        ))
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if digits(seconds) && digits(fraction) {
        let nanoseconds = format!("{fraction:0<9}");
        let nanoseconds = nanoseconds.get(..9).and_then(|digits| digits.parse().ok());
        return Timestamp::new(
            seconds.parse().map_err(|_| invalid())?,
            nanoseconds.ok_or_else(invalid)?,
        )
        .map_err(|_| invalid());
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(time) = text.parse::<DateTime>() {
        let local = time.to_zoned(TimeZone::system()).map_err(|_| invalid())?;
        return Ok(local.timestamp());
    }
    let ago: SignedDuration = text.parse().map_err(|_| invalid())?;
    now.checked_sub(ago).map_err(|_| invalid())
}

/// A parameter of the query, if it is there.
pub(super) fn given(text: &str) -> Result<Option<Timestamp>> {
    match text {
        "" => Ok(None),
        text => parse(text, Timestamp::now()).map(Some),
    }
}

/// The filter `until` of a prune.
pub(super) fn until(filters: &Filters) -> Result<Option<Timestamp>> {
    match filters.get("until") {
        [] => Ok(None),
        [until] => given(until),
        _ => Err(Error::invalid("more than one until filter specified")),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::parse;

    #[test]
    fn times_come_in_several_forms() {
        let now = Timestamp::from_second(10_000).unwrap();
        let nanoseconds = |text| parse(text, now).unwrap().as_nanosecond();
        assert_eq!(nanoseconds("12"), 12_000_000_000);
        assert_eq!(nanoseconds("12.000000005"), 12_000_000_005);
        assert_eq!(nanoseconds("12.5"), 12_500_000_000);
        assert_eq!(nanoseconds("1h30m"), 4_600_000_000_000);
        assert_eq!(nanoseconds("1970-01-01T00:00:07Z"), 7_000_000_000);
        assert!(parse("1970-01-01", now).is_ok());
        assert!(parse("soon", now).is_err());
    }
}
