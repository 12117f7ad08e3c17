//! Tables: reading them as CSV, and what their columns are for a network.

pub mod cell;
pub mod columns;
pub mod encoder;
pub mod schema;
pub mod source;
