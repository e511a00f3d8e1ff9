//! Several services: who waits for whom.
