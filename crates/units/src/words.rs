//! Values as both dialects write them: durations, sizes, the words of a command.
