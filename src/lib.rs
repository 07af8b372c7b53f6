//! CorridorKey.

pub mod error;
pub mod keyer;
pub mod network;
