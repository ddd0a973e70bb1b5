//! The store on real files: what survives, and what damage does.
