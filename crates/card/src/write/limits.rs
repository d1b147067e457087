//! Sizes of requests to a card, the number of requests in flight, and the part that is written
//! last.

/// The part of the card that is written last, in bytes from its beginning.
pub const HEAD: u64 = 1 << 20;
/// The largest request, in bytes.
pub(super) const REQUEST: u64 = 1 << 20;
/// Requests in flight: enough to keep a card busy while the next buffer is filled. Some readers
/// stall with hundreds.
pub(super) const IN_FLIGHT: usize = 4;
