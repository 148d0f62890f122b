//! Lines into one sequence: the line feeds go, the letters are copied.

/// Letters copied at once. A copy may run over the end of its line; the next line writes over that.
const STEP: usize = 32;

/// Appends a block of lines without its line feeds, of which there are `feeds`. Only the last line may be open.
///
/// Lines of a record have one length, so most line feeds are found by looking where they should be: at `width` letters
/// behind the last. As `feeds` tells how many there are, none can be missed. `starts_line` says that the block starts
/// with a line; `width` follows the lines.
pub(super) fn append_lines(out: &mut Vec<u8>, block: &[u8], feeds: usize, starts_line: bool, width: &mut usize) {
    if feeds == 0 {
        out.extend_from_slice(block);
        return;
    }
    let first = memchr::memchr(b'\n', block).unwrap_or(block.len());
    out.extend_from_slice(&block[..first]);
    if starts_line {
        *width = first;
    }
    let (mut rest, mut feeds) = (&block[(first + 1).min(block.len())..], feeds - 1);
    let regular = rest.chunks_exact(*width + 1).take(feeds).take_while(|line| line[*width] == b'\n').count();
    if regular > 0 {
        let (lines, behind) = rest.split_at(regular * (*width + 1));
        // Without a line feed inside the regular lines, the others are behind them.
        let others = if regular == feeds { 0 } else { memchr::memchr_iter(b'\n', behind).count() };
        if regular + others == feeds {
            append_regular(out, lines, *width);
            (rest, feeds) = (behind, others);
        }
    }
    let mut changed = feeds > 1;
    while let Some(at) = memchr::memchr(b'\n', rest) {
        out.extend_from_slice(&rest[..at]);
        if changed {
            *width = at;
            changed = false;
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Appends lines of `width` letters, each with a line feed behind it.
fn append_regular(out: &mut Vec<u8>, lines: &[u8], width: usize) {
    let start = out.len();
    let letters = lines.len() / (width + 1) * width;
    out.resize(start + letters, 0);
    let to = &mut out[start..];
    let (mut from, mut at) = (0, 0);
    // As long as steps that run over the end of a line stay in both texts.
    while at + width + STEP <= letters {
        for step in (0..width).step_by(STEP) {
            let letters: &[u8; STEP] = lines[from + step..].first_chunk().expect("the text is longer than the letters");
            to[at + step..at + step + STEP].copy_from_slice(letters);
        }
        from += width + 1;
        at += width;
    }
    for line in lines[from..].chunks_exact(width + 1) {
        to[at..at + width].copy_from_slice(&line[..width]);
        at += width;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &[u8], cuts: &[usize]) {
        let (mut out, mut width, mut start) = (Vec::new(), 0, 0);
        for end in cuts.iter().copied().chain([text.len()]) {
            let end = end.clamp(start, text.len());
            let block = &text[start..end];
            let feeds = block.iter().filter(|&&b| b == b'\n').count();
            let starts_line = start == 0 || text[start - 1] == b'\n';
            append_lines(&mut out, block, feeds, starts_line, &mut width);
            start = end;
        }
        let expected: Vec<u8> = text.iter().copied().filter(|&b| b != b'\n').collect();
        assert_eq!(
            String::from_utf8_lossy(&out),
            String::from_utf8_lossy(&expected),
            "{:?}",
            String::from_utf8_lossy(text)
        );
    }

    #[test]
    fn layouts() {
        for text in
            ["", "\n", "A", "A\n", "\n\n\nA\n\n", "ACG\nACG\nA", "A\nACG\nACG\nACG\nAC\n", "AC\nA\n\nAC\nAC\nA\n"]
        {
            for cut in 0..=text.len() {
                check(text.as_bytes(), &[cut]);
            }
        }
    }

    proptest! {
        #[test]
        fn regular_lines_with_some_that_are_not(
            width in 1usize..100,
            lines in proptest::collection::vec(prop_oneof![9 => Just(None), 1 => (0usize..150).prop_map(Some)], 0..40),
            cuts in proptest::collection::vec(0usize..4000, 0..6),
        ) {
            let mut text = Vec::new();
            for line in lines {
                let letters = (text.len()..).map(|i| b"ACGTNacgtn"[i * 7 % 10]);
                text.extend(letters.take(line.unwrap_or(width)).collect::<Vec<_>>());
                text.push(b'\n');
            }
            let mut cuts = cuts;
            cuts.sort_unstable();
            check(&text, &cuts);
        }
    }
}
