//! Encoding: what the JSON looks like, in both directions.
//!
//! [`answers`] judges every answer of the run, [`requests`] sends bodies that mean the same in other
//! letters.

mod answers;
mod requests;

use crate::suite::Case;

pub(super) const CASES: &[Case] = &[
    answers::OBJECT,
    answers::EXACTLY_200,
    answers::ERR_TYPE,
    answers::FIELD_NAMES,
    requests::OPTS_NULL,
    requests::OPTS_STRINGS,
    requests::UNKNOWN_FIELDS,
    requests::ESCAPES,
    answers::CLEAN_JSON,
    answers::CONTENT_TYPE,
    answers::CREATED_AT,
    answers::STATUS,
    answers::NO_NULL_VOLUME,
];
