//! Typing errors: words that nobody knows, as those that they were meant for.

use super::lexicon::{american_fold, lexicon};
use super::numbers::{number_words, unit};
use super::spelling::{nearest, swapped};
use super::tokens::{Kind, Token};
use super::vocabulary::Genome;
use crate::biology::enzymes;
use crate::dialogue::Correction;
use crate::error::Result;

/// Words that nobody knows, as those that they were meant for.
pub(super) fn correct(
    question: &str,
    tokens: &mut [Token],
    genome: Genome<'_>,
    corrections: &mut Vec<Correction>,
) -> Result<()> {
    let glued: Vec<bool> = tokens.iter().skip(1).map(|next| next.glued && next.kind == Kind::Sign('-')).collect();
    for (i, token) in tokens.iter_mut().enumerate().filter(|(_, t)| t.kind == Kind::Word) {
        let written = &question[token.span.clone()];
        let word = american_fold(&token.text);
        let plain = word.chars().all(char::is_alphabetic);
        // `NotI` is an enzyme, `mRNA` a kind: only words as people write them are mended.
        if enzymes::site(written).is_some()
            || (!looks_like_gene(written) && written.chars().skip(1).any(char::is_uppercase))
        {
            continue;
        }
        if word.len() < 3
            || number_words(&[&*word]).is_some()
            || genome.organism_words()?.contains(&word)
            || lexicon().knows(&word)
            || unit(&word).is_some()
            || genome.name_rank(&word)?.is_some()
        {
            continue;
        }
        // `lac`, `rps`, `cas` name genes by how their names begin; `trans-spliced` is a prefix.
        if begins_names(genome, &word)? || (word.len() < 6 && glued.get(i) == Some(&true)) {
            continue;
        }
        let gene_like = looks_like_gene(written);
        let read = if gene_like {
            swapped(&word, genome.names()?.iter().map(String::as_str)).map(str::to_owned)
        } else if plain && !is_upper(written) && !genome.is_product_word(&word)? && !is_kind(genome, &word)? {
            let lexicon = lexicon().words().iter().map(String::as_str).filter(|word| word.len() > 3);
            let products = genome.product_words()?.iter().map(String::as_str);
            // Of products only long words: `cycle` is no `cyclo`, `stop` no `stfp`.
            let long = |known: &&str| known.len() > 5 && word.len() > 5;
            let products = products.filter(|word| word.chars().all(char::is_alphabetic)).filter(long);
            nearest(&word, lexicon.chain(products))
                .or_else(|| {
                    let names = genome.names().ok()?;
                    (4..6).contains(&word.len()).then(|| swapped(&word, names.iter().map(String::as_str))).flatten()
                })
                .map(str::to_owned)
        } else {
            None
        };
        if let Some(read) = read {
            corrections.push(Correction { written: written.to_owned(), read: read.clone() });
            token.text = read;
        }
    }
    Ok(())
}

/// Whether several genes are called so but for one letter behind: `lac` of lacA, lacI, lacY and lacZ.
pub(super) fn begins_names(genome: Genome<'_>, word: &str) -> Result<bool> {
    if !(3..=4).contains(&word.len()) || !word.chars().all(|c| c.is_ascii_lowercase()) {
        return Ok(false);
    }
    let one_more = |name: &&String| {
        let behind = name.strip_prefix(word);
        behind.is_some_and(|end| end.len() == 1 && end.chars().all(|c| c.is_ascii_alphanumeric()))
    };
    Ok(genome.names()?.iter().filter(one_more).take(2).count() == 2)
}

pub(super) fn is_kind(genome: Genome<'_>, word: &str) -> Result<bool> {
    Ok(genome.kinds()?.iter().any(|(words, _)| words.iter().any(|w| w == word)))
}

pub(super) fn is_upper(text: &str) -> bool {
    text.chars().all(|c| !c.is_lowercase())
}

/// `dnaA`, `b0002`, `YOR128C`, `VT2-Sap25`: letters in an order that words do not have, or digits.
pub(super) fn looks_like_gene(text: &str) -> bool {
    let rest: String = text.chars().skip(1).collect();
    let lower_first = text.chars().next().is_some_and(char::is_lowercase);
    let inner_upper = rest.chars().any(char::is_uppercase);
    let digits = text.chars().any(|c| c.is_ascii_digit());
    let letters = text.chars().any(char::is_alphabetic);
    letters
        && ((lower_first && inner_upper) || digits || text.contains('_'))
        && !text.ends_with("RNA")
        && !text.ends_with("RNAs")
}
