//! Proof of the core, in simulated time: stories (one promise each), the explorer of small worlds, and long stories by
//! chance. The list of promises is `docs/promises.md`.

mod engine;
mod laws;
mod sim;

mod life;
mod order;
