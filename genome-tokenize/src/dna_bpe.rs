//! Byte pair encoding of DNA runs: exact, linear in the length, without a cache.
//!
//! Applying merges in the order of their rank is the definition, and slow: each merge changes what its neighbours may do.
//! But the result has a local description. Call two tokens compatible if encoding their concatenation gives these two tokens
//! again. If every token encodes to itself and no two merges have the same product, then a text has exactly one sequence of
//! tokens in which all neighbours are compatible, and that is its encoding (as the `bpe` crate of GitHub's rust-gems observed).
//! It is found from left to right: take the longest token that matches and is compatible with the one before; if none is, give
//! up the last token and try a shorter one in its place. A position from which the text cannot be finished is marked and never
//! tried again, so the whole is linear.
//!
//! Four letters make both steps cheap here:
//! - the longest match of the next eight letters is one lookup in a table of 4^8 entries; only where longer tokens begin with
//!   these eight does a trie decide;
//! - compatibility of all pairs is a table of bits, filled when the tokenizer is loaded (some milliseconds for 4,096 tokens). Many of
//!   its rows and columns are equal; each is kept once, which makes 160 KiB of the 2 MiB of DNABERT-2: it fits the cache.
//!
//! The compatibility of a pair follows from that of smaller pairs. Undoing the later of the two last merges gives the pair
//! that stood there before it; what must not be is that BPE would have joined *that* pair across the border first. With
//! ranks as ids, `R(a, b)` ("nothing joins below") is
//!
//! ```text
//! R(a, b) = R(right(a), b) and not join(right(a), b) <  a     if a > b
//! R(a, b) = R(a, left(b))  and not join(a, left(b))  <= b     if a <= b
//! R(a, b) = true                                              for two letters
//! compatible(a, b) = R(a, b) and a and b have no join
//! ```
//!
//! where `join(a, b)` is the id of the merge's product. (`<=`: of equal merges the left one goes first.)

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Letters that the jump table looks at.
const JUMP: usize = 8;
/// The largest vocabulary for which all pairs are tabulated: twice 32 MiB while it is loaded.
const MAX_TABLE: usize = 1 << 14;
const NONE: u32 = u32::MAX;
const LETTERS: [&str; 4] = ["A", "C", "G", "T"];

/// In [`DnaBpe::jump`]: longer tokens may begin with these eight letters.
const MORE: u32 = 1 << 31;

/// For two tokens the product of their merge.
type Joins = HashMap<(u32, u32), u32, BuildHasherDefault<PairHasher>>;

/// A cheap hash of two numbers. Who chooses the numbers to collide slows down his own vocabulary.
#[derive(Debug, Default, Clone, Copy)]
struct PairHasher(u64);

