//! Measures times: several contestants alternate, round after round, with medians at the end.

use std::time::{Duration, Instant};

use super::Result;

/// The timed work of one contestant. It is called once per round, with the round's number.
pub(crate) type Contestant<'a> = Box<dyn FnMut(usize) -> Result<()> + 'a>;

/// Runs the contestants alternately; the first one of a round is the last of the next. Returns the
/// median time of each. `between` cleans up before each run and is not timed.
///
/// # Errors
/// The first error of any contestant.
pub(crate) fn medians(
    rounds: usize,
    contestants: &mut [Contestant<'_>],
    mut between: impl FnMut() -> Result<()>,
) -> Result<Vec<Duration>> {
    let mut times = vec![Vec::with_capacity(rounds); contestants.len()];
    for round in 0..rounds {
        for turn in 0..contestants.len() {
            let who = (turn + round) % contestants.len();
            between()?;
            let start = Instant::now();
            contestants[who](round)?;
            times[who].push(start.elapsed());
        }
    }
    between()?;
    Ok(times
        .into_iter()
        .map(|mut times| {
            times.sort();
            let shown: Vec<_> = times.iter().map(|time| format!("{:.2}", time.as_secs_f64())).collect();
            eprintln!("bench:   times in s: {}", shown.join(" "));
            times[times.len() / 2]
        })
        .collect())
}
