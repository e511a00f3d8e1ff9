//! NSSM's dialect: the registry values of a service it manages.
//!
//! Data first: a [`Key`] holds what a service's key in the registry holds, read from the registry itself or from the
//! text regedit exports. [`PARAMETERS`] is the table of everything NSSM knows. Nothing here touches a registry.

mod parameters;
mod read;
mod reg;
mod value;
mod write;

#[cfg(test)]
mod tests;

pub use parameters::{
    ALIASES, EXIT_ACTIONS, Form, GRACE, HOOKS, Native, PARAMETERS, PRIORITIES, Parameter, Reset,
    STARTUP_OF_THE_MANUAL, STARTUPS, THROTTLE, find, markdown,
};
pub use read::{Defects, Surroundings, has_program, read, service};
pub use reg::{RegFault, parse_reg, print_reg};
pub use value::{Entry, Key, Value};
pub use write::{Written, export, write};
