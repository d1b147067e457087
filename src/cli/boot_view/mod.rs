//! What the user sees while images boot: a row for each node on a terminal, plain lines elsewhere,
//! nothing with `--quiet`. All of it goes to stderr.

mod frame;
mod lines;
mod painter;
mod state;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};

use console::Term;
use kraken_flash::boot_check::{Event, Watcher};
use kraken_foundation::interrupt::Interrupt;

use super::Session;
use lines::Lines;
use painter::Live;
pub(super) use state::Booting;
use state::State;

/// Shows what happens until it is dropped; then the terminal is as it was before. Meanwhile nothing
/// else may write to the terminal.
pub(super) struct View(Kind);

enum Kind {
    Silent,
    Lines(Lines),
    Live(Live),
}

impl View {
    /// Makes the view for the nodes in their order and the stages that they go through. A node is
    /// up when it reaches the last stage.
    pub(super) fn new(session: &Session, nodes: &[Booting], stages: &[&str]) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self(if session.global.quiet {
            Kind::Silent
        } else if io::stderr().is_terminal() && !dumb {
            let color = session.global.color.on_stderr();
            Kind::Live(Self::live(Term::stderr(), color, nodes, stages, &session.interrupt))
        } else {
            Kind::Lines(Lines::new(Box::new(io::stderr()), nodes, session.global.verbose))
        })
    }

    fn live(term: Term, color: bool, nodes: &[Booting], stages: &[&str], interrupt: &Interrupt) -> Live {
        Live::start(term, color, State::new(nodes, stages), interrupt.clone())
    }
}

impl Watcher for View {
    fn event(&self, event: &Event) {
        match &self.0 {
            Kind::Silent => {}
            Kind::Lines(lines) => lines.event(event),
            Kind::Live(live) => live.event(event),
        }
    }
}
