//! Windows' answers to what the host has to know.

pub(crate) mod boot;
pub(crate) mod directories;
pub(crate) mod endpoint;
pub(crate) mod keeping;
pub(crate) mod service;
pub(crate) mod session;
