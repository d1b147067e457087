//! The command line: arguments, progress, tables, exit codes; one file per command.
//!
//! Data goes to stdout, progress and messages to stderr. Nothing here is logic that a user of the
//! library would need.

mod arguments;
mod as_root;
mod boot_args;
mod boot_images;
mod boot_logins;
mod boot_view;
mod build;
mod card;
mod card_args;
mod card_shown;
mod cards;
mod cards_wait;
mod completions;
mod devices;
mod failure;
mod fetch;
mod flash;
mod flash_image;
mod global;
mod golden;
mod init;
mod inspect;
mod keyboard;
mod keys;
mod known;
mod lived;
mod load;
mod man;
mod missing;
mod owner;
mod packages;
mod plan;
mod progress;
mod rejoin;
mod schema;
mod session;
mod tables;
mod text;
mod token;
mod verify;
mod verify_boot;
mod verify_card;
mod verify_path;

use std::io::{self, Write};
use std::process::ExitCode;

use kraken_foundation::interrupt::Interrupt;

use arguments::Command;
use failure::Failure;
use missing::Missing;
use session::{Session, say};

/// Parses the arguments, runs the command, prints its errors, and returns the exit code.
pub(crate) fn run() -> ExitCode {
    let cli = match arguments::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(misfit) => return misfit.report(),
    };
    let color = cli.global.color;
    color.apply();
    let interrupt = Interrupt::new();
    catch_signals(&interrupt);
    let output = match &cli.command {
        Some(Command::Build(args)) => Some(args.output()),
        _ => None,
    };
    let session = Session {
        progress: progress::choose(cli.global.quiet, cli.global.verbose),
        global: cli.global,
        interrupt,
        missing: Missing::find(output),
    };
    let mut out = io::stdout().lock();
    let result = match &cli.command {
        None => flash::run(&session, &cli.flash, &mut out),
        Some(command) => run_command(&session, command, &mut out),
    };
    owner::give_back(&session, output);
    match result.and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(color.on_stderr()),
    }
}

fn run_command(session: &Session, command: &Command, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        Command::Init(args) => init::run(session, args),
        Command::Plan(args) => plan::run(session, args, out),
        Command::Build(args) => build::run(session, args, out),
        Command::Fetch(args) => fetch::run(session, args, out),
        Command::Verify(args) => verify::run(session, args, out),
        Command::Cards(args) => cards::run(session, args, out),
        Command::FlashImage(args) => flash_image::run(session, args, out),
        Command::Token(args) => token::run(session, args, out),
        Command::Devices(args) => devices::run(session, args, out),
        Command::Inspect(args) => inspect::run(session, args, out),
        Command::Schema => schema::run(out),
        Command::Completions(args) => completions::run(args, arguments::definition(), out),
        Command::Man(args) => man::run(args, arguments::definition(), out),
    }
}

/// The first SIGINT, SIGTERM or SIGHUP asks the work to stop and clean up; a second one ends the
/// program at once.
fn catch_signals(interrupt: &Interrupt) {
    use signal_hook::{consts, flag};
    for (signal, code) in [(consts::SIGINT, 130), (consts::SIGTERM, 143), (consts::SIGHUP, 129)] {
        // The order matters: only a flag that was set before this signal arms the shutdown.
        let caught = flag::register_conditional_shutdown(signal, code, interrupt.flag())
            .and_then(|_| flag::register(signal, interrupt.flag()));
        if let Err(error) = caught {
            let _ = writeln!(
                io::stderr(),
                "warning: signals cannot be caught ({error}): Ctrl-C may leave unfinished files behind"
            );
        }
    }
}
