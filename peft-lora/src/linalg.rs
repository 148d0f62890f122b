//! Dense linear algebra on the host in f64, for starts that decompose a weight. Not fast: each matrix is decomposed
//! once, before training.

/// A matrix in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Matrix {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) values: Vec<f64>,
}

impl Matrix {
    pub(crate) fn new(rows: usize, cols: usize, values: Vec<f64>) -> Self {
        assert_eq!(values.len(), rows * cols, "as many values as the shape says");
        Matrix { rows, cols, values }
    }

    pub(crate) fn from_f32(rows: usize, cols: usize, values: &[f32]) -> Self {
        Matrix::new(rows, cols, values.iter().map(|v| f64::from(*v)).collect())
    }

    pub(crate) fn at(&self, row: usize, col: usize) -> f64 {
        self.values[row * self.cols + col]
    }

    pub(crate) fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.cols..(row + 1) * self.cols]
    }

    pub(crate) fn transposed(&self) -> Self {
        let mut values = Vec::with_capacity(self.values.len());
        for col in 0..self.cols {
            values.extend((0..self.rows).map(|row| self.at(row, col)));
        }
        Matrix::new(self.cols, self.rows, values)
    }

    /// self · other.
    pub(crate) fn times(&self, other: &Matrix) -> Self {
        assert_eq!(self.cols, other.rows, "inner dimensions agree");
        let mut values = vec![0.0; self.rows * other.cols];
        for (row, out) in values.chunks_mut(other.cols.max(1)).enumerate() {
            for (k, a) in self.row(row).iter().enumerate() {
                out.iter_mut().zip(other.row(k)).for_each(|(o, b)| *o += a * b);
            }
        }
        Matrix::new(self.rows, other.cols, values)
    }

    /// The first `n` rows.
    pub(crate) fn first_rows(&self, n: usize) -> Self {
        Matrix::new(n, self.cols, self.values[..n * self.cols].to_vec())
    }

    /// Each row times its own factor.
    pub(crate) fn rows_times(mut self, factors: &[f64]) -> Self {
        for (row, factor) in self.values.chunks_mut(self.cols.max(1)).zip(factors) {
            row.iter_mut().for_each(|v| *v *= factor);
        }
        self
    }

    pub(crate) fn to_f32(&self) -> Vec<f32> {
        self.values.iter().map(|v| *v as f32).collect()
    }
}

/// M = Q R by Householder's reflections (Golub and Van Loan, Matrix Computations, algorithm 5.2.1), thin: Q is
/// [rows, k] and R [k, cols] with k = min(rows, cols). Q is returned transposed, [k, rows], so that its columns are
/// contiguous. Signs as LAPACK's, which torch uses: the diagonal of R may be negative.
pub(crate) fn qr(m: &Matrix) -> (Matrix, Matrix) {
    let k = m.rows.min(m.cols);
    let mut columns = m.transposed(); // one column of M a row
    let mut reflectors: Vec<(Vec<f64>, f64)> = Vec::with_capacity(k);
    for j in 0..k {
        let x = &columns.row(j)[j..];
        let norm = norm(x);
        let mut v = x.to_vec();
        // β has the sign that avoids cancellation: R's diagonal is -sign(x₀)·‖x‖.
        let beta = if x[0] >= 0.0 { -norm } else { norm };
        v[0] -= beta;
        let vv = dot(&v, &v);
        // A column that is triangular already is left alone, as LAPACK does; its entry keeps its sign.
        let below = x[1..].iter().all(|b| *b == 0.0);
        let tau = if below || vv == 0.0 { 0.0 } else { 2.0 / vv };
        if tau != 0.0 {
            for col in j..m.cols {
                reflect(&v, tau, &mut columns.values[col * m.rows + j..(col + 1) * m.rows]);
            }
        }
        reflectors.push((v, tau));
    }
    let mut r = vec![0.0; k * m.cols];
    for row in 0..k {
        for col in row..m.cols {
            r[row * m.cols + col] = columns.at(col, row);
        }
    }
    let mut q = vec![0.0; k * m.rows]; // transposed
    for (i, column) in q.chunks_mut(m.rows.max(1)).enumerate() {
        column[i] = 1.0;
        for (j, (v, tau)) in reflectors.iter().enumerate().rev() {
            if *tau != 0.0 {
                reflect(v, *tau, &mut column[j..]);
            }
        }
    }
    (Matrix::new(k, m.rows, q), Matrix::new(k, m.cols, r))
}

