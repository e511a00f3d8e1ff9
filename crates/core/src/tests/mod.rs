//! Proof of the core, in simulated time: stories (one promise each), the explorer of small worlds, and long stories by
//! chance. The list of promises is `docs/promises.md`.

mod engine;
mod explaining;
mod explorer;
mod laws;
mod place;
mod promises;
mod seeds;
mod sim;

mod ending;
mod life;
mod order;
mod relations;
mod serving;
mod starting;
mod succession;
