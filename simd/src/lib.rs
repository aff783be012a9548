//! The arithmetic of the CPU twins: matrix times vectors, attention, exponentials.
//!
//! Every function is compiled for each instruction set of the target ([`instructions`] names the one that is taken, the widest the
//! CPU has), through `pulp`. The order of every sum depends on that set alone: not on how many vectors come at once, nor on which
//! rows a thread takes. So tokens are the same for any number of threads and pictures.

mod attention;
mod exponential;
mod number;
mod platform;
mod product;
mod runs;
mod shifted;

use pulp::{Arch, Simd, WithSimd};

pub use attention::{Cache, attend, attend_f16};
pub use exponential::{exps, swiglu};
pub use product::{Numbers, Weights, product};
pub use runs::{RUN, in_runs, row_of_runs};
pub use shifted::{SHIFT, shifted, unshifted};

/// The instruction set that is used here, as people call it.
pub fn instructions() -> &'static str {
    struct Name;
    impl WithSimd for Name {
        type Output = &'static str;

        fn with_simd<S: Simd>(self, _: S) -> &'static str {
            // `pulp::x86::V3`
            match std::any::type_name::<S>().rsplit("::").next() {
                Some("V4") => "AVX-512",
                Some("V3") => "AVX2",
                Some("Neon") => "NEON",
                Some("Simd128" | "RelaxedSimd") => "simd128",
                _ => "no vectors",
            }
        }
    }
    Arch::new().dispatch(Name)
}

/// Dot product; `a` and `b` are of one length.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    struct Dot<'a>(&'a [f32], &'a [f32]);
    impl WithSimd for Dot<'_> {
        type Output = f32;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> f32 {
            let [sum] = product::dots(simd, [self.0], self.1);
            sum
        }
    }
    Arch::new().dispatch(Dot(a, b))
}