impl Hasher for PairHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u32(u32::from(byte)));
    }

    fn write_u32(&mut self, number: u32) {
        let x = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = x ^ (x >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The code of a base in the tables: two bits of its ASCII byte, the same in lower case; `U` is `T`.
#[inline]
fn code(base: u8) -> usize {
    usize::from(base >> 1) & 3 // A 0, C 1, T 2, G 3
}

/// Whether the byte is `A`, `C`, `G` or `T`.
#[inline]
pub(crate) fn is_base(byte: u8) -> bool {
    matches!(byte, b'A' | b'C' | b'G' | b'T')
}

/// The engine. Inside, tokens are numbered by rank: the four letters, then the merges in their order.
#[derive(Debug, Clone)]
pub(crate) struct DnaBpe {
    /// Vocabulary id of each token.
    ids: Vec<u32>,
    /// What the search needs of each token; behind them one for the start of a run.
    tokens: Vec<Token>,
    /// Children of each trie node by letter.
    children: Vec<[u32; 4]>,
    /// Token that ends at each trie node.
    ends: Vec<u32>,
    /// For every eight letters the longest token among their prefixes.
    jump: Box<[u32; 1 << (2 * JUMP)]>,
    pairs: Pairs,
}

#[derive(Debug, Clone, Copy)]
struct Token {
    /// How many letters.
    length: u32,
    /// The longest token that is a proper prefix.
    shorter: u32,
    /// Row and column in [`Pairs::Table`].
    row: u32,
    column: u32,
}

#[derive(Debug, Clone)]
enum Pairs {
    /// A bit for each pair of a row and a column.
    Table { words: usize, bits: Vec<u64> },
    /// Undone merge by merge at every question.
    Walk { join: Joins, split: Vec<(u32, u32)> },
}

/// Why a vocabulary cannot be run by [`DnaBpe`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// A merge makes letters other than `ACGT`, or a letter is not in the vocabulary.
    Letters,
    /// Two merges have the same product.
    Duplicate,
    /// A merge uses a token that no earlier merge makes.
    Order,
    /// A token does not encode to itself.
    NotItself,
}

impl DnaBpe {
    /// Builds the tables from merges in order, each with its two parts; `id` gives a text's id in the vocabulary.
    pub(crate) fn new(merges: &[(String, String)], id: impl Fn(&str) -> Option<u32>) -> Result<Self, Unfit> {
        let mut texts: Vec<Vec<u8>> = LETTERS.map(|l| l.as_bytes().to_vec()).to_vec();
        let mut rank: HashMap<Vec<u8>, u32> = texts.iter().cloned().zip(0..).collect();
        let mut split: Vec<(u32, u32)> = (0..4).map(|t| (t, t)).collect();
        let mut join = Joins::default();
        let mut ids = LETTERS.iter().map(|letter| id(letter)).collect::<Option<Vec<_>>>().ok_or(Unfit::Letters)?;
        for (left, right) in merges {
            if !left.bytes().chain(right.bytes()).all(is_base) {
                return Err(Unfit::Letters);
            }
            let (Some(&a), Some(&b)) = (rank.get(left.as_bytes()), rank.get(right.as_bytes())) else {
                return Err(Unfit::Order);
            };
            let text = [&left[..], right].concat();
            ids.push(id(&text).ok_or(Unfit::Letters)?);
            let text = text.into_bytes();
            let token = texts.len() as u32;
            if rank.insert(text.clone(), token).is_some() {
                return Err(Unfit::Duplicate);
            }
            if !nothing_joins_below(a, b, token, &join, &split) {
                return Err(Unfit::NotItself);
            }
            texts.push(text);
            split.push((a, b));
            join.insert((a, b), token);
        }

        let (children, ends) = trie(&texts);
        let lengths = texts.iter().map(|text| text.len() as u32).chain([0]);
        let mut tokens: Vec<Token> = lengths.map(|length| Token { length, shorter: NONE, row: 0, column: 0 }).collect();
        let pairs =
            if texts.len() <= MAX_TABLE { pair_table(&split, &join, &mut tokens) } else { Pairs::Walk { join, split } };
        let jump = Box::new([NONE; 1 << (2 * JUMP)]);
        let mut this = Self { ids, tokens, children, ends, jump, pairs };
        for (token, text) in texts.iter().enumerate() {
            this.tokens[token].shorter = this.longest_in_trie(&text[..text.len() - 1]);
        }
        for letters in 0..this.jump.len() {
            this.jump[letters] = this.jump_entry(letters);
        }
        Ok(this)
    }

    /// Appends the tokens of `run`, which starts at `start` of the input and holds nothing but bases: `ACGT`, or what
    /// [`code`] reads as these.
    pub(crate) fn encode(&self, run: &[u8], start: usize, ids: &mut Vec<u32>, offsets: &mut Vec<(usize, usize)>) {
        let from = ids.len();
        match &self.pairs {
            Pairs::Table { words, bits } => self.search(run, ids, |a, b| {
                let column = b.column as usize;
                bits[self.tokens[a].row as usize * words + column / 64] >> (column % 64) & 1 != 0
            }),
            Pairs::Walk { join, split } => {
                self.search(run, ids, |a, b| a == self.ids.len() || compatible_by_walk(a as u32, b.number, join, split))
            }
        }
        let mut at = start;
        offsets.extend(ids[from..].iter_mut().map(|token| {
            let length = self.tokens[*token as usize].length as usize;
            *token = self.ids[*token as usize];
            let offset = (at, at + length);
            at += length;
            offset
        }));
    }

    /// Appends the tokens by number. `compatible` is asked about the token before, or the start, and a candidate.
    #[inline]
    fn search(&self, run: &[u8], tokens: &mut Vec<u32>, compatible: impl Fn(usize, Candidate) -> bool) {
        // A bit for each position at which a token may still end.
        let mut short = [u64::MAX; 64];
        let mut long = Vec::new();
        let open = if run.len() < 64 * short.len() {
            &mut short[..]
        } else {
            long.resize(run.len() / 64 + 1, u64::MAX);
            &mut long[..]
        };
        let (from, start) = (tokens.len(), self.ids.len());
        let mut at = 0;
        let mut last = start;
        let mut number = self.longest(run);
        while at < run.len() {
            let token = self.tokens[number as usize];
            let end = at + token.length as usize;
            let is_open = open[end / 64] >> (end % 64) & 1 != 0;
            // Both are cheap, and which of them fails cannot be foretold: one branch instead of two.
            if is_open & compatible(last, Candidate { number, column: token.column }) {
                tokens.push(number);
                last = number as usize;
                at = end;
                number = self.longest(&run[at..]);
                continue;
            }
            number = token.shorter;
            if number == NONE {
                // Nothing fits behind the last token: nothing may end here again, and it has to be a shorter one.
                open[at / 64] &= !(1 << (at % 64));
                number = tokens.pop().expect("a text has an encoding, so its start is never given up");
                at -= self.tokens[number as usize].length as usize;
                last = if tokens.len() == from { start } else { tokens[tokens.len() - 1] as usize };
            }
        }
    }

    /// The longest token that `rest` starts with; `NONE` at the end.
    #[inline]
    fn longest(&self, rest: &[u8]) -> u32 {
        match rest.first_chunk::<JUMP>() {
            Some(head) => match self.jump[eight(*head)] {
                token if token & MORE == 0 => token,
                _ => self.longest_in_trie(rest),
            },
            None => self.longest_in_trie(rest),
        }
    }

    #[inline(never)]
    fn longest_in_trie(&self, letters: &[u8]) -> u32 {
        let (mut node, mut token) = (0, NONE);
        for &letter in letters {
            node = self.children[node as usize][code(letter)];
            if node == NONE {
                break;
            }
            let end = self.ends[node as usize];
            if end != NONE {
                token = end;
            }
        }
        token
    }

    fn jump_entry(&self, letters: usize) -> u32 {
        let (mut node, mut token) = (0, NONE);
        for i in 0..JUMP {
            node = self.children[node as usize][letters >> (2 * i) & 3];
            if node == NONE {
                return token;
            }
            if self.ends[node as usize] != NONE {
                token = self.ends[node as usize];
            }
        }
        if self.children[node as usize] == [NONE; 4] { token } else { token | MORE }
    }
}

/// A token that might come next.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    number: u32,
    column: u32,
}

