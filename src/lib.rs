//! CorridorKey.

pub mod keyer;
