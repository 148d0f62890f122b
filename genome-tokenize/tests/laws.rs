//! What holds for every tokenizer that follows a rule: laws of encodings, through the public interface.

use genome_tokenize::{
    Case, Encoding, Error, KmerTokenizer, LetterTokenizer, NtVersion, NucleotideTransformerTokenizer, PadTo, Padding,
    Side, Tokenizer, Truncation, pad_batch,
};
use proptest::prelude::*;

fn tokenizers(case: Case) -> Vec<Box<dyn Tokenizer>> {
    let mut all: Vec<Box<dyn Tokenizer>> = vec![Box::new(LetterTokenizer::new())];
    for k in 3..=6 {
        all.push(Box::new(KmerTokenizer::with_case(k, case).unwrap()));
    }
    for version in [NtVersion::V1, NtVersion::V2] {
        all.push(Box::new(NucleotideTransformerTokenizer::with_case(version, case)));
    }
    all
}

/// All lists are equally long, offsets stay inside, ids are in the vocabulary.
fn check_shape(tokenizer: &dyn Tokenizer, encoding: &Encoding, length: usize) {
    let n = encoding.len();
    let lengths = [encoding.offsets.len(), encoding.special.len(), encoding.attention.len(), encoding.type_ids.len()];
    assert_eq!(lengths, [n; 4]);
    assert!(encoding.ids.iter().all(|&id| (id as usize) < tokenizer.vocab_size()));
    assert!(encoding.offsets.iter().all(|&(start, end)| start <= end && end <= length));
    // With blanks in it, DNABERT's words of one window overlap those of the next.
    let in_order = encoding.ids.iter().all(|&id| id != tokenizer.unk_id());
    assert!(!in_order || encoding.offsets.is_sorted_by_key(|o| o.0));
}

#[test]
fn pairs_follow_each_template() {
    for tokenizer in tokenizers(Case::Upper) {
        match tokenizer.encode_pair(b"ACGTACGT", b"TTTTTTT") {
            Ok(pair) => {
                check_shape(&*tokenizer, &pair, 15);
                let (first, second) = (tokenizer.encode(b"ACGTACGT").unwrap(), tokenizer.encode(b"TTTTTTT").unwrap());
                assert_eq!(pair.ids, [&first.ids[..], &second.ids[1..]].concat());
                let ones = pair.type_ids.iter().filter(|&&t| t == 1).count();
                assert_eq!(ones, second.len() - 1);
                assert_eq!(tokenizer.decode(&pair.ids).unwrap(), b"ACGTACGTTTTTTTT");
                assert!(tokenizer.encode_pair(b"ACGT", b"AC!").unwrap_err().position().is_some());
            }
            Err(error) => assert!(matches!(error, Error::NoPairs { .. }) && tokenizer.sep_id().is_none(), "{error}"),
        }
    }
}

#[test]
fn the_first_bad_sequence_of_a_batch_is_named() {
    let tokenizer = LetterTokenizer::new();
    let seqs: Vec<&[u8]> = (0..100).map(|i| if i % 10 == 7 { &b"AC*"[..] } else { b"ACGT" }).collect();
    let error = tokenizer.encode_batch(&seqs).unwrap_err();
    assert_eq!(error.to_string(), "sequence 8: letter 3: expected an IUPAC nucleotide, found '*'");
    assert_eq!(error.position(), Some(2));
    assert!(tokenizer.encode_batch(&[]).unwrap().is_empty());
}

#[test]
fn long_pieces_of_a_sequence_decode_to_it() {
    let seq = b"ACGTTGCAAGGCTTA".repeat(300);
    for case in [Case::Upper, Case::Original] {
        let tokenizer = KmerTokenizer::with_case(6, case).unwrap();
        for windows in [0, 1, 509, 510, 511, 1020, 4000] {
            let seq = &seq[..if windows == 0 { 0 } else { windows + 5 }];
            let pieces = tokenizer.encode_pieces(seq).unwrap();
            let empty_last = case == Case::Original && windows > 0 && windows % 510 == 0;
            assert_eq!(pieces.len(), windows.div_ceil(510).max(1) + usize::from(empty_last));
            let ids: Vec<u32> = pieces.iter().flat_map(|p| p.ids.iter().copied()).collect();
            assert_eq!(tokenizer.decode(&ids).unwrap(), seq);
            for piece in &pieces {
                check_shape(&tokenizer, piece, seq.len());
                tokenizer.check_length(piece).unwrap();
            }
        }
    }
}

