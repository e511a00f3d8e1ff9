//! Hosting the engine in this process. Not yet: this build only speaks to engines.

use aplomb_core::Spec;

use crate::args::{EngineArgs, RunArgs};
use crate::failure::{Exit, Failure};

/// `aplomb engine`: carries services until it is shut down.
pub(crate) fn engine(_args: &EngineArgs) -> Result<Exit, Failure> {
    Err(Failure::failed("this build of `aplomb` carries no engine"))
}

/// `aplomb run`: one service without a file; ends with its exit code.
pub(crate) fn run(_spec: Spec, _args: &RunArgs) -> Result<u8, Failure> {
    Err(Failure::failed("this build of `aplomb` carries no engine"))
}
