//! Laws that hold of every query and of every genome.

use std::fmt::Write as _;

use genome_ask::query::*;
use genome_ask::{Index, Source, Store};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z][a-z0-9_.']{0,6}",
        "\\PC{0,8}",
        "[\\x00-\\x7f]{0,6}",
        Just("and".to_owned()),
        Just("each".to_owned())
    ]
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(text(), 0..3)
}

fn field() -> impl Strategy<Value = Field> {
    prop_oneof![
        Just(Field::Aa),
        Just(Field::Length),
        Just(Field::Product),
        Just(Field::Gene),
        Just(Field::StartCodon),
        Just(Field::Location),
        text().prop_map(Field::Qualifier)
    ]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        (0u32..100_000).prop_map(f64::from),
        (-1_000_000_000i32..1_000_000_000).prop_map(|n| f64::from(n) / 1000.0)
    ]
}

fn region() -> impl Strategy<Value = Region> {
    (proptest::option::of(text()), any::<u64>(), any::<u64>()).prop_map(|(seqid, start, end)| Region {
        seqid,
        start,
        end,
    })
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Both), Just(Side::Upstream), Just(Side::Downstream), Just(Side::Left), Just(Side::Right)]
}

fn select() -> impl Strategy<Value = Select> {
    let leaf = prop_oneof![
        Just(Select::Gene),
        Just(Select::Protein),
        Just(Select::Cds),
        Just(Select::Feature),
        text().prop_map(Select::Kind),
        Just(Select::Sequence),
        Just(Select::Intergenic),
        any::<u64>().prop_map(|max_gap_bp| Select::Run { max_gap_bp }),
        any::<u64>().prop_map(|min_aa| Select::Orf { min_aa }),
        texts().prop_map(Select::Motif),
        (any::<u64>(), any::<u64>()).prop_map(|(size_bp, step_bp)| Select::Window { size_bp, step_bp }),
        region().prop_map(Select::Region),
    ];
    leaf.prop_recursive(2, 4, 1, |inner| {
        (inner, any::<u64>(), any::<u64>()).prop_map(|(of, max_gap_bp, min_members)| Select::Cluster {
            of: Box::new(of),
            max_gap_bp,
            min_members,
        })
    })
}

fn filter() -> impl Strategy<Value = Filter> {
    let compare = prop_oneof![
        number().prop_map(Compare::Lt),
        number().prop_map(Compare::Le),
        number().prop_map(Compare::Eq),
        number().prop_map(Compare::Ge),
        number().prop_map(Compare::Gt),
        (number(), number()).prop_map(|(a, b)| Compare::Between(a, b)),
    ];
    let matching = prop_oneof![
        Just(Match::Has),
        Just(Match::Is),
        Just(Match::Contains),
        Just(Match::Starts),
        Just(Match::Under),
        Just(Match::Present),
    ];
    let is = prop_oneof![Just(Is::Pseudo), Just(Is::UnknownFunction), Just(Is::Wraps), Just(Is::Unannotated)];
    let place = prop_oneof![
        text().prop_map(Place::Named),
        region().prop_map(Place::Region),
        (select(), proptest::collection::vec(text().prop_map(Filter::On), 0..3))
            .prop_map(|(select, filters)| Place::Each(Box::new(select), filters)),
    ];
    let place = place.boxed();
    let leaf = prop_oneof![
        is.prop_map(Filter::Is),
        (field(), compare).prop_map(|(field, compare)| Filter::Number(field, compare)),
        (field(), matching, texts()).prop_map(|(field, how, values)| Filter::Text(field, how, values)),
        Just(Filter::Strand(Strand::Minus)),
        text().prop_map(Filter::On),
        texts().prop_map(Filter::Named),
        texts().prop_map(Filter::Among),
        text().prop_map(Filter::FullText),
        (place.clone(), any::<u64>(), side()).prop_map(|(of, distance_bp, side)| Filter::Near {
            of,
            distance_bp,
            side
        }),
        place.clone().prop_map(Filter::Overlaps),
        place.clone().prop_map(Filter::Inside),
        (place.clone(), place.clone()).prop_map(|(a, b)| Filter::Between(a, b)),
        (place, any::<u64>(), side()).prop_map(|(of, count, side)| Filter::NextTo { of, count, side }),
        (text(), field()).prop_map(|(genome, by)| Filter::SharedWith { genome, by }),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|f| Filter::Not(Box::new(f))),
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Filter::Any),
            proptest::collection::vec(inner, 0..3).prop_map(Filter::All),
        ]
    })
}

