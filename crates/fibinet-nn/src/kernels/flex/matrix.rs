use gemm::Parallelism;

/// The number of multiplications from which a product uses all threads, the same as flex's own.
const PARALLEL_FROM: usize = 192 * 192 * 192;

/// A matrix inside a slice: element `(row, column)` is at `row * row_stride + column * column_stride`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

/// A row-major matrix inside a mutable slice.
pub(super) struct MatrixMut<'a> {
    values: &'a mut [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
}

/// What a product does to its destination.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Write {
    /// Overwrites it.
    Over,
    /// Adds to it.
    Add,
}

/// How many elements a row-major matrix spans, from its first to its last.
fn extent(rows: usize, columns: usize, row_stride: usize) -> usize {
    match rows.min(columns) {
        0 => 0,
        _ => (rows - 1) * row_stride + columns,
    }
}

impl<'a> Matrix<'a> {
    /// The row-major `[rows, columns]` at the start of a slice.
    pub fn new(values: &'a [f32], [rows, columns]: [usize; 2], row_stride: usize) -> Self {
        assert!(columns <= row_stride && extent(rows, columns, row_stride) <= values.len());
        Self {
            values,
            rows,
            columns,
            row_stride,
            column_stride: 1,
        }
    }

    #[cfg(feature = "autodiff")]
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

impl<'a> MatrixMut<'a> {
    /// The row-major `[rows, columns]` at the start of a slice.
    pub fn new(values: &'a mut [f32], [rows, columns]: [usize; 2], row_stride: usize) -> Self {
        assert!(columns <= row_stride && extent(rows, columns, row_stride) <= values.len());
        Self {
            values,
            rows,
            columns,
            row_stride,
        }
    }

    /// `self = left right` or `self += left right`, on all threads if that pays. The order of the sums does
    /// not depend on the number of threads.
    pub fn product(self, left: Matrix, right: Matrix, write: Write) {
        let work = self.rows * self.columns * left.columns;
        let parallelism = if work >= PARALLEL_FROM {
            Parallelism::Rayon(0)
        } else {
            Parallelism::None
        };
        self.product_on(left, right, write, parallelism);
    }

    /// [`product`](Self::product) on the calling thread.
    pub fn product_here(self, left: Matrix, right: Matrix, write: Write) {
        self.product_on(left, right, write, Parallelism::None);
    }

    fn product_on(self, left: Matrix, right: Matrix, write: Write, parallelism: Parallelism) {
        assert_eq!(
            (left.rows, left.columns, right.columns),
            (self.rows, right.rows, self.columns)
        );
        #[expect(
            unsafe_code,
            reason = "gemm has no safe interface, and flex's safe products are slower here: see `super`"
        )]
        // SAFETY: `Matrix::new` and `MatrixMut::new` checked that the three matrices are inside their
        // slices. The destination is borrowed mutably, and its rows do not overlap.
        unsafe {
            gemm::gemm(
                self.rows,
                self.columns,
                left.columns,
                self.values.as_mut_ptr(),
                1,
                self.row_stride as isize,
                write == Write::Add,
                left.values.as_ptr(),
                left.column_stride as isize,
                left.row_stride as isize,
                right.values.as_ptr(),
                right.column_stride as isize,
                right.row_stride as isize,
                1.0,
                1.0,
                false,
                false,
                false,
                parallelism,
            );
        }
    }
}