/// Index in the jump table of eight letters, the first one lowest.
#[inline]
fn eight(letters: [u8; JUMP]) -> usize {
    let x = u64::from_le_bytes(letters) >> 1 & 0x0303_0303_0303_0303;
    let x = (x | x >> 6) & 0x000f_000f_000f_000f;
    let x = (x | x >> 12) & 0x0000_00ff_0000_00ff;
    ((x | x >> 24) & 0xffff) as usize
}

fn trie(texts: &[Vec<u8>]) -> (Vec<[u32; 4]>, Vec<u32>) {
    let (mut children, mut ends) = (vec![[NONE; 4]], vec![NONE]);
    for (text, token) in texts.iter().zip(0..) {
        let mut node = 0;
        for &letter in text {
            let next = children[node][code(letter)];
            node = if next == NONE {
                children[node][code(letter)] = children.len() as u32;
                children.push([NONE; 4]);
                ends.push(NONE);
                children.len() - 1
            } else {
                next as usize
            };
        }
        ends[node] = token;
    }
    (children, ends)
}

/// All compatible pairs, by the recursion at the top of this file, in the order of the larger token. `tokens` gets its rows and
/// columns; the last of them is the start of a run, which is compatible with all.
fn pair_table(split: &[(u32, u32)], join: &Joins, tokens: &mut [Token]) -> Pairs {
    let n = split.len();
    let words = n.div_ceil(64);
    // `rows` holds a bit where R is false, `columns` the same transposed: most pairs are compatible.
    let mut rows = vec![0u64; n * words];
    let mut columns = vec![0u64; n * words];
    let bit = |at: usize| 1u64 << (at % 64);
    let (mut joins_of_left, mut joins_of_right) = (vec![Vec::new(); n], vec![Vec::new(); n]);
    for (&(a, b), &product) in join {
        joins_of_left[a as usize].push((b as usize, product as usize));
        joins_of_right[b as usize].push((a as usize, product as usize));
    }
    let mut line = vec![0u64; words];
    for t in 4..n {
        let (left, right) = (split[t].0 as usize, split[t].1 as usize);
        // R(t, b) for b < t.
        line.copy_from_slice(&rows[right * words..][..words]);
        for &(b, product) in &joins_of_left[right] {
            if product < t {
                line[b / 64] |= bit(b);
            }
        }
        add_below(&line, t, &mut rows[t * words..][..words], |b| columns[b * words + t / 64] |= bit(t));
        // R(a, t) for a <= t; R(t, left(t)) is among what was just written.
        line.copy_from_slice(&columns[left * words..][..words]);
        for &(a, product) in &joins_of_right[left] {
            if product <= t {
                line[a / 64] |= bit(a);
            }
        }
        add_below(&line, t + 1, &mut columns[t * words..][..words], |a| rows[a * words + t / 64] |= bit(t));
    }
    for &(a, b) in join.keys() {
        rows[a as usize * words + b as usize / 64] |= bit(b as usize);
        columns[b as usize * words + a as usize / 64] |= bit(a as usize);
    }

    let (row_of, first_rows) = distinct(&rows, words);
    let (column_of, first_columns) = distinct(&columns, words);
    for (token, (&row, &column)) in tokens.iter_mut().zip(row_of.iter().zip(&column_of)) {
        (token.row, token.column) = (row, column);
    }
    let narrow = first_columns.len().div_ceil(64);
    let mut bits = vec![0u64; first_rows.len() * narrow];
    for (&a, row) in first_rows.iter().zip(bits.chunks_mut(narrow)) {
        for (column, &b) in first_columns.iter().enumerate() {
            if rows[a * words + b / 64] & bit(b) == 0 {
                row[column / 64] |= bit(column);
            }
        }
    }
    tokens[n].row = first_rows.len() as u32;
    bits.resize(bits.len() + narrow, u64::MAX);
    Pairs::Table { words: narrow, bits }
}

