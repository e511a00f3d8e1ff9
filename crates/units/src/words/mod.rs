//! Values as dialects write them: durations, sizes, the words of a command, names; and the nearest of several names.
//!
//! Each is a pair, text to value and value to text, and the pair agrees: what is printed reads back the same.
//! systemd's own spellings (bare seconds, K for 1024) are not here but with its dialect.

mod command;
mod duration;
mod name;
mod nearest;
mod path;
mod size;
mod windows;

pub use command::{SplitFault, SplitFaultKind, join, split};
pub use duration::{DurationFault, parse_duration, print_duration};
pub use name::{NameFault, check_name};
pub use nearest::nearest;
pub use path::{is_absolute, resolve};
pub use size::{SizeFault, parse_size, print_size};
pub use windows::{join_windows, split_windows};
