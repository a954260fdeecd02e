//! What must be so, worked out from operations and blocks alone.
//!
//! The oracle shares no rule with the code it judges: it has its own reading of the operations, its own set of
//! elements and its own decoder of blocks. It follows each replica's durable inputs in turn and says what must be
//! visible there after each of them.

mod block;
mod model;
mod rules;
mod walks;

pub(super) use block::{BlockContent, Name};
pub(super) use model::Model;
pub(super) use rules::tag;