/// x - τ v (vᵀ x).
fn reflect(v: &[f64], tau: f64, x: &mut [f64]) {
    let factor = tau * dot(v, x);
    x.iter_mut().zip(v).for_each(|(x, v)| *x -= factor * v);
}

/// M = U diag(s) Vᵀ with falling s: Uᵀ [k, rows], s, Vᵀ [k, cols], k = min(rows, cols).
///
/// Where a singular value is rounding noise, its vector on the longer side of M is orthonormal to the others and the one on the
/// shorter side is noise too, which nothing sees once it is multiplied by its value.
pub(crate) struct Svd {
    pub(crate) ut: Matrix,
    pub(crate) s: Vec<f64>,
    pub(crate) vt: Matrix,
}

/// The singular value decomposition by one-sided Jacobi rotations (Hestenes 1958; Demmel and Veselić 1992: small
/// singular values have a high relative accuracy) of the triangular factor of a QR decomposition.
pub(crate) fn svd(m: &Matrix) -> Svd {
    if m.rows < m.cols {
        let Svd { ut, s, vt } = svd(&m.transposed());
        return Svd { ut: vt, s, vt: ut };
    }
    let (qt, r) = qr(m); // M = Q R; R is [k, k], since rows ≥ cols
    let k = m.cols;
    // Rotate the rows of R until they are orthogonal: J R = diag(s) Wᵀ, so R = Jᵀ diag(s) Wᵀ, M = (Q Jᵀ) diag(s) Wᵀ.
    let mut a = r;
    let mut j = identity(k);
    // Below this share of the largest singular value squared, two rows are rounding noise and not worth a rotation.
    let total: f64 = a.values.iter().map(|v| v * v).sum();
    for _sweep in 0..MAX_SWEEPS {
        let mut rotated = false;
        for p in 0..k {
            for q in p + 1..k {
                let (app, aqq) = (dot(a.row(p), a.row(p)), dot(a.row(q), a.row(q)));
                let apq = dot(a.row(p), a.row(q));
                if apq.abs() <= 1e-15 * (app * aqq).sqrt() || apq.abs() <= 1e-32 * total {
                    continue;
                }
                rotated = true;
                let zeta = (aqq - app) / (2.0 * apq);
                let t = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                let c = t.hypot(1.0).recip();
                rotate(&mut a, p, q, c, c * t);
                rotate(&mut j, p, q, c, c * t);
            }
        }
        if !rotated {
            break;
        }
    }
    let norms: Vec<f64> = (0..k).map(|i| norm(a.row(i))).collect();
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|x, y| norms[*y].total_cmp(&norms[*x]));
    let ut = j.times(&qt); // [k, rows]
    let pick = |of: &Matrix| Matrix::new(k, of.cols, order.iter().flat_map(|i| of.row(*i).to_vec()).collect());
    let s: Vec<f64> = order.iter().map(|i| norms[*i]).collect();
    let inverse: Vec<f64> = s.iter().map(|s| if *s > 0.0 { s.recip() } else { 0.0 }).collect();
    Svd { ut: pick(&ut), vt: pick(&a).rows_times(&inverse), s }
}

/// Ten are enough for any matrix seen so far; convergence is quadratic at the end.
const MAX_SWEEPS: usize = 60;

fn rotate(m: &mut Matrix, p: usize, q: usize, c: f64, s: f64) {
    let cols = m.cols;
    let (left, right) = m.values.split_at_mut(q * cols);
    for (x, y) in left[p * cols..(p + 1) * cols].iter_mut().zip(&mut right[..cols]) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}

fn identity(n: usize) -> Matrix {
    Matrix::new(n, n, (0..n * n).map(|i| if i % (n + 1) == 0 { 1.0 } else { 0.0 }).collect())
}