fn query() -> impl Strategy<Value = Query> {
    let filters = || proptest::collection::vec(filter(), 0..3);
    let tell = prop_oneof![
        Just(Tell::Rows),
        Just(Tell::Count),
        Just(Tell::Exists),
        field().prop_map(|f| Tell::Aggregate(Aggregate::Median, f)),
        field().prop_map(Tell::Distinct),
        proptest::collection::vec(filter(), 1..3).prop_map(Tell::Share),
        Just(Tell::Adjacent),
        Just(Tell::CodonUsage),
    ];
    let extract = prop_oneof![Just(Extract::Dna), Just(Extract::Protein), any::<u64>().prop_map(Extract::Upstream)];
    let output = prop_oneof![Just(Output::Table), Just(Output::Fasta), Just(Output::Gff3)];
    let order = (field(), any::<bool>()).prop_map(|(by, descending)| Order { by, descending });
    let limit = (any::<u64>(), any::<bool>()).prop_map(|(rows, ties)| Limit { rows, ties });
    let first = (proptest::option::of(text()), tell, select(), filters(), filters(), proptest::option::of(field()));
    let second = (
        proptest::collection::vec(order, 0..3),
        proptest::option::of(limit),
        proptest::collection::vec(field(), 0..3),
        proptest::option::of(extract),
        output,
    );
    (first, second).prop_map(
        |((genome, tell, select, filters, having, group), (order, limit, show, extract, output))| Query {
            version: QUERY_VERSION,
            genome,
            tell,
            select,
            filters,
            having,
            group,
            order,
            limit,
            show,
            extract,
            output,
        },
    )
}

proptest! {
    #[test]
    fn text_and_json_round_trip(query in query()) {
        let text = query.to_string();
        prop_assert!(!text.contains(|c: char| c.is_control()));
        prop_assert_eq!(&Query::parse(&text).map_err(|e| TestCaseError::fail(format!("{text}: {e}")))?, &query);
        let json = serde_json::to_string(&query).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Query>(&json).unwrap(), &query);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}|(list|count) gene where [a-z0-9 <>=()\"|,:-]{0,40}") {
        if let Ok(query) = Query::parse(&text) {
            prop_assert_eq!(&Query::parse(&query.to_string()).unwrap(), &query);
        }
    }
}

/// A gene by its first base and length; over the origin where it passes the end.
type Gene = (u64, u64, bool);

const LENGTH: u64 = 300;

fn index(genes: &[Gene], circular: bool) -> Index {
    let topology = if circular { "circular" } else { "linear" };
    let mut text =
        format!("LOCUS       X {LENGTH} bp DNA {topology} SYN 01-JAN-2026\nFEATURES             Location/Qualifiers\n");
    for (i, (start, length, reverse)) in genes.iter().enumerate() {
        let end = start + length - 1;
        let place = if end <= LENGTH {
            format!("{start}..{end}")
        } else {
            format!("join({start}..{LENGTH},1..{})", end - LENGTH)
        };
        let place = if *reverse { format!("complement({place})") } else { place };
        writeln!(text, "     gene            {place}\n                     /locus_tag=\"g{i}\"").unwrap();
    }
    text += "ORIGIN\n";
    for (i, line) in "acgt".repeat(75).as_bytes().chunks(60).enumerate() {
        let groups: Vec<&str> = line.chunks(10).map(|g| std::str::from_utf8(g).unwrap()).collect();
        writeln!(text, "{:>9} {}", 60 * i + 1, groups.join(" ")).unwrap();
    }
    text += "//\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gb");
    std::fs::write(&path, text).unwrap();
    Index::open(&[Source::new(path)], &Store::Memory).unwrap()
}

