//! Draws the rows on a terminal, over the rows that it drew before, at most a few times in a
//! second.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use console::Term;
use kraken_flash::boot_check::Event;
use kraken_foundation::interrupt::Interrupt;

use super::frame::frame;
use super::state::{State, since};

/// How often the view is drawn, however many events there are.
const DRAW_EVERY: Duration = Duration::from_millis(100);

/// The live view. A thread of its own draws it, so that the seconds go on when nothing happens and
/// an event costs next to nothing.
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
            size: Size::default(),
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
            // A panic while drawing does not change the result of the run.
            let _ = drawing.join();
        }
    }
}

impl Shared {
    /// Draws until the view ends or the terminal is closed. Then it removes the rows: the result
    /// says the same in more detail.
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
        // When the terminal is closed there is nothing to clear.
        let _ = painter.clear();
    }
}

/// A terminal and what is on it. The cursor stays visible, on the line below the rows, so that
/// nothing has to be restored when the program is killed.
struct Painter {
    term: Term,
    color: bool,
    /// The width of each row that is on the screen.
    shown: Vec<usize>,
    /// The size of the terminal when the rows were drawn.
    size: Size,
}

/// The size of a terminal, in lines and columns.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Size {
    height: usize,
    width: usize,
}

impl Size {
    fn of(term: &Term) -> Self {
        let (height, width) = term.size();
        Self {
            height: usize::from(height),
            width: usize::from(width),
        }
    }
}

impl Painter {
    fn draw(&mut self, state: &State, now: u64) -> io::Result<()> {
        let size = Size::of(&self.term);
        let width = size.width.saturating_sub(1);
        // The last column stays free: a terminal in which it is filled may already have moved to
        // the next line.
        let rows: Vec<String> = frame(state, now, width, size.height)
            .iter()
            .map(|row| row.show(width, self.color))
            .collect();
        let mut text = self.up(size);
        if size != self.size {
            // The program cannot draw over rows that wrap.
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
        let text = format!("{}\x1b[J", self.up(Size::of(&self.term)));
        self.shown.clear();
        self.term.write_str(&text)
    }

    /// Returns the sequence that moves the cursor to the first row. In a window that became
    /// narrower the rows take more lines than before, because terminals wrap what is too long then.
    fn up(&self, size: Size) -> String {
        let width = size.width.max(1);
        let lines: usize = match size.width < self.size.width {
            true => self.shown.iter().map(|row| row.div_ceil(width).max(1)).sum(),
            false => self.shown.len(),
        };
        match lines.min(size.height.saturating_sub(1)) {
            0 => "\r".into(),
            lines => format!("\r\x1b[{lines}A"),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
