//! Sequences of a file, whole or in windows, in chunks of bounded size.

use crate::args::WindowArgs;
use anyhow::Result;
use genome_formats::SeqRecord;
use std::path::Path;

/// Sequences that are scored and printed together: order and batches follow from it, so it never changes.
const CHUNK: usize = 4096;

/// Reads `file` and hands its sequences on, at most [`CHUNK`] at a time. `-` is stdin.
pub(crate) fn for_each_chunk(
    file: &Path,
    windows: &WindowArgs,
    mut each: impl FnMut(&[SeqRecord]) -> Result<()>,
) -> Result<()> {
    let mut chunk = Vec::new();
    for record in genome_formats::sequences::open(file)? {
        for piece in pieces(record?, windows) {
            chunk.push(piece);
            if chunk.len() == CHUNK {
                each(&chunk)?;
                chunk.clear();
            }
        }
    }
    if chunk.is_empty() { Ok(()) } else { each(&chunk) }
}

/// The record itself, or its windows; the last window ends with the record.
fn pieces(record: SeqRecord, windows: &WindowArgs) -> Box<dyn Iterator<Item = SeqRecord>> {
    let Some(window) = windows.window.map(|w| w as usize) else { return Box::new(std::iter::once(record)) };
    let step = windows.step.map_or(window, |s| s as usize);
    let length = record.seq.len();
    let last = length.saturating_sub(window);
    let starts = (0..last).step_by(step).chain(std::iter::once(last));
    Box::new(starts.map(move |start| {
        let end = (start + window).min(length);
        SeqRecord::new(format!("{}:{}-{end}", record.name, start + 1), &record.seq[start..end])
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(length: usize, window: Option<u64>, step: Option<u64>) -> Vec<String> {
        let record = SeqRecord::new("c", vec![b'A'; length]);
        pieces(record, &WindowArgs { window, step }).map(|r| r.name).collect()
    }

    #[test]
    fn windows_cover_the_record() {
        assert_eq!(names(10, None, None), ["c"]);
        assert_eq!(names(10, Some(5), None), ["c:1-5", "c:6-10"]);
        assert_eq!(names(11, Some(5), None), ["c:1-5", "c:6-10", "c:7-11"]);
        assert_eq!(names(3, Some(5), None), ["c:1-3"]);
        assert_eq!(names(7, Some(5), Some(1)), ["c:1-5", "c:2-6", "c:3-7"]);
    }
}
