//! Tests with messages of a card's dockerd and its loader.

use super::*;
use kraken_disk::{FileTree, MemoryTree};

fn end(code: i32, said: &str) -> End {
    End {
        code: Some(code),
        said: said.to_owned(),
    }
}

#[test]
fn only_a_word_about_the_options_makes_them_wrong() {
    let file = Path::new("/tmp/x/daemon.json");
    assert_eq!(judge(&end(0, "configuration OK\n"), file), Answer::Right);
    // A message of dockerd 26.1.5.
    let said = "unable to configure the Docker daemon with file /tmp/x/daemon.json: the following directives don't match any configuration option: log-levle\n";
    let Answer::Wrong(words) = judge(&end(1, said), file) else {
        panic!("{said}")
    };
    assert!(
        words.contains("with file /etc/docker/daemon.json") && words.contains("log-levle"),
        "{words}"
    );
    // A message of dockerd 20.10.24.
    let old = judge(
        &end(
            1,
            "Status: unknown flag: --validate\nSee 'dockerd --help'., Code: 125\n",
        ),
        file,
    );
    assert!(matches!(old, Answer::NotAsked(_)), "{old:?}");
    for other in ["", "qemu: uncaught target signal 11\n", "runtime: out of memory\n"] {
        let answer = judge(&end(139, other), file);
        assert!(matches!(answer, Answer::NotAsked(_)), "{other}: {answer:?}");
    }
}

#[test]
fn the_loader_names_one_missing_library_at_a_time() {
    let said = "/x/dockerd: error while loading shared libraries: libsystemd.so.0: cannot open shared object file: No such file or directory\n";
    assert_eq!(missing(said), Some("libsystemd.so.0"));
    assert_eq!(
        missing("\tlibc.so.6 => /x/lib/libc.so.6 (0x0000007fe2826d0000)\n"),
        None
    );
}

#[test]
fn who_takes_too_much_or_too_little_is_ended_in_order() {
    let mut command = tool("sh");
    command.args(["-c", "head -c 300000 /dev/zero >&2; exit 7"]);
    let end = run(command).unwrap();
    assert_eq!((end.code, end.said.len()), (Some(7), 64 << 10));
    assert!(run(tool("/nowhere/at/all")).is_err());
}

/// Returns a tree with a program of this machine in place of dockerd.
fn with(program: &str, options: &str) -> (MemoryTree, &'static Runner) {
    let runner = RUNNERS
        .iter()
        .find(|runner| runner.native == std::env::consts::ARCH)
        .expect("a machine that has a runner");
    let real = |path: &str| fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut tree = MemoryTree::new();
    let library = format!("{}/libc.so.6", runner.libraries);
    tree.file("/usr/sbin/dockerd", real(program))
        .file(runner.loader, real(runner.loader))
        .file(&library, real(&library))
        .file("/etc/docker/daemon.json", options.as_bytes().to_vec());
    (tree, runner)
}

fn report(tree: &MemoryTree, runner: &Runner, trusted: bool) -> crate::ImageReport {
    let mut report = crate::ImageReport::default();
    let target = DaemonTarget {
        root: tree,
        architecture: runner.architecture,
        swarm: true,
        trusted,
    };
    super::super::verify(&target, &mut report);
    report
}

#[test]
fn the_program_of_the_image_is_run_with_its_own_libraries_and_the_units_arguments() {
    // This program accepts all arguments.
    let (tree, runner) = with("/usr/bin/true", "{\"debug\": true}");
    let found = report(&tree, runner, true);
    assert!(found.is_good() && found.notes.is_empty(), "{found:?}");
    assert_eq!(found.checks, ["docker"]);

    // This program rejects `-H` with the message of a program that does not know the option.
    let (tree, runner) = with("/usr/bin/env", "{\"debug\": true}");
    let found = report(&tree, runner, true);
    let said = &found.findings[0].message;
    assert!(
        said.contains("the card's own dockerd refuses it") && said.contains("'H'"),
        "{found:?}"
    );

    // A unit without arguments, and a drop-in with others: `env` does not know `--validate` either.
    let (mut tree, runner) = with("/usr/bin/env", "{\"debug\": false}");
    tree.file(
        "/usr/lib/systemd/system/docker.service",
        b"[Service]\nExecStart=/usr/sbin/dockerd -H fd://\n".to_vec(),
    )
    .file(
        "/etc/systemd/system/docker.service.d/own.conf",
        b"[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd --ignore-environment $DOCKER_OPTS\n".to_vec(),
    );
    assert_eq!(unit::arguments(&tree), ["--ignore-environment"]);
    let found = report(&tree, runner, true);
    assert!(found.is_good() && found.notes[0].contains("--validate"), "{found:?}");
}

#[test]
fn what_cannot_be_asked_is_said_and_the_tables_speak() {
    let (mut tree, runner) = with("/usr/bin/true", "{\"log-levle\": \"warn\"}");
    let found = report(&tree, runner, false);
    assert!(
        found.findings[0].message.contains("did you mean `log-level`?"),
        "{found:?}"
    );
    assert_eq!(found.findings[0].place, "root:/etc/docker/daemon.json");
    assert!(found.notes[0].contains("kraken.lock"), "{found:?}");

    tree.file("/etc/docker/daemon.json", b"[]".to_vec());
    assert!(
        report(&tree, runner, true).findings[0]
            .message
            .contains("not a JSON object")
    );

    let (tree, runner) = with("/usr/bin/true", "{\"mtu\": 1400}");
    let mut without = MemoryTree::new();
    without.file(
        "/usr/sbin/dockerd",
        tree.read("/usr/sbin/dockerd", LARGEST).unwrap().unwrap(),
    );
    let found = report(&without, runner, true);
    assert!(found.is_good() && found.notes[0].contains(runner.loader), "{found:?}");
    // The check does not apply to an image without Docker.
    assert!(report(&MemoryTree::new(), runner, true).checks.is_empty());
}
