//! Number words and units.

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Bases, with how many each stands for.
    Bases(u32),
    AminoAcids,
    Percent,
    Dalton(u32),
}

/// A unit in lower case.
pub(super) fn unit(word: &str) -> Option<Unit> {
    Some(match word {
        "bp" | "b" | "nt" | "nts" | "base" | "bases" | "basepair" | "basepairs" | "nucleotide" | "nucleotides" => {
            Unit::Bases(1)
        }
        "kb" | "kbp" | "kbs" | "kilobase" | "kilobases" | "kilobasepairs" | "knt" => Unit::Bases(1000),
        "mb" | "mbp" | "megabase" | "megabases" => Unit::Bases(1_000_000),
        "aa" | "aas" | "residue" | "residues" | "aminoacid" | "aminoacids" => Unit::AminoAcids,
        "%" | "percent" => Unit::Percent,
        "da" | "dalton" | "daltons" => Unit::Dalton(1),
        "kda" | "kd" | "kilodalton" | "kilodaltons" => Unit::Dalton(1000),
        _ => return None,
    })
}

/// A number word below a hundred, or an ordinal.
fn small(word: &str) -> Option<f64> {
    const WORDS: [(&str, f64); 28] = [
        ("zero", 0.0),
        ("one", 1.0),
        ("two", 2.0),
        ("three", 3.0),
        ("four", 4.0),
        ("five", 5.0),
        ("six", 6.0),
        ("seven", 7.0),
        ("eight", 8.0),
        ("nine", 9.0),
        ("ten", 10.0),
        ("eleven", 11.0),
        ("twelve", 12.0),
        ("thirteen", 13.0),
        ("fourteen", 14.0),
        ("fifteen", 15.0),
        ("sixteen", 16.0),
        ("seventeen", 17.0),
        ("eighteen", 18.0),
        ("nineteen", 19.0),
        ("twenty", 20.0),
        ("thirty", 30.0),
        ("forty", 40.0),
        ("fifty", 50.0),
        ("sixty", 60.0),
        ("seventy", 70.0),
        ("eighty", 80.0),
        ("ninety", 90.0),
    ];
    WORDS.iter().find(|(name, _)| *name == word).map(|(_, value)| *value)
}

fn large(word: &str) -> Option<f64> {
    Some(match word {
        "hundred" => 100.0,
        "thousand" => 1e3,
        "million" => 1e6,
        "dozen" => 12.0,
        _ => return None,
    })
}

/// The number that these words begin with, and how many words it takes: `two hundred and fifty`, `a thousand`, `a dozen`.
pub(super) fn number_words(words: &[&str]) -> Option<(f64, usize)> {
    let (mut total, mut part, mut seen, mut at) = (0.0, 0.0, false, 0);
    while let Some(word) = words.get(at) {
        if let Some(value) = small(word) {
            if seen && !(part % 100.0 == 0.0 || (value < 10.0 && part % 10.0 == 0.0)) {
                break;
            }
            part += value;
            seen = true;
        } else if let Some(value) = large(word) {
            // `a thousand`, but no `thousand` alone: that is no number.
            if !seen {
                return None;
            }
            if value == 100.0 || value == 12.0 {
                part *= value;
            } else {
                total += part * value;
                part = 0.0;
            }
        } else if *word == "a" && !seen && words.get(at + 1).is_some_and(|next| large(next).is_some()) {
            part = 1.0;
            seen = true;
        } else if !(*word == "and"
            && seen
            && at > 0
            && large(words[at - 1]).is_some()
            && words.get(at + 1).is_some_and(|next| small(next).is_some())
            // `between one hundred and one hundred and twenty`
            && words.get(at + 2).is_none_or(|next| large(next).is_none()))
        {
            break;
        }
        at += 1;
    }
    seen.then_some((total + part, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_words_are_read() {
        let check = |text: &str, expected: Option<(f64, usize)>| {
            let words: Vec<&str> = text.split(' ').collect();
            assert_eq!(number_words(&words), expected, "{text}");
        };
        check("ten largest", Some((10.0, 1)));
        check("twenty five genes", Some((25.0, 2)));
        check("one thousand aa", Some((1000.0, 2)));
        check("a hundred and twenty aa", Some((120.0, 4)));
        check("two hundred thousand bp", Some((200_000.0, 3)));
        check("a dozen genes", Some((12.0, 2)));
        check("a gene", None);
        check("thousand", None);
        check("five and six", Some((5.0, 1)));
        check("one hundred and one hundred", Some((100.0, 2)));
    }
}
