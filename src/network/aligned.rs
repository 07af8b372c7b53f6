//! Numbers that begin with a line of the processor's cache.

use std::collections::TryReserveError;

/// So many numbers, the first of which begins a line: so does every sixteenth one.
#[derive(Debug)]
pub(super) struct Numbers {
    all: Vec<f32>,
    begin: usize,
    count: usize,
}

/// Bytes of a line.
const LINE: usize = 64;

impl Numbers {
    /// So many, all of them 0. Memory is not touched before it is used.
    ///
    /// # Errors
    /// That there is no memory.
    pub(super) fn new(count: usize) -> Result<Self, TryReserveError> {
        let more = LINE / size_of::<f32>();
        let room = count.saturating_add(more);
        Vec::<f32>::new().try_reserve_exact(room)?;
        let all = vec![0.0_f32; room];
        // It may be refused, though it never is.
        let begin = all.as_ptr().align_offset(LINE).min(more);
        Ok(Self { all, begin, count })
    }

    /// All of them.
    pub(super) fn get(&self) -> &[f32] {
        &self.all[self.begin..self.begin + self.count]
    }

    /// All of them.
    pub(super) fn get_mut(&mut self) -> &mut [f32] {
        &mut self.all[self.begin..self.begin + self.count]
    }
}
