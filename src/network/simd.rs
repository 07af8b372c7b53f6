//! Sixteen numbers at a time, by the best instructions that this processor has.
//!
//! Code that is generic over [`Simd`] is compiled once for each of them. It gets its instructions
//! where it is inlined into the one function that is allowed to use them, so everything between
//! [`Level::run`] and these methods has to be `#[inline(always)]`.

#![allow(unsafe_code)]

/// Numbers in [`Simd::Lanes`].
pub(super) const LANES: usize = 16;

/// A way to compute with sixteen numbers. Who holds one is on a processor that can.
pub(super) trait Simd: Copy {
    /// Sixteen numbers.
    type Lanes: Copy;
    /// Pixels whose sums a product of matrices can hold in registers.
    const PIXELS: usize;
    /// It can hold them for all channels, otherwise for sixteen.
    const WHOLE: bool;

    /// All of them the same.
    fn splat(self, value: f32) -> Self::Lanes;
    /// Out of memory.
    fn load(self, from: &[f32; LANES]) -> Self::Lanes;
    /// Into memory.
    fn store(self, value: Self::Lanes, to: &mut [f32; LANES]);
    /// a + b
    fn add(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes;
    /// a − b
    fn sub(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes;
    /// a × b
    fn mul(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes;
    /// a × b + c, rounded once or twice.
    fn fma(self, a: Self::Lanes, b: Self::Lanes, c: Self::Lanes) -> Self::Lanes;
    /// The larger of the value and 0; what is no number stays none.
    fn clip(self, value: Self::Lanes) -> Self::Lanes;
}

/// What is to be done in one of the ways.
pub(super) trait Work {
    /// Does it. Implementations are `#[inline(always)]`.
    fn run<S: Simd>(self, simd: S);
}

/// What a processor can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level(Way);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// What every processor of its kind can.
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Level {
    /// Everything that this processor can do, the best first.
    pub(super) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                all.push(Self(Way::Avx512));
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                all.push(Self(Way::Avx2));
            }
        }
        #[cfg(target_arch = "aarch64")]
        all.push(Self(Way::Neon));
        all.push(Self(Way::Portable));
        all
    }

    /// The best of [`Self::all`].
    pub(super) fn best() -> Self {
        Self::all().first().copied().unwrap_or(Self(Way::Portable))
    }

    /// Does the work in this way.
    pub(super) fn run(self, work: impl Work) {
        match self.0 {
            Way::Portable => work.run(Portable),
            // SAFETY: both are only made by `all`, where the processor was asked.
            #[cfg(target_arch = "x86_64")]
            Way::Avx2 => unsafe { x86::avx2(work) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Way::Avx512 => unsafe { x86::avx512(work) },
            #[cfg(target_arch = "aarch64")]
            Way::Neon => work.run(arm::Neon),
        }
    }
}

/// Left to the compiler.
#[derive(Clone, Copy)]
struct Portable;

impl Simd for Portable {
    type Lanes = [f32; LANES];
    /// Sixteen registers of four numbers are the fewest that there are.
    const PIXELS: usize = 2;
    const WHOLE: bool = false;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::Lanes {
        [value; LANES]
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::Lanes {
        *from
    }

    #[inline(always)]
    fn store(self, value: Self::Lanes, to: &mut [f32; LANES]) {
        *to = value;
    }

    #[inline(always)]
    fn add(self, mut a: Self::Lanes, b: Self::Lanes) -> Self::Lanes {
        for (a, b) in a.iter_mut().zip(b) {
            *a += b;
        }
        a
    }

    #[inline(always)]
    fn sub(self, mut a: Self::Lanes, b: Self::Lanes) -> Self::Lanes {
        for (a, b) in a.iter_mut().zip(b) {
            *a -= b;
        }
        a
    }

    #[inline(always)]
    fn mul(self, mut a: Self::Lanes, b: Self::Lanes) -> Self::Lanes {
        for (a, b) in a.iter_mut().zip(b) {
            *a *= b;
        }
        a
    }

    #[inline(always)]
    fn fma(self, a: Self::Lanes, b: Self::Lanes, mut c: Self::Lanes) -> Self::Lanes {
        for ((a, b), c) in a.into_iter().zip(b).zip(&mut c) {
            // Rounded once it would be the call of a function where there is no such instruction.
            *c += a * b;
        }
        c
    }

    #[inline(always)]
    fn clip(self, mut value: Self::Lanes) -> Self::Lanes {
        for value in &mut value {
            *value = if *value < 0.0 { 0.0 } else { *value };
        }
        value
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use core::arch::x86_64::*;

    use super::{LANES, Simd, Work};

    /// # Safety
    /// The processor has AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn avx2(work: impl Work) {
        work.run(Avx2(()));
    }

    /// # Safety
    /// The processor has AVX-512F.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn avx512(work: impl Work) {
        work.run(Avx512(()));
    }

