//! The two orders of the rows of query and key matrices.
//!
//! Rotary embeddings (Su et al. 2021, eq. 34) turn pairs of values. Meta's LLaMA, llama2.c and llama.cpp turn neighbours,
//! (0, 1), (2, 3), ..; transformers turns halves, (0, d/2), (1, d/2 + 1), .. (`rotate_half`). So the rows of each head are
//! stored in another order: row 2·i + j of the first is row j·d/2 + i of the second, j being 0 or 1.

/// Where row `row` of the half order, within its head of `head_dim` rows, is in the order of neighbours.
pub(crate) fn neighbour_row(row: usize, head_dim: usize) -> usize {
    let half = head_dim / 2;
    if half == 0 { row } else { 2 * (row % half) + row / half }
}

/// The inverse of [`neighbour_row`].
pub(crate) fn half_row(row: usize, head_dim: usize) -> usize {
    (row % 2) * (head_dim / 2) + row / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_orders_are_inverse() {
        // torch: x.view(3, 2).transpose(0, 1).flatten() is [0, 2, 4, 1, 3, 5] for x = arange(6)
        assert_eq!((0..6).map(|row| neighbour_row(row, 6)).collect::<Vec<_>>(), [0, 2, 4, 1, 3, 5]);
        for head_dim in [2, 4, 6, 64] {
            for row in 0..head_dim {
                assert_eq!(half_row(neighbour_row(row, head_dim), head_dim), row);
            }
        }
    }
}
