//! Advice for people who mistyped a word.

/// What is wrong with a word that is not among those accepted, and what it may have been.
pub(crate) fn unknown<'a>(word: &str, accepted: impl IntoIterator<Item = &'a str>) -> String {
    let mut accepted: Vec<_> = accepted.into_iter().collect();
    accepted.sort_unstable();
    let plain = |word: &str| word.to_lowercase().replace('_', "-");
    let word = plain(word);
    let nearest = accepted
        .iter()
        .map(|accepted| {
            (
                strsim::damerau_levenshtein(&word, &plain(accepted)),
                *accepted,
            )
        })
        .min()
        .filter(|(distance, accepted)| *distance <= accepted.len().div_ceil(3));
    let list = accepted.join(", ");
    match nearest {
        Some((_, nearest)) => format!("not known, did you mean {nearest}? Accepted are {list}"),
        None => format!("not known; accepted are {list}"),
    }
}