/// Adds the bits of `line` below `end` to a row, and tells each.
fn add_below(line: &[u64], end: usize, row: &mut [u64], mut tell: impl FnMut(usize)) {
    for (at, (&from, to)) in line.iter().zip(row).enumerate().take(end.div_ceil(64)) {
        let mut bits = if end - at * 64 < 64 { from & ((1 << (end % 64)) - 1) } else { from };
        *to |= bits;
        while bits != 0 {
            tell(at * 64 + bits.trailing_zeros() as usize);
            bits &= bits - 1;
        }
    }
}

/// Which rows of a table are equal: for each row the number of its kind, and for each kind its first row.
fn distinct(table: &[u64], words: usize) -> (Vec<u32>, Vec<usize>) {
    let mut kinds = HashMap::new();
    let mut first = Vec::new();
    let of = table.chunks(words).enumerate().map(|(at, row)| {
        *kinds.entry(row).or_insert_with(|| {
            first.push(at);
            first.len() as u32 - 1
        })
    });
    (of.collect(), first)
}

/// Those merges that an engine can run, in order: without products that are there already or do not encode to themselves, and
/// without what is built on these.
pub(crate) fn fitting(merges: Vec<(String, String)>) -> impl Iterator<Item = (String, String)> {
    let mut rank: HashMap<String, u32> = LETTERS.map(str::to_owned).into_iter().zip(0..).collect();
    let mut split: Vec<(u32, u32)> = (0..4).map(|t| (t, t)).collect();
    let mut join = Joins::default();
    merges.into_iter().filter(move |(left, right)| {
        let (Some(&a), Some(&b)) = (rank.get(left), rank.get(right)) else { return false };
        let token = split.len() as u32;
        let product = [&left[..], right].concat();
        let fits = !rank.contains_key(&product) && nothing_joins_below(a, b, token, &join, &split);
        if fits {
            rank.insert(product, token);
            split.push((a, b));
            join.insert((a, b), token);
        }
        fits
    })
}

