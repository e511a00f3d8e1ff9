//! Time limits of one operation on one resource: how long to connect, how long an answer may take.
//!
//! The constants are the documented defaults; a program states its own with [`IoBudget::new`]. Who enforces them is not
//! here: opening is cut by the life thread, single operations by [`crate::Resource::bounded`].

use std::time::Duration;

/// How long a resource may take to connect, and one operation on it (its close included) to finish.
///
/// ```
/// use aplomb_lifecycle::IoBudget;
/// assert_eq!(IoBudget::DATABASE.connect.as_millis(), 5000);
/// assert_eq!(IoBudget::DATABASE.read.as_millis(), 10000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IoBudget {
    /// One attempt to open the resource.
    pub connect: Duration,
    /// One operation on it, the final close included.
    pub read: Duration,
}

impl IoBudget {
    /// A database: 5000 ms to connect, 10000 ms to answer.
    pub const DATABASE: Self = Self::new(5_000, 10_000);
    /// An outgoing HTTP client: 3000 ms to connect, 8000 ms to answer.
    pub const HTTP_CLIENT: Self = Self::new(3_000, 8_000);
    /// A cache: 1000 ms to connect, 2000 ms to answer.
    pub const CACHE: Self = Self::new(1_000, 2_000);

    /// A budget in milliseconds.
    ///
    /// ```
    /// use aplomb_lifecycle::IoBudget;
    /// const SEARCH: IoBudget = IoBudget::new(500, 1_500);
    /// assert_eq!(SEARCH.read.as_millis(), 1_500);
    /// ```
    #[must_use]
    pub const fn new(connect_ms: u64, read_ms: u64) -> Self {
        Self {
            connect: Duration::from_millis(connect_ms),
            read: Duration::from_millis(read_ms),
        }
    }
}
