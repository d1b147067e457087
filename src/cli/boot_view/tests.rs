//! The view in a pseudo terminal of a given size: what is on the screen, what was written to it,
//! and what is left of it at the end.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kraken_flash::boot_check::{Check, Outcome, Stage};
use rustix::termios::{Winsize, tcsetwinsize};

use super::*;

const STAGES: [&str; 5] = ["kernel", "root", "cloud-init", "docker", "ready"];

fn nodes(count: u32) -> Vec<Booting> {
    let node = |number| Booting {
        number,
        hostname: format!("kraken-{number}"),
        role: if number == 1 { "manager" } else { "worker" }.into(),
    };
    (1..=count).map(node).collect()
}

fn check(name: &'static str, outcome: Outcome) -> Check {
    let failed = outcome == Outcome::Failed;
    Check {
        name,
        title: format!("{name} works"),
        outcome,
        expected: failed.then(|| "a shell within 120 s".into()),
        seen: "Permission denied\u{1b}[31m (publickey)\nand more".into(),
        cause: failed.then(|| "the key is another one".into()),
        began_ms: 40_000,
        ended_ms: 65_432,
    }
}

fn stage(node: u32, name: &str, at_ms: u64) -> Event {
    let stage = Stage {
        name: name.into(),
        at_ms,
    };
    Event::Stage { node, stage }
}

fn console(node: u32, line: &str) -> Event {
    Event::Console {
        node,
        line: line.into(),
    }
}

fn checked(node: Option<u32>, name: &'static str, outcome: Outcome) -> Event {
    Event::Checked {
        node,
        check: check(name, outcome),
    }
}

/// Node 1 is up, node 2 failed at its login, node 3 is still booting, further nodes wait.
fn recorded() -> Vec<Event> {
    let mut events: Vec<Event> = (1..=3).map(|node| Event::Started { node }).collect();
    events.extend(
        STAGES
            .iter()
            .zip([3_100, 8_000, 41_000, 70_000, 93_000])
            .map(|(name, at)| stage(1, name, at)),
    );
    events.extend([
        stage(2, "kernel", 3_300),
        stage(2, "root", 8_400),
        stage(2, "cloud-init", 40_000),
        stage(3, "kernel", 3_900),
    ]);
    events.extend([
        console(1, "kraken-1 login: "),
        console(
            2,
            "[  OK  ] Started \u{1b}[1mssh.service\u{1b}[0m - OpenBSD Secure Shell server.",
        ),
        console(
            3,
            "\u{1b}[2J\u{1b}]0;title\u{7}[    4.1] EXT4-fs (vda2): \u{202e}mounted\r",
        ),
        checked(Some(1), "ssh-login", Outcome::Passed),
        checked(Some(2), "ssh-login", Outcome::Failed),
        checked(None, "names", Outcome::Passed),
        Event::Doing {
            node: None,
            what: "looking at the swarm".into(),
        },
    ]);
    events
}

/// A terminal: its screen, and every byte that was written to it.
struct Screen {
    view: Option<View>,
    slave: OwnedFd,
    parser: Arc<Mutex<vt100::Parser>>,
    written: Arc<Mutex<Vec<u8>>>,
    interrupt: Interrupt,
}

