//! Both sides over pipes, with time that passes by itself.

mod calling;
mod serving;
mod wire;

use super::*;
use wire::{Members, Wire};
