//! How much goes to a card in one request, how much is under way, and how much is written last.

/// What is written last.
pub const HEAD: u64 = 1 << 20;
/// The largest request, in bytes.
pub(super) const REQUEST: u64 = 1 << 20;
/// Requests in flight: enough to keep a card busy while the next buffer is filled. Some readers stall with hundreds.
pub(super) const IN_FLIGHT: usize = 4;
