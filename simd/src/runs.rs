//! The order in which the twins hold a matrix: some rows side by side, column after column.

/// Rows that lie side by side in [`crate::Weights::Runs`].
pub const RUN: usize = 32;

/// Rows of `width` numbers in runs, the last one filled up with zeros.
pub fn in_runs<T: Copy + Default>(rows: &[T], width: usize) -> Vec<T> {
    let count = rows.len() / width;
    let mut runs = vec![T::default(); count.next_multiple_of(RUN) * width];
    for (n, row) in rows.chunks_exact(width).enumerate() {
        let run = &mut runs[n / RUN * RUN * width..][..RUN * width];
        for (column, value) in row.iter().enumerate() {
            run[column * RUN + n % RUN] = *value;
        }
    }
    runs
}

/// Row `row` of what [`in_runs`] has made.
pub fn row_of_runs<T: Copy>(runs: &[T], width: usize, row: usize) -> Vec<T> {
    let run = &runs[row / RUN * RUN * width..][..RUN * width];
    run.iter().skip(row % RUN).step_by(RUN).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_out_of_runs_as_they_went_in() {
        let rows: Vec<u16> = (0..37 * 5).collect();
        let runs = in_runs(&rows, 5);
        assert_eq!((runs.len(), runs[37]), (64 * 5, 5 * 5 + 1));
        for (n, row) in rows.chunks(5).enumerate() {
            assert_eq!(row_of_runs(&runs, 5, n), row);
        }
    }
}
