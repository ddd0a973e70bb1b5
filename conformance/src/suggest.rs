//! Advice for people who mistyped a word.

/// How alike two words are at the least where one is suggested for the other.
const ALIKE: f64 = 0.75;

/// The one of `accepted` that is most like `word`, if any is like it at all.
pub(crate) fn nearest<'a>(
    word: &str,
    accepted: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    accepted
        .into_iter()
        .map(|accepted| (strsim::jaro_winkler(word, accepted), accepted))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, accepted)| accepted)
}

/// The end of a sentence about an unknown word; empty where nothing is like it.
pub(crate) fn hint(nearest: Option<&str>) -> String {
    nearest
        .map(|name| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}
