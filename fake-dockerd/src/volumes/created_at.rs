//! `CreatedAt` of a volume, as Go's `time.Time` reads and shows it.

use crate::json::Json;

/// Go's zero time.
pub(crate) const ZERO: &str = "0001-01-01T00:00:00Z";

/// A time in JSON, as Go shows it again; none for `null`.
///
/// # Errors
/// Go's text.
pub(crate) fn read(json: &Json) -> Result<Option<String>, String> {
    match json {
        Json::Null => Ok(None),
        Json::String(text) => show(text).map(Some).ok_or_else(|| {
            let format = "2006-01-02T15:04:05Z07:00";
            format!("parsing time {text:?} as {format:?}: cannot parse {text:?}")
        }),
        _ => Err("Time.UnmarshalJSON: input is not a JSON string".to_owned()),
    }
}

/// RFC 3339 without fractions, with `Z` for an offset of nothing.
fn show(text: &str) -> Option<String> {
    let (date_time, rest) = text.split_at_checked("2006-01-02T15:04:05".len())?;
    for (position, byte) in date_time.bytes().enumerate() {
        let fits = match position {
            4 | 7 => byte == b'-',
            10 => byte == b'T',
            13 | 16 => byte == b':',
            _ => byte.is_ascii_digit(),
        };
        if !fits {
            return None;
        }
    }
    let part = |from: usize, to: usize| date_time.get(from..to)?.parse::<u32>().ok();
    let fits = (1..=12).contains(&part(5, 7)?)
        && (1..=31).contains(&part(8, 10)?)
        && part(11, 13)? < 24
        && part(14, 16)? < 60
        && part(17, 19)? < 60;
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            (zone.len() < fraction.len()).then_some(zone)?
        }
        None => rest,
    };
    let zone = match zone.as_bytes() {
        b"Z" | b"+00:00" | b"-00:00" => "Z",
        [b'+' | b'-', h1, h2, b':', m1, m2]
            if [h1, h2, m1, m2].iter().all(|digit| digit.is_ascii_digit()) =>
        {
            zone
        }
        _ => return None,
    };
    fits.then(|| format!("{date_time}{zone}"))
}

#[cfg(test)]
mod tests {
    use super::show;

    #[test]
    fn fractions_are_dropped_and_rubbish_is_refused() {
        assert_eq!(
            show("2026-11-21T06:11:09.5Z").as_deref(),
            Some("2026-11-21T06:11:09Z")
        );
        assert_eq!(
            show("2026-11-21T06:11:09+02:00").as_deref(),
            Some("2026-11-21T06:11:09+02:00")
        );
        for wrong in [
            "",
            "yesterday",
            "2026-13-21T06:11:09Z",
            "2026-11-21T06:11:09",
            "2026-11-21 06:11:09Z",
        ] {
            assert_eq!(show(wrong), None, "{wrong}");
        }
    }
}
