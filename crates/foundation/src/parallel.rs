//! The same work for each of many items, on several threads.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// What became of the items.
#[derive(Debug)]
#[must_use]
pub struct Outcome<R, E> {
    /// The results of the items that were finished, in the order of the items.
    pub done: Vec<R>,
    /// The error of the first item that failed.
    pub error: Option<E>,
}

impl<R, E> Outcome<R, E> {
    /// Returns the results of all items.
    ///
    /// # Errors
    /// The error of the first item that failed.
    pub fn all(self) -> Result<Vec<R>, E> {
        match self.error {
            None => Ok(self.done),
            Some(error) => Err(error),
        }
    }
}

/// Returns the number of threads that can run at the same time on this machine.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Does `work` for each item, on at most `threads` threads. Items are begun in their order. After
/// an error no further item is begun; those before it are finished. So of several items that would
/// fail, the error is always that of the first one. Work that can be interrupted checks the flag
/// itself, and returns an error.
///
/// # Panics
/// When `work` does.
pub fn map<T, R, E>(items: &[T], threads: usize, work: impl Fn(&T) -> Result<R, E> + Sync) -> Outcome<R, E>
where
    T: Sync,
    R: Send,
    E: Send,
{
    map_with(items, threads, || (), |(), item| work(item))
}

/// As [`map`], with a value for each thread that `begin` makes: a buffer.
///
/// # Panics
/// When `begin` or `work` does.
pub fn map_with<T, S, R, E>(
    items: &[T],
    threads: usize,
    begin: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &T) -> Result<R, E> + Sync,
) -> Outcome<R, E>
where
    T: Sync,
    R: Send,
    E: Send,
{
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let run = || {
        let _stops_others = StopOnPanic(&stop);
        let mut state = begin();
        let mut results = Vec::new();
        // The flag is read before an item is taken: an item that was taken is always worked on.
        while !stop.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { break };
            let result = work(&mut state, item);
            if result.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            results.push((at, result));
        }
        results
    };
    let mut results = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads.clamp(1, items.len().max(1)))
            .map(|_| scope.spawn(run))
            .collect();
        let mut results = Vec::with_capacity(items.len());
        for thread in threads {
            results.extend(thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        results
    });
    results.sort_unstable_by_key(|(at, _)| *at);
    let mut outcome = Outcome {
        done: Vec::with_capacity(results.len()),
        error: None,
    };
    for (_, result) in results {
        match result {
            Ok(done) => outcome.done.push(done),
            Err(error) => {
                outcome.error.get_or_insert(error);
            }
        }
    }
    outcome
}

/// Keeps the other threads from beginning further items when its own panics.
struct StopOnPanic<'a>(&'a AtomicBool);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interrupt::{Interrupt, Interrupted};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Duration;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..200).collect();
        for threads in [0, 1, 7, 500] {
            let outcome = map(&items, threads, |item| {
                // The first ones take longest.
                thread::sleep(Duration::from_micros(200 - *item));
                Ok::<u64, ()>(item * 2)
            });
            let doubled: Vec<u64> = items.iter().map(|item| item * 2).collect();
            assert_eq!(outcome.all(), Ok(doubled));
        }
        assert_eq!(map(&[], 4, |(): &()| Ok::<(), ()>(())).all(), Ok(Vec::new()));
    }

    #[test]
    fn the_error_is_that_of_the_first_item_that_fails() {
        let items: Vec<u64> = (0..64).collect();
        for _ in 0..100 {
            let outcome = map(&items, 8, |item| match item {
                // It fails later than those behind it.
                20 => {
                    thread::sleep(Duration::from_millis(1));
                    Err(20)
                }
                21.. => Err(*item),
                _ => Ok(*item),
            });
            assert_eq!(outcome.done, items[..20]);
            assert_eq!(outcome.error, Some(20));
        }
    }

    #[test]
    fn after_an_error_no_further_item_is_begun() {
        let begun = AtomicUsize::new(0);
        let items = [0; 1000];
        let outcome = map(&items, 2, |_| {
            begun.fetch_add(1, Ordering::Relaxed);
            Err::<(), ()>(())
        });
        assert_eq!(outcome.all(), Err(()));
        assert!(begun.into_inner() <= 2);
    }

    #[test]
    fn an_interrupt_stops_work_that_checks_it() {
        let interrupt = Interrupt::new();
        let items: Vec<usize> = (0..1000).collect();
        let outcome = map(&items, 4, |item| {
            interrupt.check()?;
            if *item == 10 {
                interrupt.set();
            }
            Ok(*item)
        });
        assert_eq!(outcome.error, Some(Interrupted));
        assert!(outcome.done.len() < 20);
    }

    #[test]
    fn a_panic_goes_on_in_the_caller() {
        // So many that they are not done while the panic's message, with its backtrace, is made.
        let items: Vec<u32> = (0..100_000).collect();
        let begun = AtomicUsize::new(0);
        let panic = catch_unwind(AssertUnwindSafe(|| {
            map(&items, 4, |item| {
                begun.fetch_add(1, Ordering::Relaxed);
                assert!(*item != 3, "three");
                thread::sleep(Duration::from_millis(1));
                Ok::<(), ()>(())
            })
        }))
        .unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"three"));
        assert!(begun.into_inner() < items.len());
    }

    #[test]
    fn each_thread_has_its_own_value() {
        let made = AtomicUsize::new(0);
        let items = [(); 100];
        let outcome = map_with(
            &items,
            3,
            || made.fetch_add(1, Ordering::Relaxed),
            |mine, ()| {
                thread::sleep(Duration::from_micros(50));
                Ok::<usize, ()>(*mine)
            },
        );
        assert!(made.into_inner() <= 3);
        assert!(outcome.all().unwrap().iter().all(|mine| *mine < 3));
    }
}
