//! CorridorKey.

pub mod keyer;
pub mod network;
