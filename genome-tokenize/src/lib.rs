//! Turns DNA letters into token ids: single letters, overlapping k-mers, BPE.
