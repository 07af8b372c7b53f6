//! The threads of a network that is computed here.

use super::error::{Error, Result};

/// So many threads of its own, one at least, for pictures whose sides are multiples of `multiple`.
///
/// # Errors
/// [`Error::Thread`]; [`Error::Internal`] where the sides are others.
pub(super) fn crew(
    [width, height]: [usize; 2],
    multiple: usize,
    threads: usize,
) -> Result<rayon::ThreadPool> {
    let whole = |side: usize| side > 0 && side.is_multiple_of(multiple);
    if !whole(width) || !whole(height) {
        return Err(Error::Internal {
            what: "preparing a network",
            reason: format!("{width} x {height} are no multiples of {multiple}"),
        });
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .thread_name(|index| format!("corridorkey-network-{index}"))
        .build()
        .map_err(|error| Error::Thread {
            what: "no threads could be started for a network",
            reason: error.to_string(),
        })
}
