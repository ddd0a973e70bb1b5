//! Labels as filters: Go's `filters.Args.MatchKVList`.

use crate::volumes::Pairs;

/// Whether every `KEY` is there and every `KEY=VALUE` is so.
pub(crate) fn match_all(wanted: &[String], labels: Option<&Pairs>) -> bool {
    wanted.iter().all(|wanted| match wanted.split_once('=') {
        None => labels.is_some_and(|labels| labels.contains_key(wanted)),
        Some((key, value)) => {
            labels.is_some_and(|labels| labels.get(key).is_some_and(|has| has == value))
        }
    })
}

/// Whether a prune leaves it alone: `label!` was asked for, and all of it matches.
pub(crate) fn spared(unwanted: &[String], labels: Option<&Pairs>) -> bool {
    !unwanted.is_empty() && match_all(unwanted, labels)
}

#[cfg(test)]
mod tests {
    use super::{Pairs, match_all, spared};

    #[test]
    fn all_labels_have_to_match() {
        let labels = Pairs::from([("a".into(), "1".into()), ("b".into(), String::new())]);
        assert!(match_all(&["a=1".into(), "b".into()], Some(&labels)));
        assert!(!match_all(&["a=2".into()], Some(&labels)));
        assert!(match_all(&[], None) && !spared(&[], None));
        assert!(!match_all(&["a".into()], None));
        assert!(spared(&["b".into()], Some(&labels)));
    }
}
