//! What the qualifiers of a feature say, whatever the format calls it.

/// What a feature is for the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Gene,
    Cds,
    Rna,
    Transcript,
    Part,
    Source,
    Other,
}

impl Role {
    pub(super) fn of(kind: &str) -> Self {
        let lower = kind.to_ascii_lowercase();
        match lower.as_str() {
            "gene" | "pseudogene" => Self::Gene,
            "cds" => Self::Cds,
            "mrna" | "transcript" | "primary_transcript" | "prim_transcript" => Self::Transcript,
            "exon" | "intron" | "utr" | "start_codon" | "stop_codon" | "5'utr" | "3'utr" => Self::Part,
            "source" | "region" | "chromosome" | "contig" | "scaffold" | "supercontig" | "plasmid" => Self::Source,
            other if other.ends_with("_transcript") || other.starts_with("mrna_") => Self::Transcript,
            other if other.ends_with("_gene") => Self::Gene,
            other if other.ends_with("_utr") || other.ends_with("_exon") => Self::Part,
            other if other.ends_with("rna") => Self::Rna,
            _ => Self::Other,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gene => "gene",
            Self::Cds => "cds",
            Self::Rna => "rna",
            Self::Transcript => "transcript",
            Self::Part => "part",
            Self::Source => "source",
            Self::Other => "other",
        }
    }
}

/// Name and value of qualifiers, in the order of the file.
pub(super) type Qualifiers = [(String, Option<String>)];

/// What is known of a feature from its qualifiers.
#[derive(Debug, Default)]
pub(super) struct Facts<'a> {
    pub(super) gene: Option<&'a str>,
    pub(super) locus_tag: Option<&'a str>,
    pub(super) protein_id: Option<&'a str>,
    pub(super) product: Option<&'a str>,
    pub(super) translation: Option<&'a str>,
    pub(super) biotype: Option<&'a str>,
    pub(super) id: Option<&'a str>,
    /// A name for features that have no gene: `standard_name`, `label`, `mobile_element_type`, GFF's `Name`.
    pub(super) name: Option<&'a str>,
    pub(super) pseudo: bool,
    pub(super) synonyms: Vec<&'a str>,
    pub(super) references: Vec<&'a str>,
    pub(super) go: Vec<String>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(role: Role, kind: &str, qualifiers: &'a Qualifiers) -> Self {
        let lower = kind.to_ascii_lowercase();
        let mut facts = Self { pseudo: lower == "pseudogene" || lower.starts_with("pseudogenic"), ..Self::default() };
        let mut display = None;
        for (name, value) in qualifiers {
            let value = value.as_deref();
            if matches!(name.as_str(), "pseudo" | "pseudogene") {
                facts.pseudo |= value != Some("false");
            }
            let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) else { continue };
            let slot = match name.as_str() {
                "gene" | "gene_name" => &mut facts.gene,
                "locus_tag" => &mut facts.locus_tag,
                "protein_id" => &mut facts.protein_id,
                "product" => &mut facts.product,
                "translation" => &mut facts.translation,
                "gene_biotype" | "gene_type" | "biotype" => &mut facts.biotype,
                "ID" => &mut facts.id,
                "Name" => &mut display,
                "label" | "mobile_element_type" => &mut facts.name,
                "gene_synonym" => {
                    facts.synonyms.extend(value.split(';').map(str::trim).filter(|s| !s.is_empty()));
                    continue;
                }
                "Alias" | "old_locus_tag" | "standard_name" => {
                    facts.synonyms.push(value);
                    continue;
                }
                "db_xref" | "Dbxref" => {
                    facts.references.push(value);
                    facts.add_go(value);
                    continue;
                }
                "Ontology_term" => {
                    facts.add_go(value);
                    continue;
                }
                name if name.len() > 3 && name.as_bytes()[..3].eq_ignore_ascii_case(b"GO_") => {
                    facts.add_go(value);
                    // NCBI's GFF3: `DNA repair|0006281||IEA`.
                    let bare =
                        value.split('|').nth(1).filter(|id| id.len() == 7 && id.bytes().all(|b| b.is_ascii_digit()));
                    facts.go.extend(bare.map(|id| format!("GO:{id}")));
                    continue;
                }
                _ => continue,
            };
            if slot.is_none() {
                *slot = Some(value);
            }
        }
        if let Some(display) = display {
            let known = [facts.locus_tag, facts.id, facts.protein_id].contains(&Some(display));
            if role == Role::Gene && facts.gene.is_none() && !known {
                facts.gene = Some(display);
            }
            facts.name = facts.name.or(Some(display));
        }
        facts.go.sort_unstable();
        facts.go.dedup();
        facts
    }

    /// Every `GO:` with seven digits.
    fn add_go(&mut self, text: &str) {
        for (at, _) in text.match_indices("GO:") {
            let digits = &text.as_bytes()[at + 3..];
            let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
            if count == 7 {
                self.go.push(text[at..at + 10].to_owned());
            }
        }
    }
}

/// Whether a product says that the function is not known.
pub(crate) fn is_unknown_function(product: Option<&str>) -> bool {
    let Some(product) = product else { return true };
    let product = product.to_ascii_lowercase();
    let phrases = ["hypothetical protein", "uncharacterized", "uncharacterised", "unknown function"];
    let family = |name: &str| {
        let mut places = product.match_indices(name);
        places.any(|(at, _)| product.as_bytes().get(at + name.len()).is_some_and(u8::is_ascii_digit))
    };
    phrases.iter().any(|phrase| product.contains(phrase)) || family("duf") || family("upf")
}

/// The words of a text, in lower case, with a blank around each: ` abc transporter `. Words are runs of letters, digits and `_`.
pub(crate) fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(' ');
    for c in text.chars() {
        if c.is_alphanumeric() || c == '_' {
            out.extend(c.to_lowercase());
        } else if !out.ends_with(' ') {
            out.push(' ');
        }
    }
    if !out.ends_with(' ') {
        out.push(' ');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles() {
        let check = |kind: &str, role| assert_eq!(Role::of(kind), role, "{kind}");
        check("gene", Role::Gene);
        check("ncRNA_gene", Role::Gene);
        check("tRNA", Role::Rna);
        check("lnc_RNA", Role::Rna);
        check("mRNA", Role::Transcript);
        check("mRNA_TE_gene", Role::Transcript);
        check("pseudogenic_transcript", Role::Transcript);
        check("five_prime_UTR", Role::Part);
        check("repeat_region", Role::Other);
    }

    #[test]
    fn unknown_functions() {
        let check = |product: Option<&str>, unknown| assert_eq!(is_unknown_function(product), unknown, "{product:?}");
        check(None, true);
        check(Some("Hypothetical protein"), true);
        check(Some("DUF2502 domain-containing protein YaaX"), true);
        check(Some("UPF0001 protein"), true);
        check(Some("duffy binding protein"), false);
        check(Some("uncharacterised protein"), true);
        check(Some("protein of unknown function"), true);
        check(Some("DNA polymerase"), false);
    }

    #[test]
    fn whole_words() {
        assert_eq!(words("ABC-transporter (ATP_1)!"), " abc transporter atp_1 ");
        assert_eq!(words(""), " ");
    }
}