#[test]
fn over_long_input_is_refused_where_the_model_has_a_table() {
    let seq = b"ACGTTG".repeat(2000);
    for tokenizer in tokenizers(Case::Upper) {
        let encoding = tokenizer.encode(&seq).unwrap();
        match tokenizer.check_length(&encoding) {
            Ok(()) => assert!(matches!(
                tokenizer.max_len(),
                genome_tokenize::MaxLen::Trained(_) | genome_tokenize::MaxLen::Unlimited
            )),
            Err(error) => {
                let max = tokenizer.max_len().tokens().unwrap();
                let cut = encoding.truncate(max).unwrap();
                assert_eq!(error.position(), Some(cut.covered));
                tokenizer.check_length(&cut.encoding).unwrap();
            }
        }
    }
}

proptest! {
    #[test]
    fn decoding_gives_the_letters_back(seq in "[ACGTacgtUu]{8,120}") {
        let upper = seq.to_ascii_uppercase().replace('U', "T");
        for tokenizer in tokenizers(Case::Upper) {
            let encoding = tokenizer.encode(seq.as_bytes()).unwrap();
            check_shape(&*tokenizer, &encoding, seq.len());
            prop_assert_eq!(tokenizer.decode(&encoding.ids).unwrap(), upper.as_bytes());
        }
        for tokenizer in tokenizers(Case::Original) {
            let encoding = tokenizer.encode(upper.as_bytes()).unwrap();
            prop_assert_eq!(tokenizer.decode(&encoding.ids).unwrap(), upper.as_bytes());
        }
    }

    #[test]
    fn every_base_is_covered(seq in "[ACGTNRacgtn]{6,120}") {
        for tokenizer in tokenizers(Case::Upper) {
            let encoding = tokenizer.encode(seq.as_bytes()).unwrap();
            let mut covered = 0;
            for &(start, end) in &encoding.offsets {
                prop_assert!(start <= covered);
                covered = covered.max(end);
            }
            prop_assert_eq!(covered, seq.len());
        }
    }

    #[test]
    fn a_batch_is_its_sequences(seqs in proptest::collection::vec("[ACGTNacgt]{0,60}", 0..20)) {
        let seqs: Vec<&[u8]> = seqs.iter().map(|s| s.as_bytes()).collect();
        for tokenizer in tokenizers(Case::Upper) {
            let one_by_one: Vec<_> = seqs.iter().map(|s| tokenizer.encode(s).unwrap()).collect();
            prop_assert_eq!(tokenizer.encode_batch(&seqs).unwrap(), one_by_one);
        }
    }

    #[test]
    fn cut_and_padded_rows_keep_their_frame(
        seqs in proptest::collection::vec("[ACGTN]{0,60}", 1..5), max in 2usize..40, left: bool, pad_left: bool,
    ) {
        let side = |left| if left { Side::Left } else { Side::Right };
        for tokenizer in tokenizers(Case::Upper) {
            let truncation = Truncation { max_tokens: max, side: side(left), within: None };
            let cut: Result<Vec<_>, _> = seqs.iter().map(|s| tokenizer.encode_cut(s.as_bytes(), &truncation)).collect();
            let mut rows: Vec<Encoding> = cut.unwrap().into_iter().map(|c| c.encoding).collect();
            for (row, seq) in rows.iter().zip(&seqs) {
                check_shape(&*tokenizer, row, seq.len());
                let whole = tokenizer.encode(seq.as_bytes()).unwrap();
                prop_assert_eq!(row.len(), whole.len().min(max));
                let frame = |e: &Encoding| -> Vec<u32> {
                    e.ids.iter().zip(&e.special).filter(|(_, s)| **s).map(|(&id, _)| id).collect()
                };
                prop_assert_eq!(frame(row), frame(&whole));
            }
            let padding = Padding { side: side(pad_left), to: PadTo::Length(max), ..Padding::of(&*tokenizer) };
            pad_batch(&mut rows, padding).unwrap();
            prop_assert!(rows.iter().all(|r| r.len() == max));
            for (row, seq) in rows.iter().zip(&seqs) {
                check_shape(&*tokenizer, row, seq.len());
            }
        }
    }

    #[test]
    fn any_bytes_never_panic(
        seq in proptest::collection::vec(any::<u8>(), 0..100), other in proptest::collection::vec(any::<u8>(), 0..20),
        max in 0usize..30, from in 0usize..50, to in 0usize..150,
    ) {
        for case in [Case::Upper, Case::Original] {
            for tokenizer in tokenizers(case) {
                let truncation = Truncation { within: Some(from..to), ..Truncation::left(max) };
                let _ = tokenizer.encode_cut(&seq, &truncation);
                if let Ok(encoding) = tokenizer.encode_pair(&seq, &other) {
                    check_shape(&*tokenizer, &encoding, seq.len() + other.len());
                    let _ = encoding.cut(&truncation);
                }
                let _ = tokenizer.encode_batch(&[&seq, &other]);
            }
        }
    }
}
