//! CorridorKey.