/// Every base that a gene covers, from 1.
fn bases(gene: &Gene) -> Vec<u64> {
    (gene.0..gene.0 + gene.1).map(|base| (base - 1) % LENGTH + 1).collect()
}

/// The bases from `first` on, which may be in front of the sequence or behind it.
fn stretch(first: i64, last: i64, circular: bool) -> Vec<u64> {
    let n = LENGTH as i64;
    let inside = (first..=last).filter(|base| circular || (1..=n).contains(base));
    inside.map(|base| ((base - 1).rem_euclid(n) + 1) as u64).collect()
}

fn naive(genes: &[Gene], wanted: &[u64], without: Option<usize>) -> Vec<String> {
    let touches = |gene: &Gene| bases(gene).iter().any(|base| wanted.contains(base));
    let found = genes.iter().enumerate().filter(|(i, gene)| Some(*i) != without && touches(gene));
    let mut found: Vec<String> = found.map(|(i, _)| format!("g{i}")).collect();
    found.sort();
    found
}

fn found(index: &Index, text: &str) -> Vec<String> {
    let mut ids: Vec<String> =
        index.run(&Query::parse(text).unwrap()).unwrap().rows.into_iter().map(|row| row.id).collect();
    ids.sort();
    ids
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn places_are_found_as_a_scan_finds_them(
        genes in proptest::collection::vec((1u64..=LENGTH, 1u64..90, any::<bool>()), 1..12),
        circular: bool,
        distance in 0i64..200,
        from in 1u64..=LENGTH,
        len in 0u64..80,
    ) {
        let genes: Vec<Gene> =
            genes.into_iter().map(|(s, n, r)| (s, if circular { n } else { n.min(LENGTH - s + 1) }, r)).collect();
        let index = index(&genes, circular);
        let (start, length, reverse) = genes[0];
        let (start, end) = (start as i64, (start + length - 1) as i64);

        let near = stretch(start - distance, end + distance, circular);
        prop_assert_eq!(found(&index, &format!("list gene where near g0 within {distance}")), naive(&genes, &near, Some(0)));
        let left = stretch(start - distance, start - 1, circular);
        let side = if reverse { "downstream" } else { "upstream" };
        let text = format!("list gene where near g0 within {distance} {side}");
        prop_assert_eq!(found(&index, &text), naive(&genes, &left, Some(0)));

        let to = if circular { (from + len - 1) % LENGTH + 1 } else { (from + len).min(LENGTH) };
        let wanted = if to < from { stretch(from as i64, (to + LENGTH) as i64, true) } else { stretch(from as i64, to as i64, false) };
        prop_assert_eq!(found(&index, &format!("list gene where overlaps {from}-{to}")), naive(&genes, &wanted, None));
        let inside = genes.iter().enumerate().filter(|(_, g)| bases(g).iter().all(|b| wanted.contains(b)));
        let mut inside: Vec<String> = inside.map(|(i, _)| format!("g{i}")).collect();
        inside.sort();
        prop_assert_eq!(found(&index, &format!("list gene where inside {from}-{to}")), inside);

        // Intergenic regions and genes are the whole together.
        let covered: std::collections::BTreeSet<u64> = genes.iter().flat_map(bases).collect();
        let free = index.run(&Query::parse("sum(length) intergenic").unwrap()).unwrap();
        let free = free.values.first().map_or(0, |v| v.value as u64);
        prop_assert_eq!(free + covered.len() as u64, LENGTH);
        let coverage = index.run(&Query::parse("coverage gene").unwrap()).unwrap();
        prop_assert_eq!(coverage.values[1].value as usize, covered.len());
    }
}
