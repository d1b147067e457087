//! Draws the rows on a terminal, a few times in a second at most, over those that it drew before.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use console::Term;
use kraken_flash::boot_check::Event;
use kraken_foundation::interrupt::Interrupt;

use super::frame::frame;
use super::state::{State, since};

/// However many events there are, it is drawn this often.
const DRAW_EVERY: Duration = Duration::from_millis(100);

/// The live view. A thread of its own draws it, so that seconds go on when nothing happens, and an event costs next to nothing.
pub(super) struct Live {
    shared: Arc<Shared>,
    began: Instant,
    drawing: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    ended: Mutex<bool>,
    end: Condvar,
}

impl Live {
    pub(super) fn start(term: Term, color: bool, state: State, interrupt: Interrupt) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            ended: Mutex::new(false),
            end: Condvar::new(),
        });
        let began = Instant::now();
        let painter = Painter {
            term,
            color,
            shown: Vec::new(),
            size: (0, 0),
        };
        let drawing = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.draw(painter, began, &interrupt)
        });
        Self {
            shared,
            began,
            drawing: Some(drawing),
        }
    }

    pub(super) fn event(&self, event: &Event) {
        lock(&self.shared.state).take(event, since(self.began));
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        *lock(&self.shared.ended) = true;
        self.shared.end.notify_all();
        if let Some(drawing) = self.drawing.take() {
            // A fault while drawing is no fault of what was drawn.
            let _ = drawing.join();
        }
    }
}

impl Shared {
    /// Until the end, or until the terminal is gone. Then the rows are taken away: what they said, the result says better.
    fn draw(&self, mut painter: Painter, began: Instant, interrupt: &Interrupt) {
        let mut ended = lock(&self.ended);
        while !*ended {
            let mut state = lock(&self.state);
            state.interrupted = interrupt.is_set();
            let drawn = match state.begun {
                true => painter.draw(&state, since(began)),
                false => Ok(()),
            };
            drop(state);
            if drawn.is_err() {
                return;
            }
            ended = self
                .end
                .wait_timeout(ended, DRAW_EVERY)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        // When nobody looks any more there is nothing to tidy up for.
        let _ = painter.clear();
    }
}

/// A terminal and what is on it. The cursor stays to be seen, on the line below the rows: nothing has to be put right when the program is
/// killed.
struct Painter {
    term: Term,
    color: bool,
    /// How wide each row is that stands there.
    shown: Vec<usize>,
    /// Height and width when it was drawn.
    size: (u16, u16),
}

impl Painter {
    fn draw(&mut self, state: &State, now: u64) -> io::Result<()> {
        let size = self.term.size();
        let (height, width) = (usize::from(size.0), usize::from(size.1));
        // The last column stays free: a terminal that has filled it may already be on the next line.
        let rows: Vec<String> = frame(state, now, width.saturating_sub(1), height)
            .iter()
            .map(|row| row.show(width.saturating_sub(1), self.color))
            .collect();
        let mut text = self.up(size);
        if size != self.size {
            // Rows that wrap are of no use to draw over.
            text.push_str("\x1b[J");
        }
        for row in &rows {
            text.push_str(row);
            text.push_str("\x1b[K\r\n");
        }
        text.push_str("\x1b[J");
        self.shown = rows.iter().map(|row| console::measure_text_width(row)).collect();
        self.size = size;
        self.term.write_str(&text)
    }

    fn clear(&mut self) -> io::Result<()> {
        let text = format!("{}\x1b[J", self.up(self.term.size()));
        self.shown.clear();
        self.term.write_str(&text)
    }

    /// To the first row. In a window that became narrower they take more lines than they did: terminals wrap what is too long then.
    fn up(&self, size: (u16, u16)) -> String {
        let width = usize::from(size.1).max(1);
        let lines: usize = match size.1 < self.size.1 {
            true => self.shown.iter().map(|row| row.div_ceil(width).max(1)).sum(),
            false => self.shown.len(),
        };
        match lines.min(usize::from(size.0).saturating_sub(1)) {
            0 => "\r".into(),
            lines => format!("\r\x1b[{lines}A"),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
