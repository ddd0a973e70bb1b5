//! Go's way of putting a JSON value into a struct, with its error texts.

use super::decode::Json;

/// The Go struct that an answer is put into.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// The package, which shows where the whole value has the wrong type.
    pub(crate) package: &'static str,
    /// The struct's name, which shows where a field has.
    pub(crate) name: &'static str,
}

/// Collects the first error while fields are read, as Go does: it goes on behind a wrong type and
/// tells the first one in the end.
#[derive(Debug)]
pub(crate) struct Reader {
    target: Target,
    error: Option<String>,
}

impl Reader {
    /// A reader for `target`.
    pub(crate) fn new(target: Target) -> Self {
        Self {
            target,
            error: None,
        }
    }

    /// The fields of the whole answer; none for `null`, which Go takes for an empty struct.
    pub(crate) fn fields(&mut self, json: Json) -> Vec<(String, Json)> {
        match json {
            Json::Object(fields) => fields,
            Json::Null => Vec::new(),
            other => {
                let Target { package, name } = self.target;
                self.fail(format!(
                    "json: cannot unmarshal {} into Go value of type {package}.{name}",
                    kind(&other)
                ));
                Vec::new()
            }
        }
    }

    /// Puts a string into `slot`; `null` leaves it as it is.
    pub(crate) fn string(&mut self, slot: &mut String, field: &str, json: Json) {
        match json {
            Json::String(text) => *slot = text,
            Json::Null => {}
            other => self.mismatch(field, &other, "string"),
        }
    }

    /// Notes that `json` does not fit into `field`.
    pub(crate) fn mismatch(&mut self, field: &str, json: &Json, wanted: &str) {
        self.fail(format!(
            "json: cannot unmarshal {} into Go struct field {}.{field} of type {wanted}",
            kind(json),
            self.target.name
        ));
    }

    /// Notes an error, unless there was one before.
    pub(crate) fn fail(&mut self, error: String) {
        self.error.get_or_insert(error);
    }

    /// The first error, if there was one.
    pub(crate) fn finish(self) -> Result<(), String> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// What Go calls the type of a value.
fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "bool",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}