    /// Only made where the processor has AVX2 and FMA.
    #[derive(Clone, Copy)]
    struct Avx2(());

    /// Only made where the processor has AVX-512F.
    #[derive(Clone, Copy)]
    struct Avx512(());

    impl Simd for Avx2 {
        type Lanes = [__m256; 2];
        const PIXELS: usize = 6;
        const WHOLE: bool = false;

        #[inline(always)]
        fn splat(self, value: f32) -> Self::Lanes {
            // SAFETY: `self` is only made where the processor has the instructions.
            [unsafe { _mm256_set1_ps(value) }; 2]
        }

        #[inline(always)]
        fn load(self, from: &[f32; LANES]) -> Self::Lanes {
            let (halves, _) = from.as_chunks::<8>();
            // SAFETY: as above; each half is eight readable numbers, and need not be aligned.
            [0, 1].map(|half| unsafe { _mm256_loadu_ps(halves[half].as_ptr()) })
        }

        #[inline(always)]
        fn store(self, value: Self::Lanes, to: &mut [f32; LANES]) {
            let (halves, _) = to.as_chunks_mut::<8>();
            for (half, value) in halves.iter_mut().zip(value) {
                // SAFETY: as above; each half is eight writable numbers, and need not be aligned.
                unsafe { _mm256_storeu_ps(half.as_mut_ptr(), value) };
            }
        }