/// The dot product, in four sums so that it can be vectorised.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (a4, b4) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = a4.remainder().iter().zip(b4.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a4.zip(b4) {
        for i in 0..4 {
            sums[i] += x[i] * y[i];
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// The Euclidean norm, without overflow of the squares.
fn norm(x: &[f64]) -> f64 {
    let largest = x.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    if largest == 0.0 {
        return 0.0;
    }
    x.iter().map(|v| (v / largest).powi(2)).sum::<f64>().sqrt() * largest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn random(rows: usize, cols: usize, seed: u64) -> Matrix {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Matrix::new(rows, cols, (0..rows * cols).map(|_| rng.random::<f64>() * 2.0 - 1.0).collect())
    }

    fn largest_difference(a: &Matrix, b: &Matrix) -> f64 {
        assert_eq!((a.rows, a.cols), (b.rows, b.cols));
        a.values.iter().zip(&b.values).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    }

    /// How far the rows of `m` are from orthonormal, but for those whose factor in `s` is rounding noise.
    fn skew(m: &Matrix, s: Option<&[f64]>) -> f64 {
        let product = m.times(&m.transposed());
        let noise = |i: usize| s.is_some_and(|s| s[i] <= 1e-13 * s[0]);
        let mut largest = 0.0_f64;
        for i in (0..m.rows).filter(|i| !noise(*i)) {
            for j in (0..m.rows).filter(|j| !noise(*j)) {
                largest = largest.max((product.at(i, j) - if i == j { 1.0 } else { 0.0 }).abs());
            }
        }
        largest
    }

    fn check_svd(m: &Matrix) {
        let Svd { ut, s, vt } = svd(m);
        let scale = s.first().copied().unwrap_or(0.0).max(1e-300);
        assert!(s.windows(2).all(|w| w[0] >= w[1]), "{s:?}");
        let product = ut.transposed().times(&vt.clone().rows_times(&s));
        assert!(largest_difference(m, &product) <= 1e-12 * scale, "{m:?}");
        let (long, short) = if m.rows >= m.cols { (&ut, &vt) } else { (&vt, &ut) };
        assert!(skew(long, None) < 1e-12, "the longer side of {m:?}");
        assert!(skew(short, Some(&s)) < 1e-10, "the shorter side of {m:?}: {}", skew(short, Some(&s)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn q_is_orthonormal_and_r_triangular(rows in 1usize..20, cols in 1usize..20, seed: u64) {
            let m = random(rows, cols, seed);
            let (qt, r) = qr(&m);
            prop_assert!(largest_difference(&m, &qt.transposed().times(&r)) < 1e-13);
            prop_assert!(skew(&qt, None) < 1e-13);
            for row in 0..r.rows {
                prop_assert!(r.row(row)[..row.min(r.cols)].iter().all(|v| *v == 0.0));
            }
        }

        #[test]
        fn singular_values_give_the_matrix_back(rows in 1usize..16, cols in 1usize..16, seed: u64, scale in -20i32..20) {
            let m = random(rows, cols, seed);
            let m = Matrix { values: m.values.iter().map(|v| v * 10f64.powi(scale)).collect(), ..m };
            check_svd(&m);
        }

        #[test]
        fn low_rank_matrices_too(rows in 2usize..16, cols in 2usize..16, rank in 1usize..4, seed: u64) {
            check_svd(&random(rows, rank, seed).times(&random(rank, cols, seed ^ 1)));
        }
    }

    #[test]
    fn hard_cases() {
        check_svd(&Matrix::new(3, 3, vec![0.0; 9]));
        check_svd(&Matrix::new(4, 2, vec![1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]));
        check_svd(&Matrix::new(2, 3, vec![1e-200, 0.0, 0.0, 0.0, 1e-200, 0.0]));
        // Hilbert's matrix: condition 1e13.
        check_svd(&Matrix::new(10, 10, (0..100).map(|i| 1.0 / (i / 10 + i % 10 + 1) as f64).collect()));
        // Equal singular values.
        check_svd(&identity(7));
    }

    /// numpy 2.4: `numpy.linalg.svd([[1, 2], [3, 4], [5, 6]], compute_uv=False)`, and its `qr`.
    #[test]
    fn numbers_of_numpy() {
        let m = Matrix::new(3, 2, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let s = svd(&m).s;
        assert!((s[0] - 9.525518091565104).abs() < 1e-12 && (s[1] - 0.514300580658644).abs() < 1e-12, "{s:?}");
        let (qt, r) = qr(&m);
        assert!((r.at(0, 0) + 5.916079783099616).abs() < 1e-12 && (r.at(1, 1) - 0.828078671210825).abs() < 1e-12);
        assert!((qt.at(0, 0) + 0.1690308509457033).abs() < 1e-12);
    }
}
