//! British and American spelling, singular and plural, typing errors.

use std::borrow::Cow;

/// The American spelling of a word in lower case.
pub(super) fn american(word: &str) -> Cow<'_, str> {
    const PAIRS: [(&str, &str); 14] = [
        ("neighbour", "neighbor"),
        ("colour", "color"),
        ("behaviour", "behavior"),
        ("favour", "favor"),
        ("haem", "hem"),
        ("sulph", "sulf"),
        ("oestr", "estr"),
        ("aluminium", "aluminum"),
        ("analyse", "analyze"),
        ("centre", "center"),
        ("fibre", "fiber"),
        ("labelled", "labeled"),
        ("modelling", "modeling"),
        ("tumour", "tumor"),
    ];
    for (british, american) in PAIRS {
        if word.contains(british) {
            return Cow::Owned(word.replace(british, american));
        }
    }
    for (british, american) in [("ise", "ize"), ("ised", "ized"), ("ising", "izing"), ("isation", "ization")] {
        if let Some(stem) = word.strip_suffix(british)
            && stem.len() > 4
        {
            return Cow::Owned(format!("{stem}{american}"));
        }
    }
    Cow::Borrowed(word)
}

/// The ways a word of a product may be written: as given, singular, plural, British.
pub(super) fn forms(word: &str) -> Vec<String> {
    let mut forms = vec![word.to_owned()];
    if let Some(stem) = word.strip_suffix("ies").filter(|stem| stem.len() > 2) {
        forms.push(format!("{stem}y"));
    }
    for end in ["es", "s"] {
        let long = |stem: &&str| stem.len() > 2 && !stem.ends_with('s') && !stem.ends_with('u') && !stem.ends_with('i');
        if let Some(stem) = word.strip_suffix(end).filter(long) {
            forms.push(stem.to_owned());
        }
    }
    if !word.ends_with('s') {
        forms.push(format!("{word}s"));
    }
    if let Some(stem) = word.strip_suffix("ae") {
        forms.push(format!("{stem}a"));
    }
    for form in forms.clone() {
        let other = american(&form).into_owned();
        let british = form.replace("sulf", "sulph").replace("iz", "is").replace("hem", "haem");
        for form in [other, british] {
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
    }
    forms
}

/// The one word of the list that a typing error is nearest to; none where several are as near. Short words are not touched.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let letters = word.chars().count();
    let most = match letters {
        0..=2 => return None,
        3..=7 => 1,
        _ => 2,
    };
    let mut best: Option<(usize, &str)> = None;
    let mut tie = false;
    for candidate in known {
        if candidate.len().abs_diff(word.len()) > most || candidate.as_bytes().first() != word.as_bytes().first() {
            continue;
        }
        // Of a short word only a letter inside may be missing: `mny`.
        let last = word.as_bytes().last() == candidate.as_bytes().last();
        if letters == 3 && !(last && candidate.len() == 4) {
            continue;
        }
        let distance = 2 * strsim::osa_distance(word, candidate);
        if distance > 2 * most {
            continue;
        }
        // Of equals the one that ends alike: `gens` is `genes`.
        let distance = distance + usize::from(!last);
        match best {
            Some((least, _)) if distance > least => {}
            Some((least, other)) if distance == least => tie |= other != candidate,
            _ => {
                best = Some((distance, candidate));
                tie = false;
            }
        }
    }
    best.filter(|_| !tie).map(|(_, word)| word)
}

/// The one name that differs from this one by two letters that changed places. Other differences make other genes: `lacA` is no
/// typing error of `lacZ`.
pub(super) fn swapped<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let same_letters = |other: &str| {
        let sorted = |text: &str| {
            let mut letters: Vec<char> = text.to_lowercase().chars().collect();
            letters.sort_unstable();
            letters
        };
        other.len() == name.len() && sorted(other) == sorted(name)
    };
    let lower = name.to_lowercase();
    let mut found: Option<&str> = None;
    for candidate in known {
        if same_letters(candidate) && strsim::osa_distance(&lower, &candidate.to_lowercase()) == 1 {
            if found.is_some_and(|other| !other.eq_ignore_ascii_case(candidate)) {
                return None;
            }
            found = Some(candidate);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors() {
        let known = ["ribosomal", "protein", "polymerase", "polymerises", "gene", "genes", "transposase"];
        let check = |word: &str, expected: Option<&str>| {
            assert_eq!(nearest(word, known.iter().copied()), expected, "{word}");
        };
        check("ribosmal", Some("ribosomal"));
        check("protien", Some("protein"));
        check("genee", Some("gene"));
        check("gens", Some("genes"));
        check("mny", None);
        check("xylophone", None);
        check("transpossase", Some("transposase"));
        assert_eq!(swapped("danA", ["dnaA", "dnaB"].into_iter()), Some("dnaA"));
        assert_eq!(swapped("lacZ", ["lacA", "lacY"].into_iter()), None);
    }

    #[test]
    fn spellings() {
        assert_eq!(american("neighbouring"), "neighboring");
        assert_eq!(american("uncharacterised"), "uncharacterized");
        assert_eq!(american("wise"), "wise");
        assert!(forms("transporters").contains(&"transporter".to_owned()));
        assert!(forms("ligases").contains(&"ligase".to_owned()));
        assert!(forms("families").contains(&"family".to_owned()));
    }
}