impl Screen {
    fn new(rows: u16, columns: u16, nodes_shown: u32, color: bool) -> Self {
        let size = nix::pty::Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = nix::pty::openpty(Some(&size), None).unwrap();
        let parser = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let written = Arc::new(Mutex::new(Vec::new()));
        let (screen, all, mut master) = (Arc::clone(&parser), Arc::clone(&written), File::from(pty.master));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Ends with an error when the other side is closed.
            while let Ok(read @ 1..) = master.read(&mut buffer) {
                screen.lock().unwrap().process(&buffer[..read]);
                all.lock().unwrap().extend_from_slice(&buffer[..read]);
            }
        });
        let file = || File::from(pty.slave.try_clone().unwrap());
        file().write_all(b"before\r\n").unwrap();
        let (term, interrupt) = (Term::read_write_pair(file(), file()), Interrupt::new());
        let view = View(Kind::Live(View::live(
            term,
            color,
            &nodes(nodes_shown),
            &STAGES,
            &interrupt,
        )));
        Self {
            view: Some(view),
            slave: pty.slave,
            parser,
            written,
            interrupt,
        }
    }

    fn play(&self, events: &[Event]) {
        let view = self.view.as_ref().unwrap();
        events.iter().for_each(|event| view.event(event));
    }

    fn resize(&self, rows: u16, columns: u16) {
        self.parser.lock().unwrap().screen_mut().set_size(rows, columns);
        tcsetwinsize(
            &self.slave,
            Winsize {
                ws_row: rows,
                ws_col: columns,
                ws_xpixel: 0,
                ws_ypixel: 0,
            },
        )
        .unwrap();
    }

    fn text(&self) -> String {
        self.parser.lock().unwrap().screen().contents()
    }

    /// Returns the text of the screen as soon as it fits.
    fn when(&self, fits: impl Fn(&str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let text = self.text();
            if fits(&text) {
                return text;
            }
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "the screen did not become what it should:\n{text}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Replaces the seconds, which differ from run to run.
fn timeless(text: &str) -> String {
    let mut words: Vec<String> = text.split(' ').map(String::from).collect();
    for at in 1..words.len() {
        let number = words[at - 1].chars().all(|c| c.is_ascii_digit()) && !words[at - 1].is_empty();
        if number && words[at].trim_end_matches(|c: char| !c.is_ascii_alphabetic()) == "s" {
            words[at - 1] = "0".into();
        }
    }
    words.join(" ")
}

#[test]
fn every_node_has_a_row_that_fits_the_terminal() {
    for (name, rows, columns, count) in [
        ("wide", 12, 140, 4),
        ("middle", 12, 80, 4),
        ("narrow", 12, 40, 4),
        ("low", 6, 80, 12),
    ] {
        let screen = Screen::new(rows, columns, count, false);
        screen.play(&recorded());
        let text = timeless(&screen.when(|text| text.contains("✓ names  loo")));
        let got = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n") + "\n";
        testkit::golden::golden(&format!("tests/golden/boot-report/live-{name}.txt"), &got);
    }
}

#[test]
fn no_row_is_wider_than_any_terminal_and_no_frame_higher() {
    for count in [1, 4, 40] {
        let mut state = State::new(&nodes(count), &STAGES);
        recorded().iter().for_each(|event| state.take(event, 5_000));
        state.take(&console(1, &"日本".repeat(200)), 6_000);
        for (width, height) in (0..160).flat_map(|width| [(width, 0), (width, 1), (width, 2), (width, 3), (width, 24)])
        {
            let rows = frame::frame(&state, 7_000, width, height);
            assert!(
                rows.len() <= height.saturating_sub(1),
                "{} rows of {height}",
                rows.len()
            );
            for row in rows {
                let (plain, colored) = (row.show(width, false), row.show(width, true));
                assert!(console::measure_text_width(&plain) <= width, "{plain:?} in {width}");
                assert_eq!(console::strip_ansi_codes(&colored).trim_end(), plain, "{width}");
            }
        }
    }
}

#[test]
fn consoles_cannot_write_to_the_terminal() {
    for color in [false, true] {
        let screen = Screen::new(12, 140, 4, color);
        screen.play(&recorded());
        screen.when(|text| text.contains("EXT4-fs (vda2)"));
        let so_far = || String::from_utf8(screen.written.lock().unwrap().clone()).unwrap();
        // The failed check may come in a later frame than the last line of the console.
        let end = Instant::now() + Duration::from_secs(10);
        while color && !so_far().contains("\u{1b}[31m") && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        let written = so_far();
        assert!(
            !written.contains('\u{202e}') && !written.contains("title"),
            "{written:?}"
        );
        for sequence in written.split('\u{1b}').skip(1) {
            let end = sequence.find(|c: char| c.is_ascii_alphabetic()).unwrap();
            let wanted = matches!((&sequence[..1], &sequence[end..=end]), ("[", "A" | "J" | "K" | "m"));
            assert!(wanted && sequence != "[2J", "{sequence:?} was written");
            assert!(color || !sequence[end..].starts_with('m'), "{sequence:?} is a colour");
        }
        assert_eq!(
            written.contains("\u{1b}[31m"),
            color,
            "what failed is red where colours are wanted, and only there"
        );
    }
}

#[test]
fn the_end_leaves_what_stood_there_before_and_nothing_else() {
    let mut screen = Screen::new(12, 80, 4, true);
    screen.play(&recorded());
    screen.when(|text| text.contains("kraken-4"));
    drop(screen.view.take());
    screen.when(|text| text.trim_end() == "before");
    let parser = screen.parser.lock().unwrap();
    assert_eq!(parser.screen().cursor_position(), (1, 0));
    assert!(!parser.screen().hide_cursor());
}

#[test]
fn an_interrupt_is_shown_while_the_work_stops() {
    let screen = Screen::new(12, 80, 4, false);
    screen.play(&recorded());
    screen.interrupt.set();
    screen.when(|text| text.contains("interrupted: stopping"));
}

#[test]
fn another_size_of_the_window_gives_the_same_rows_once() {
    let screen = Screen::new(14, 120, 4, false);
    screen.play(&recorded());
    screen.when(|text| text.contains("✓ kernel"));
    for (rows, columns, sign) in [(14, 50, "✓✓··"), (5, 50, "… and"), (14, 100, "worker")] {
        screen.resize(rows, columns);
        let text = screen.when(|text| text.contains(sign) && text.matches("kraken-3  ").count() == 1);
        assert_eq!(text.matches("of 4 up").count(), 1, "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() < usize::from(columns)),
            "{text}"
        );
    }
}

#[test]
fn many_lines_a_second_are_drawn_a_few_times_a_second() {
    let screen = Screen::new(24, 100, 20, false);
    let began = Instant::now();
    let view = screen.view.as_ref().unwrap();
    std::thread::scope(|scope| {
        for node in 1..=4 {
            scope.spawn(move || {
                (0..20_000).for_each(|line| view.event(&console(node, &format!("line {line} {}", "x".repeat(300)))))
            });
        }
    });
    screen.when(|text| text.matches("line 19999").count() == 4);
    let frames = screen
        .written
        .lock()
        .unwrap()
        .windows(7)
        .filter(|bytes| bytes.starts_with(b"cluster"))
        .count();
    let most = began.elapsed().as_millis() / 100 + 2;
    assert!(frames as u128 <= most, "{frames} frames in {:?}", began.elapsed());
}

#[test]
fn without_a_terminal_stages_and_checks_are_lines() {
    for (verbose, golden) in [
        (
            false,
            "[    3.1 s] kraken-1  kernel\n[   65.4 s] kraken-1  ok sudo\n\
             [   65.4 s] kraken-2  FAILED ssh-login: ssh-login works; expected: a shell within 120 s; seen: Permission denied (publickey); cause: the key is another one\n\
             [   65.4 s] kraken-2  not reached: docker\n[   65.4 s] cluster   ok names\n",
        ),
        (
            true,
            "[    3.1 s] kraken-1  kernel\n[    0.0 s] kraken-1  | [ OK ] up\n[   65.4 s] kraken-1  ok sudo\n\
             [   65.4 s] kraken-2  FAILED ssh-login: ssh-login works; expected: a shell within 120 s; seen: Permission denied (publickey); cause: the key is another one\n\
             [   65.4 s] kraken-2  not reached: docker\n[   65.4 s] kraken-2  does not apply: swarm\n[   65.4 s] cluster   ok names\n",
        ),
    ] {
        let out = Written::default();
        let view = View(Kind::Lines(Lines::new(Box::new(out.clone()), &nodes(2), verbose)));
        for event in [
            stage(1, "kernel", 3_100),
            console(1, "[ \u{1b}[32mOK\u{1b}[0m ] up\r"),
            checked(Some(1), "sudo", Outcome::Passed),
            checked(Some(2), "ssh-login", Outcome::Failed),
            checked(Some(2), "docker", Outcome::NotReached),
            checked(Some(2), "swarm", Outcome::NotApplicable),
            checked(None, "names", Outcome::Passed),
        ] {
            view.event(&event);
        }
        let got = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        // An event without a time of its own has the age of the view, which is less than a second.
        assert_eq!(got.replace("[    0.1 s]", "[    0.0 s]"), golden);
    }
}

#[test]
fn quiet_says_nothing() {
    let session = Session::silent();
    assert!(matches!(View::new(&session, &nodes(1), &STAGES).0, Kind::Silent));
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
