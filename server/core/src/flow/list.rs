//! The part of a list that somebody asks for.

/// Who asks for a list, and for which part of it.
pub struct List<W> {
    /// Who asks.
    pub by: W,
    /// The greatest number of items.
    pub limit: i64,
    /// The number of items to skip.
    pub offset: i64,
}
