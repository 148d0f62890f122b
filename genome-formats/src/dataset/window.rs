//! Which stretch of the genome stands for a site.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// Which windows a site gives. "Start", "before" and "behind" are meant in the direction of the site: on the reverse strand
/// the start is the larger coordinate (unless the builder is told to ignore strands).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// The site itself.
    AsIs,
    /// So many bases around its middle: `bp / 2` of them in front of the base in the middle (of two, the later one).
    Centered(u64),
    /// So many bases directly before its start.
    Upstream(u64),
    /// So many bases directly behind its end.
    Downstream(u64),
    /// Bases around its start: promoters around a transcription start.
    AroundStart {
        /// Bases before the first base of the site.
        upstream: u64,
        /// Bases of the site and behind, the first one included.
        downstream: u64,
    },
    /// Windows side by side over the site, all inside of it.
    Sliding {
        /// Bases of a window.
        width: u64,
        /// Bases from one start to the next.
        step: u64,
    },
}

/// The longest window: what nobody needs, but keeps sums in range.
const MAX_BP: u64 = 1 << 40;

impl Window {
    pub(crate) fn check(self) -> Result<()> {
        let widths = match self {
            Self::AsIs => return Ok(()),
            Self::Centered(bp) | Self::Upstream(bp) | Self::Downstream(bp) => [bp, bp],
            Self::AroundStart { upstream, downstream } => {
                [upstream.saturating_add(downstream), upstream.saturating_add(downstream)]
            }
            Self::Sliding { width, step } => [width, step],
        };
        if widths.iter().all(|w| (1..=MAX_BP).contains(w)) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unsupported, "dataset options", format!("the window {self:?}"))
            .expecting("at least one base"))
    }

    /// Calls `f` with start and length of each window of the site `start..end`; starts may be negative.
    pub(crate) fn cut<E>(
        self,
        (start, end): (i64, i64),
        reverse: bool,
        mut f: impl FnMut(i64, i64) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        if reverse {
            // The same in a mirror: base x lies at -1 - x.
            self.forward(-end, -start, |start, len| f(-(start + len), len))
        } else {
            self.forward(start, end, f)
        }
    }

    fn forward<E>(
        self,
        start: i64,
        end: i64,
        mut f: impl FnMut(i64, i64) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        match self {
            Self::AsIs => f(start, end - start),
            Self::Centered(bp) => f(start + (end - start) / 2 - (bp / 2) as i64, bp as i64),
            Self::Upstream(bp) => f(start - bp as i64, bp as i64),
            Self::Downstream(bp) => f(end, bp as i64),
            Self::AroundStart { upstream, downstream } => f(start - upstream as i64, (upstream + downstream) as i64),
            Self::Sliding { width, step } => {
                let mut at = start;
                while at + width as i64 <= end {
                    f(at, width as i64)?;
                    at += step as i64;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(window: Window, site: (i64, i64), reverse: bool) -> Vec<(i64, i64)> {
        let mut out = Vec::new();
        let _ = window.cut(site, reverse, |start, len| {
            out.push((start, start + len));
            Ok::<(), ()>(())
        });
        out
    }

    #[test]
    fn windows_of_a_site() {
        let check = |window, reverse, expected: &[(i64, i64)]| {
            assert_eq!(cut(window, (100, 110), reverse), expected, "{window:?} {reverse}");
        };
        check(Window::AsIs, false, &[(100, 110)]);
        check(Window::AsIs, true, &[(100, 110)]);
        check(Window::Centered(4), false, &[(103, 107)]);
        check(Window::Centered(5), false, &[(103, 108)]); // 105, the later middle, in the middle
        check(Window::Centered(5), true, &[(102, 107)]); // 104
        check(Window::Upstream(3), false, &[(97, 100)]);
        check(Window::Upstream(3), true, &[(110, 113)]);
        check(Window::Downstream(3), false, &[(110, 113)]);
        check(Window::Downstream(3), true, &[(97, 100)]);
        check(Window::AroundStart { upstream: 3, downstream: 2 }, false, &[(97, 102)]);
        check(Window::AroundStart { upstream: 3, downstream: 2 }, true, &[(108, 113)]);
        check(Window::Sliding { width: 4, step: 3 }, false, &[(100, 104), (103, 107), (106, 110)]);
        check(Window::Sliding { width: 4, step: 4 }, true, &[(106, 110), (102, 106)]);
        check(Window::Sliding { width: 11, step: 1 }, false, &[]);
        assert!(Window::Centered(0).check().is_err());
        assert!(Window::Sliding { width: 4, step: 0 }.check().is_err());
        assert!(Window::AroundStart { upstream: u64::MAX, downstream: 1 }.check().is_err());
        assert!(Window::AroundStart { upstream: 0, downstream: 1 }.check().is_ok());
    }

    proptest! {
        #[test]
        fn the_other_strand_is_a_mirror(start in 0i64..1000, len in 0i64..100, bp in 1u64..50, step in 1u64..20) {
            for window in [
                Window::AsIs,
                Window::Centered(bp),
                Window::Upstream(bp),
                Window::Downstream(bp),
                Window::AroundStart { upstream: bp, downstream: step },
                Window::Sliding { width: bp, step },
            ] {
                // In a genome of 2,000 bases that was turned round.
                let turn = |(start, end): (i64, i64)| (2000 - end, 2000 - start);
                let site = (start, start + len);
                let turned: Vec<_> = cut(window, turn(site), true).into_iter().map(turn).collect();
                prop_assert_eq!(turned, cut(window, site, false));
            }
        }
    }
}