/// Whether encoding the concatenation of two tokens gives them again.
fn compatible_by_walk(a: u32, b: u32, join: &Joins, split: &[(u32, u32)]) -> bool {
    nothing_joins_below(a, b, u32::MAX, join, split)
}

/// Whether no merge below `limit` crosses the border of two tokens: the merges are undone one by one, the latest first. With
/// the product of the two as limit, this says whether the product encodes to itself.
fn nothing_joins_below(mut a: u32, mut b: u32, mut limit: u32, join: &Joins, split: &[(u32, u32)]) -> bool {
    loop {
        if join.get(&(a, b)).is_some_and(|&product| product < limit) {
            return false;
        }
        if a > b && a >= 4 {
            limit = a;
            a = split[a as usize].1;
        } else if b >= 4 {
            limit = b + 1;
            b = split[b as usize].0;
        } else {
            return true; // two letters
        }
    }
}

/// The definition: the merge of lowest rank goes first, of equal ones the left one.
#[cfg(test)]
fn by_rank(text: &[u8], join: &Joins) -> Vec<u32> {
    let mut tokens: Vec<u32> =
        text.iter().map(|&l| b"ACGT".iter().position(|&x| x == l).map_or(0, |i| i as u32)).collect();
    loop {
        let pairs = tokens.windows(2).enumerate();
        let best = pairs.filter_map(|(i, p)| join.get(&(p[0], p[1])).map(|&product| (product, i))).min();
        let Some((product, at)) = best else { return tokens };
        tokens[at] = product;
        tokens.remove(at + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Trains merges on text by counting pairs, the most frequent first: a vocabulary as trainers make them.
    fn train(text: &[u8], merges: usize) -> Vec<(String, String)> {
        let mut words: Vec<String> = text.iter().map(|&b| char::from(b).to_string()).collect();
        let mut out: Vec<(String, String)> = Vec::new();
        let mut made = std::collections::HashSet::new();
        while out.len() < merges {
            let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
            for pair in words.windows(2) {
                *counts.entry((&pair[0], &pair[1])).or_default() += 1;
            }
            let fresh = counts.into_iter().filter(|((a, b), n)| *n > 1 && !made.contains(&format!("{a}{b}")));
            let Some(((a, b), _)) = fresh.max_by_key(|&((a, b), n)| (n, std::cmp::Reverse((a.len() + b.len(), a, b))))
            else {
                break;
            };
            let (a, b) = (a.to_owned(), b.to_owned());
            let mut merged = Vec::with_capacity(words.len());
            let mut i = 0;
            while i < words.len() {
                if i + 1 < words.len() && words[i] == a && words[i + 1] == b {
                    merged.push(format!("{a}{b}"));
                    i += 2;
                } else {
                    merged.push(words[i].clone());
                    i += 1;
                }
            }
            words = merged;
            made.insert(format!("{a}{b}"));
            out.push((a, b));
        }
        out
    }

    fn engine(merges: &[(String, String)]) -> Result<DnaBpe, Unfit> {
        let texts: Vec<String> = ["A", "C", "G", "T"]
            .map(str::to_owned)
            .into_iter()
            .chain(merges.iter().map(|(a, b)| format!("{a}{b}")))
            .collect();
        DnaBpe::new(merges, |text| texts.iter().position(|t| t == text).map(|i| i as u32))
    }

    fn joins(merges: &[(String, String)]) -> Joins {
        let mut rank: HashMap<String, u32> = ["A", "C", "G", "T"].map(str::to_owned).into_iter().zip(0..).collect();
        let mut join = Joins::default();
        for ((a, b), token) in merges.iter().zip(4..) {
            join.insert((rank[a], rank[b]), token);
            rank.insert(format!("{a}{b}"), token);
        }
        join
    }

    fn encode(engine: &DnaBpe, run: &[u8]) -> Vec<u32> {
        let (mut ids, mut offsets) = (vec![77], vec![(0, 5)]);
        engine.encode(run, 5, &mut ids, &mut offsets);
        assert!(offsets.windows(2).all(|pair| pair[0].1 == pair[1].0));
        assert_eq!((ids.len(), offsets.last().unwrap().1), (offsets.len(), 5 + run.len()));
        ids.split_off(1)
    }

    fn merges(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(a, b)| (a.to_owned(), b.to_owned())).collect()
    }

    #[test]
    fn small_vocabularies() {
        let engine = engine(&merges(&[("T", "A"), ("C", "G"), ("CG", "TA")])).unwrap();
        assert!(encode(&engine, b"").is_empty());
        assert_eq!(encode(&engine, b"ACGTATA"), [0, 6, 4]);
        assert_eq!(encode(&engine, b"CGTTA"), [5, 3, 4]);
    }

    #[test]
    fn unfit_vocabularies_are_told() {
        let check = |pairs: &[(&str, &str)], expected| assert_eq!(engine(&merges(pairs)).unwrap_err(), expected);
        check(&[("A", "N")], Unfit::Letters);
        check(&[("AC", "G")], Unfit::Order);
        check(&[("A", "C"), ("C", "G"), ("AC", "G"), ("A", "CG")], Unfit::Duplicate);
        // ACG is made from A and CG, but AC goes first.
        check(&[("A", "C"), ("C", "G"), ("A", "CG")], Unfit::NotItself);
    }

    #[test]
    fn the_table_and_the_walk_agree() {
        let mut state = 7u32;
        let text: Vec<u8> = (0..3000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                b"AACGTT"[(state >> 16) as usize % 6]
            })
            .collect();
        let merges = train(&text, 200);
        let engine = engine(&merges).unwrap();
        let join = joins(&merges);
        let mut split: Vec<(u32, u32)> = (0..4).map(|t| (t, t)).collect();
        let mut by_product: Vec<_> = join.iter().map(|(&pair, &product)| (product, pair)).collect();
        by_product.sort_unstable();
        split.extend(by_product.into_iter().map(|(_, pair)| pair));
        let texts: Vec<Vec<u8>> = (0..split.len() as u32).map(|t| spell(t, &split)).collect();
        for a in 0..split.len() as u32 {
            for b in 0..split.len() as u32 {
                let expected = by_rank(&[&texts[a as usize][..], &texts[b as usize]].concat(), &join) == [a, b];
                assert_eq!(in_table(&engine, a, b), expected, "{a} {b}");
                assert_eq!(compatible_by_walk(a, b, &join, &split), expected, "{a} {b}");
            }
        }
    }

    fn in_table(engine: &DnaBpe, a: u32, b: u32) -> bool {
        let Pairs::Table { words, bits } = &engine.pairs else { panic!("no table") };
        let (row, column) = (engine.tokens[a as usize].row as usize, engine.tokens[b as usize].column as usize);
        bits[row * words + column / 64] >> (column % 64) & 1 != 0
    }

    fn spell(token: u32, split: &[(u32, u32)]) -> Vec<u8> {
        match split[token as usize] {
            (a, _) if a == token => vec![b"ACGT"[token as usize]],
            (a, b) => [spell(a, split), spell(b, split)].concat(),
        }
    }

    proptest! {
        #[test]
        fn encoding_is_what_the_merges_say(
            text in "[ACGT]{50,200}|(AT){30,50}[ACGT]{50,100}|A{80}[AC]{80}",
            count in 1usize..120,
            run in "[ACGT]{0,300}|A{0,100}|(AT){0,60}|(ACG){0,40}A{0,9}T{0,9}",
        ) {
            let merges = train(text.as_bytes(), count);
            if let Ok(engine) = engine(&merges) {
                let expected = by_rank(run.as_bytes(), &joins(&merges));
                prop_assert_eq!(encode(&engine, run.as_bytes()), expected.clone());
                // and the same with the walk in place of the table
                let walking = DnaBpe { pairs: walk(&merges), ..engine };
                prop_assert_eq!(encode(&walking, run.as_bytes()), expected);
            }
        }
    }

    fn walk(merges: &[(String, String)]) -> Pairs {
        let join = joins(merges);
        let mut split: Vec<(u32, u32)> = (0..4).map(|t| (t, t)).collect();
        let mut products: Vec<_> = join.iter().map(|(&pair, &product)| (product, pair)).collect();
        products.sort_unstable();
        split.extend(products.into_iter().map(|(_, pair)| pair));
        Pairs::Walk { join, split }
    }
}
