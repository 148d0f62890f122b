//! Ten questions in words, recomputed from the bytes of the file: no reader of this workspace takes part, only `str::lines`.

use std::collections::BTreeSet;
use std::path::Path;

use genome_ask::dialogue::Facts;
use genome_ask::{Dialogue, Index, Source, Store};

/// A feature as its lines say it.
struct Feature {
    key: String,
    location: String,
    qualifiers: Vec<(String, String)>,
    line: usize,
}

impl Feature {
    fn get(&self, name: &str) -> Option<&str> {
        self.qualifiers.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// The least and the greatest number of the location: no gene of this genome goes over the origin.
    fn bounds(&self) -> (u64, u64) {
        let numbers = self.location.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse::<u64>().ok());
        let numbers: Vec<u64> = numbers.collect();
        (*numbers.iter().min().unwrap(), *numbers.iter().max().unwrap())
    }
}

fn features(text: &str) -> Vec<Feature> {
    let mut out: Vec<Feature> = Vec::new();
    for (number, line) in text.lines().enumerate().skip_while(|(_, line)| !line.starts_with("FEATURES")).skip(1) {
        if line.starts_with("ORIGIN") {
            break;
        }
        let (key, rest) = (line[..21].trim(), line[21..].trim());
        if !key.is_empty() {
            out.push(Feature { key: key.into(), location: rest.into(), qualifiers: Vec::new(), line: number + 1 });
            continue;
        }
        let feature = out.last_mut().unwrap();
        if let Some(qualifier) = rest.strip_prefix('/') {
            let (name, value) = qualifier.split_once('=').unwrap_or((qualifier, ""));
            feature.qualifiers.push((name.into(), value.trim_matches('"').into()));
        } else if let Some((name, value)) = feature.qualifiers.last_mut() {
            if name != "translation" {
                value.push(' ');
            }
            value.push_str(rest.trim_end_matches('"'));
        } else {
            feature.location.push_str(rest);
        }
    }
    out
}

fn letters(text: &str) -> String {
    let origin = text.split_once("\nORIGIN").unwrap().1;
    origin.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_uppercase()).collect()
}

#[test]
fn ten_answers_in_words() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../genome-cli/assets/NC_000932.gb");
    let text = std::fs::read_to_string(&path).unwrap();
    let (features, letters) = (features(&text), letters(&text));
    let index = Index::open(&[Source::new(&path)], &Store::Memory).unwrap();
    let ask = |question: &str| -> Facts {
        let reply = Dialogue::new(&index).ask(question).unwrap();
        assert_eq!(reply.facts().status, "ok", "{question}: {}", reply.text);
        reply.facts()
    };
    let ids = |facts: &Facts| facts.ids.iter().cloned().collect::<BTreeSet<String>>();
    let of = |key: &'static str| features.iter().filter(move |f| f.key == key);
    let tags = |features: &mut dyn Iterator<Item = &Feature>| -> BTreeSet<String> {
        features.map(|f| f.get("locus_tag").unwrap().to_owned()).collect()
    };
    let coding = || of("CDS").filter(|f| f.get("translation").is_some());
    let aa = |f: &Feature| f.get("translation").unwrap().len();

    // 1 to 3: counts.
    assert_eq!(ask("How many tRNA genes are annotated?").count, Some(of("tRNA").count() as u64));
    assert_eq!(ask("number of rRNAs").count, Some(of("rRNA").count() as u64));
    let minus = of("gene").filter(|f| f.location.starts_with("complement")).count();
    assert_eq!(ask("How many genes are on the minus strand?").count, Some(minus as u64));
    // 4 and 5: lengths of proteins.
    let small = tags(&mut coding().filter(|f| aa(f) < 40));
    assert!(small.len() > 5);
    assert_eq!(ids(&ask("Which proteins are shorter than 40 amino acids?")), small);
    let longest = coding().map(aa).max().unwrap();
    let found = ask("What is the longest protein?");
    assert_eq!((found.value.unwrap().as_f64(), found.unit.as_deref()), (Some(longest as f64), Some("aa")));
    assert_eq!(found.ids.into_iter().collect::<BTreeSet<_>>(), tags(&mut coding().filter(|f| aa(f) == longest)));
    // 6: GC content.
    let gc = letters.bytes().filter(|b| matches!(b, b'G' | b'C')).count() as f64;
    let acgt = letters.bytes().filter(|b| b"ACGT".contains(b)).count() as f64;
    assert!((ask("GC content?").value.unwrap().as_f64().unwrap() - 100.0 * gc / acgt).abs() < 1e-9);
    // 7: a palindrome, around the ring.
    let ring = format!("{letters}{}", &letters[..5]);
    let sites = (0..letters.len()).filter(|at| ring[*at..].starts_with("GAATTC")).count();
    assert_eq!(ask("How often does GAATTC occur?").count, Some(sites as u64));
    // 8: a stretch. Genes in several parts count only where a part lies: none of these is.
    let inside = |f: &&Feature| {
        let (start, end) = f.bounds();
        start <= 60_000 && end >= 50_000
    };
    assert_eq!(ids(&ask("List the genes between 50,000 and 60,000")), tags(&mut of("gene").filter(inside)));
    // 9: letters.
    let rbcl = coding().find(|f| f.get("gene") == Some("rbcL")).unwrap();
    assert!(ask("Show the protein sequence of rbcL").text.contains(rbcl.get("translation").unwrap()));
    let (start, end) = rbcl.bounds();
    let upstream = &letters[start as usize - 101..start as usize - 1];
    assert!(!rbcl.location.starts_with("complement"));
    assert!(ask("100 bp upstream of rbcL").text.contains(upstream));
    // 10: a function, and where it stands.
    let ribosomal =
        tags(&mut coding().filter(|f| f.get("product").is_some_and(|p| p.starts_with("ribosomal protein"))));
    assert_eq!(ids(&ask("Which genes encode ribosomal proteins?")), ribosomal);
    let place = ask("Where is rbcL?").interval.unwrap();
    assert_eq!((place.start, place.end, &*place.strand), (start, end, "+"));

    // The lines that rows cite.
    let reply = Dialogue::new(&index).ask("list the genes on the plus strand").unwrap();
    for row in &reply.answer().unwrap().rows {
        let told = features.iter().find(|f| f.line as u64 == row.line.unwrap()).unwrap();
        assert_eq!(
            (&*told.key, told.get("locus_tag"), told.bounds()),
            ("gene", row.locus_tag.as_deref(), (row.start, row.end))
        );
    }
}
