//! Which option keys look like secrets, and how their values are kept out of sight.
//!
//! Docker hands passwords to plugins as plain options. They must not come back in answers or
//! logs, so whatever prints JSON from the wire passes through [`mask`], and whatever reports an
//! option's value asks [`looks_secret`] first.

use serde_json::Value;

/// What stands in place of a secret.
pub const REDACTED: &str = "REDACTED";

/// Parts of a key that give a secret away, in lower case and without separators.
const TELLING: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "key",
    "auth",
    "pwd",
    "private",
    "signature",
];

/// Whether the value under this key had better not be shown: `password`, `s3-secret-key`,
/// `accessKeyId`, … Rather one too many than one too few.
#[must_use]
pub fn looks_secret(key: &str) -> bool {
    let plain: String = key
        .chars()
        .filter(|char| char.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    plain == "pass" || TELLING.iter().any(|part| plain.contains(part))
}

/// Replaces every value under a secret-looking key, at any depth.
pub fn mask(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                if looks_secret(key) {
                    *field = Value::from(REDACTED);
                } else {
                    mask(field);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}

/// A body from the wire as a log may show it. What is not JSON is not shown at all, for nothing
/// can be masked in it.
pub(crate) fn masked_body(body: &[u8]) -> String {
    if body.is_empty() {
        return String::new();
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(mut value) => {
            mask(&mut value);
            value.to_string()
        }
        Err(_) => format!("({} bytes that are not JSON)", body.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telling_keys_are_recognised() {
        for key in [
            "password",
            "Secret",
            "s3_secret_key",
            "API-Token",
            "accessKeyId",
            "pass",
            "credentials",
        ] {
            assert!(looks_secret(key), "{key}");
        }
        for key in [
            "mode",
            "uid",
            "from",
            "Name",
            "Mountpoint",
            "compass",
            "bypass",
        ] {
            assert!(!looks_secret(key), "{key}");
        }
    }

    #[test]
    fn bodies_are_masked_at_any_depth() {
        let body = br#"{"Name":"v1","Opts":{"password":"hunter2","nested":[{"token":{"a":"hunter2"}}],"mode":"0700"}}"#;
        let shown = masked_body(body);
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(
            shown.contains(r#""mode":"0700""#) && shown.contains(REDACTED),
            "{shown}"
        );
        assert_eq!(
            masked_body(b"password=hunter2"),
            "(16 bytes that are not JSON)"
        );
    }
}