        #[inline(always)]
        fn add(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes {
            // SAFETY: `self` is only made where the processor has the instructions.
            [0, 1].map(|half| unsafe { _mm256_add_ps(a[half], b[half]) })
        }

        #[inline(always)]
        fn sub(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes {
            // SAFETY: `self` is only made where the processor has the instructions.
            [0, 1].map(|half| unsafe { _mm256_sub_ps(a[half], b[half]) })
        }

        #[inline(always)]
        fn mul(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes {
            // SAFETY: `self` is only made where the processor has the instructions.
            [0, 1].map(|half| unsafe { _mm256_mul_ps(a[half], b[half]) })
        }

        #[inline(always)]
        fn fma(self, a: Self::Lanes, b: Self::Lanes, c: Self::Lanes) -> Self::Lanes {
            // SAFETY: `self` is only made where the processor has the instructions.
            [0, 1].map(|half| unsafe { _mm256_fmadd_ps(a[half], b[half], c[half]) })
        }

        #[inline(always)]
        fn clip(self, value: Self::Lanes) -> Self::Lanes {
            // Of two where one is no number the instruction gives the second.
            // SAFETY: `self` is only made where the processor has the instructions.
            value.map(|value| unsafe { _mm256_max_ps(_mm256_setzero_ps(), value) })
        }
    }

    impl Simd for Avx512 {
        type Lanes = __m512;
        const PIXELS: usize = 6;
        const WHOLE: bool = true;

        #[inline(always)]
        fn splat(self, value: f32) -> Self::Lanes {
            // SAFETY: `self` is only made where the processor has the instructions.
            unsafe { _mm512_set1_ps(value) }
        }

        #[inline(always)]
        fn load(self, from: &[f32; LANES]) -> Self::Lanes {
            // SAFETY: as above; these are sixteen readable numbers, and need not be aligned.
            unsafe { _mm512_loadu_ps(from.as_ptr()) }
        }

        #[inline(always)]
        fn store(self, value: Self::Lanes, to: &mut [f32; LANES]) {
            // SAFETY: as above; these are sixteen writable numbers, and need not be aligned.
            unsafe { _mm512_storeu_ps(to.as_mut_ptr(), value) }
        }

        #[inline(always)]
        fn add(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes {
            // SAFETY: `self` is only made where the processor has the instructions.
            unsafe { _mm512_add_ps(a, b) }
        }

        #[inline(always)]
        fn sub(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes {
            // SAFETY: `self` is only made where the processor has the instructions.
            unsafe { _mm512_sub_ps(a, b) }
        }

        #[inline(always)]
        fn mul(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes {
            // SAFETY: `self` is only made where the processor has the instructions.
            unsafe { _mm512_mul_ps(a, b) }
        }

        #[inline(always)]
        fn fma(self, a: Self::Lanes, b: Self::Lanes, c: Self::Lanes) -> Self::Lanes {
            // SAFETY: `self` is only made where the processor has the instructions.
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }

        #[inline(always)]
        fn clip(self, value: Self::Lanes) -> Self::Lanes {
            // Of two where one is no number the instruction gives the second.
            // SAFETY: `self` is only made where the processor has the instructions.
            unsafe { _mm512_max_ps(_mm512_setzero_ps(), value) }
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use core::arch::aarch64::*;

    use super::{LANES, Simd};

    /// Every processor of this kind has these instructions.
    #[derive(Clone, Copy)]
    pub(super) struct Neon;

    /// Numbers in a register.
    const QUARTER: usize = LANES / 4;

    impl Simd for Neon {
        type Lanes = [float32x4_t; 4];
        const PIXELS: usize = 4;
        const WHOLE: bool = false;

        #[inline(always)]
        fn splat(self, value: f32) -> Self::Lanes {
            // SAFETY: every processor of this kind has the instruction.
            [unsafe { vdupq_n_f32(value) }; 4]
        }

        #[inline(always)]
        fn load(self, from: &[f32; LANES]) -> Self::Lanes {
            let (quarters, _) = from.as_chunks::<QUARTER>();
            // SAFETY: as above; each quarter is four readable numbers.
            [0, 1, 2, 3].map(|index| unsafe { vld1q_f32(quarters[index].as_ptr()) })
        }

        #[inline(always)]
        fn store(self, value: Self::Lanes, to: &mut [f32; LANES]) {
            let (quarters, _) = to.as_chunks_mut::<QUARTER>();
            for (quarter, value) in quarters.iter_mut().zip(value) {
                // SAFETY: as above; each quarter is four writable numbers.
                unsafe { vst1q_f32(quarter.as_mut_ptr(), value) };
            }
        }

        #[inline(always)]
        fn add(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes {
            // SAFETY: every processor of this kind has the instruction.
            [0, 1, 2, 3].map(|index| unsafe { vaddq_f32(a[index], b[index]) })
        }

        #[inline(always)]
        fn sub(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes {
            // SAFETY: every processor of this kind has the instruction.
            [0, 1, 2, 3].map(|index| unsafe { vsubq_f32(a[index], b[index]) })
        }

        #[inline(always)]
        fn mul(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes {
            // SAFETY: every processor of this kind has the instruction.
            [0, 1, 2, 3].map(|index| unsafe { vmulq_f32(a[index], b[index]) })
        }

        #[inline(always)]
        fn fma(self, a: Self::Lanes, b: Self::Lanes, c: Self::Lanes) -> Self::Lanes {
            // SAFETY: every processor of this kind has the instruction.
            [0, 1, 2, 3].map(|index| unsafe { vfmaq_f32(c[index], a[index], b[index]) })
        }

        #[inline(always)]
        fn clip(self, value: Self::Lanes) -> Self::Lanes {
            // Of two where one is no number the instruction gives what is none.
            // SAFETY: every processor of this kind has the instruction.
            value.map(|value| unsafe { vmaxq_f32(vdupq_n_f32(0.0), value) })
        }
    }
}
