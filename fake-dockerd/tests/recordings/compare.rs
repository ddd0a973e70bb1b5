//! Texts in which IDs, paths and ports stand for others.

use std::collections::HashMap;

const ID: usize = 64;

/// Which ID of the replay stands for which recorded one.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    to_recorded: HashMap<String, String>,
    to_played: HashMap<String, String>,
}

/// Where the 64-digit words of a text begin.
fn id_positions(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    let mut found = Vec::new();
    let mut start = 0;
    for end in 0..=bytes.len() {
        if end < bytes.len() && hex(&bytes[end]) {
            continue;
        }
        if end - start == ID {
            found.push(start);
        }
        start = end + 1;
    }
    found
}

impl Ids {
    /// Whether `played` is `recorded` with other IDs; the pairs are kept if so.
    pub(crate) fn unify(&mut self, recorded: &str, played: &str) -> bool {
        let positions = id_positions(recorded);
        if recorded.len() != played.len() || positions != id_positions(played) {
            return false;
        }
        let mut pairs = Vec::new();
        let mut rest = 0;
        for position in positions {
            if recorded[rest..position] != played[rest..position] {
                return false;
            }
            rest = position + ID;
            let (theirs, ours) = (&recorded[position..rest], &played[position..rest]);
            let known_ours = self.to_played.get(theirs);
            let known_theirs = self.to_recorded.get(ours);
            match (known_ours, known_theirs) {
                (None, None) => pairs.push((theirs.to_owned(), ours.to_owned())),
                (Some(known), _) if known == ours => {}
                _ => return false,
            }
        }
        if recorded[rest..] != played[rest..] {
            return false;
        }
        for (theirs, ours) in pairs {
            self.to_recorded.insert(ours.clone(), theirs.clone());
            self.to_played.insert(theirs, ours);
        }
        true
    }

    /// A recorded text with the IDs of the replay.
    pub(crate) fn played(&self, recorded: &str) -> String {
        let mut text = recorded.to_owned();
        for position in id_positions(recorded) {
            let id = &recorded[position..position + ID];
            if let Some(ours) = self.to_played.get(id) {
                text.replace_range(position..position + ID, ours);
            }
        }
        text
    }
}

/// A text without IDs.
pub(crate) fn without_ids(text: &str) -> String {
    let mut result = text.to_owned();
    for position in id_positions(text).into_iter().rev() {
        result.replace_range(position..position + ID, "<id>");
    }
    result
}

/// What the daemon said, as far as the CLI printed it: the first line of each message.
pub(crate) fn daemon_errors(stderr: &str) -> Vec<String> {
    stderr
        .lines()
        .filter_map(|line| line.split_once("Error response from daemon: "))
        .map(|(_, message)| without_ids(message.trim_end()))
        .collect()
}
