//! Tests of the check `time-limits` with the properties and messages of systemd.

use super::super::tests::cluster;
use super::*;

/// The units of a good node whose packages took 204 s to configure, as systemd 257 prints them,
/// shortened to the properties that count.
const UNITS: &[&str] = &[
    "Id=docker.service\nLoadState=loaded\nActiveState=active\nSubState=running\nType=notify\nTimeoutStartUSec=1min 30s\nNeedDaemonReload=no\n\
     InactiveExitTimestampMonotonic=300000000\nExecMainStartTimestampMonotonic=300100000\nActiveEnterTimestampMonotonic=324100000\n\
     ExecStart={ path=/usr/sbin/dockerd ; argv[]=/usr/sbin/dockerd -H fd:// ; ignore_errors=no ; pid=900 ; code=(null) ; status=0/0 }",
    "Id=kraken-configure.service\nLoadState=loaded\nActiveState=inactive\nSubState=dead\nType=oneshot\nTimeoutStartUSec=infinity\nNeedDaemonReload=no\n\
     InactiveExitTimestampMonotonic=90000000\nExecMainStartTimestampMonotonic=90000000\nExecMainExitTimestampMonotonic=294000000\nActiveEnterTimestampMonotonic=0",
    "Id=boot-firmware.mount\nLoadState=loaded\nActiveState=active\nSubState=mounted\nTimeoutUSec=1min 30s\n\
     InactiveExitTimestampMonotonic=20000000\nActiveEnterTimestampMonotonic=21000000",
    "Id=dev-disk-by\\x2dpartuuid-a1b2c3d4\\x2d01.device\nLoadState=loaded\nActiveState=active\nSubState=plugged\nJobRunningTimeoutUSec=1min 30s\n\
     BoundBy=boot-firmware.mount\nRequiredBy=boot-firmware.mount\nInactiveExitTimestampMonotonic=19000000\nActiveEnterTimestampMonotonic=19000000",
];

const STARTS: &[(&str, &str, &str)] = &[
    (
        STARTING,
        "kraken-configure.service",
        "Starting kraken-configure.service - Configure the packages that were baked into this image...",
    ),
    (
        "",
        "",
        "Reload requested from client PID 1200 ('systemctl') (unit kraken-configure.service)...",
    ),
    (
        STARTED,
        "kraken-configure.service",
        "Finished kraken-configure.service - Configure the packages that were baked into this image.",
    ),
    (
        STARTING,
        "docker.service",
        "Starting docker.service - Docker Application Container Engine...",
    ),
    (
        STARTED,
        "docker.service",
        "Started docker.service - Docker Application Container Engine.",
    ),
];

/// The parts of a probe of a good node.
pub(in super::super) fn good() -> Vec<(&'static str, String)> {
    probe(
        &UNITS.join("\n\n"),
        STARTS,
        "[Manager]\n#DefaultTimeoutStartSec=90s\n",
        "root=x rootwait",
    )
}

fn probe(units: &str, starts: &[(&str, &str, &str)], conf: &str, line: &str) -> Vec<(&'static str, String)> {
    let entry = |(id, unit, message): &(&str, &str, &str)| {
        serde_json::json!({"__MONOTONIC_TIMESTAMP": "1", "MESSAGE_ID": id, "UNIT": unit, "MESSAGE": message})
            .to_string()
    };
    vec![
        ("limits-manager", "UserspaceTimestampMonotonic=9000000".to_owned()),
        ("limits-conf", conf.to_owned()),
        ("limits-line", line.to_owned()),
        ("limits-units", units.to_owned()),
        (
            "limits-journal",
            starts.iter().map(entry).collect::<Vec<_>>().join("\n"),
        ),
    ]
}

/// Judges a probe of a guest that is `slowness` times slower than its card.
fn judge(probe: &[(&'static str, String)], slowness: f64) -> Verdict {
    let text = probe.iter().fold(String::new(), |text, (name, content)| {
        format!("{text}\n@@ {name}\n{content}\n\n@@= 0\n")
    });
    let cluster = cluster();
    let view = NodeView {
        cluster: &cluster,
        node: &cluster.nodes[2],
        mac: "",
        managers_are_there: true,
        limits: Limits::of(slowness),
    };
    time_limits(&ProbeOutput::parse(&text), &view)
}

/// Returns the units with some of their text replaced.
fn units(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(UNITS.join("\n\n"), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

fn of_units(changes: &[(&str, &str)], slowness: f64) -> Verdict {
    judge(&probe(&units(changes), STARTS, "", ""), slowness)
}

fn assert_bad(verdict: &Verdict, words: &[&str], cause: &str) {
    let Verdict::Bad { seen, cause: why, .. } = verdict else {
        panic!("not bad: {verdict:?}")
    };
    for word in words {
        assert!(seen.contains(word), "{word}: {seen}");
    }
    assert!(why.as_deref().unwrap_or_default().contains(cause), "{cause}: {why:?}");
}

fn assert_good(verdict: &Verdict, words: &str) {
    let Verdict::Good(seen) = verdict else {
        panic!("not good: {verdict:?}")
    };
    assert!(seen.contains(words), "{seen}");
}

#[test]
fn a_right_node_keeps_its_limits() {
    assert_good(
        &judge(&good(), 1.0),
        "with the card's own limits; longest for its limit: docker.service: 24.0 s of 90 s",
    );
}

#[test]
fn a_unit_whose_file_goes_while_it_starts_is_wrong_however_quick_it_was() {
    let ends = [
        (STARTED, "Finished kraken-configure.service."),
        (FAILED, "Failed to start kraken-configure.service."),
    ];
    for (id, message) in ends {
        let mut starts = STARTS.to_vec();
        starts[2] = (id, "kraken-configure.service", message);
        // systemd has forgotten the unit completely.
        let rest = [UNITS[0], UNITS[2], UNITS[3]].join("\n\n");
        for slowness in [1.0, 5.0] {
            let verdict = judge(&probe(&rest, &starts, "", ""), slowness);
            assert_bad(
                &verdict,
                &[
                    "kraken-configure.service",
                    "its file was removed",
                    "Configure the packages",
                ],
                "removed",
            );
        }
    }
}

#[test]
fn a_unit_that_runs_without_its_file_is_wrong() {
    for changes in [
        [(
            "Id=docker.service\nLoadState=loaded",
            "Id=docker.service\nLoadState=not-found",
        )],
        [(
            "ActiveState=active\nSubState=running\nType=notify\nTimeoutStartUSec=1min 30s\nNeedDaemonReload=no",
            "ActiveState=activating\nSubState=start\nType=notify\nTimeoutStartUSec=1min 30s\nNeedDaemonReload=yes",
        )],
    ] {
        assert_bad(&of_units(&changes, 1.0), &["docker.service", "file"], "removed");
    }
    // A unit that has ended may be removed, and the file of a running unit may change.
    assert_good(
        &of_units(
            &[(
                "Id=kraken-configure.service\nLoadState=loaded",
                "Id=kraken-configure.service\nLoadState=not-found",
            )],
            1.0,
        ),
        "",
    );
    assert_good(&of_units(&[("NeedDaemonReload=no", "NeedDaemonReload=yes")], 1.0), "");
}

#[test]
fn a_unit_that_systemd_ended_at_its_limit_is_wrong() {
    let mut starts = STARTS.to_vec();
    starts.push((
        "",
        "docker.service",
        "docker.service: start operation timed out. Terminating.",
    ));
    let killed = |changes: &[(&str, &str)], slowness| judge(&probe(&units(changes), &starts, "", ""), slowness);
    assert_bad(
        &killed(&[], 1.0),
        &["docker.service: start operation timed out"],
        "TimeoutStartSec",
    );
    let failed = [(
        "ActiveState=active\nSubState=running",
        "ActiveState=failed\nSubState=failed",
    )];
    assert_bad(
        &killed(&failed, 4.0),
        &["docker.service: start operation timed out"],
        "TimeoutStartSec",
    );
    // The unit was late because the emulator is slow, and it is up now.
    assert_good(&killed(&[], 4.0), "divided by 4.0");
    for message in [
        "x.mount: Mounting timed out. Terminating.",
        "dev-x.device: Job dev-x.device/start timed out.",
    ] {
        let starts = [STARTS, &[("", "x", message)]].concat();
        assert_bad(&judge(&probe(&units(&[]), &starts, "", ""), 1.0), &[message], "");
    }
}

#[test]
fn a_slow_guest_is_judged_by_the_limits_of_its_card() {
    // 24 s of 90 s on a guest with limits of 907 s that is three times slower.
    let up_at = |micros: &'static str| {
        [
            ("TimeoutStartUSec=1min 30s", "TimeoutStartUSec=15min 7s"),
            ("TimeoutUSec=1min 30s", "TimeoutUSec=15min 7s"),
            ("ActiveEnterTimestampMonotonic=324100000", micros),
        ]
    };
    assert_good(
        &of_units(&up_at("ActiveEnterTimestampMonotonic=569100000"), 3.0),
        "docker.service: 269.0 s of 90 s",
    );
    let late = of_units(&up_at("ActiveEnterTimestampMonotonic=571100000"), 3.0);
    assert_bad(
        &late,
        &["divided by 3.0", "docker.service: 271.0 s of 90 s"],
        "a card systemd would kill",
    );
    // The unit has a limit of its own.
    let own = [
        ("TimeoutStartUSec=1min 30s", "TimeoutStartUSec=5s"),
        (
            "ActiveEnterTimestampMonotonic=324100000",
            "ActiveEnterTimestampMonotonic=316100000",
        ),
    ];
    assert_bad(&of_units(&own, 3.0), &["16.0 s of 5 s"], "");
    assert_good(&of_units(&own, 3.5), "16.0 s of 5 s");
}

#[test]
fn the_card_says_what_its_default_is() {
    let slow = [
        ("TimeoutStartUSec=1min 30s", "TimeoutStartUSec=15min 7s"),
        (
            "ActiveEnterTimestampMonotonic=324100000",
            "ActiveEnterTimestampMonotonic=700100000",
        ),
    ];
    let with = |conf: &str, line: &str| judge(&probe(&units(&slow), STARTS, conf, line), 3.0);
    assert_bad(&with("[Manager]\n", ""), &["400.0 s of 90 s"], "");
    let twice = "[Manager]\nDefaultTimeoutStartSec=10s\n# over it\n[Manager]\nDefaultTimeoutStartSec = 2min 30s\n";
    assert_good(&with(twice, ""), "400.0 s of 150 s");
    let line = "systemd.default_timeout_start_sec=140 systemd.default_timeout_start_sec=907";
    assert_good(&with("", line), "400.0 s of 140 s");
    assert_bad(
        &with("", "systemd.default_timeout_start_sec=907"),
        &["400.0 s of 90 s"],
        "",
    );
    // There is nothing to check without a limit.
    assert_good(
        &with("DefaultTimeoutStartSec=infinity\n", ""),
        "longest for its limit: dev-disk",
    );
}

#[test]
fn a_device_that_a_mount_waits_for_has_a_limit() {
    let late = (
        "ActiveEnterTimestampMonotonic=19000000",
        "ActiveEnterTimestampMonotonic=100000000",
    );
    assert_bad(&of_units(&[late], 1.0), &["a1b2c3d4", "91.0 s of 90 s"], "");
    let unused = [
        late,
        (
            "BoundBy=boot-firmware.mount\nRequiredBy=boot-firmware.mount",
            "BoundBy=\nRequiredBy=",
        ),
    ];
    assert_good(&of_units(&unused, 1.0), "docker.service");
}

#[test]
fn each_command_of_a_unit_has_the_limit_for_itself() {
    let before = "InactiveExitTimestampMonotonic=300000000\nExecMainStartTimestampMonotonic=300100000";
    let late = "InactiveExitTimestampMonotonic=200000000\nExecMainStartTimestampMonotonic=300100000";
    assert_bad(&of_units(&[(before, late)], 1.0), &["100.1 s of 90 s"], "");
    let two = format!(
        "{late}\nExecStartPre={{ path=/bin/a ; argv[]=/bin/a }}\nExecStartPre={{ path=/bin/b ; argv[]=/bin/b }}"
    );
    assert_good(&of_units(&[(before, &two)], 1.0), "100.1 s of 180 s");
}

#[test]
fn what_shows_nothing_proves_nothing() {
    for empty in 0..5 {
        let mut probe = good();
        probe.remove(empty);
        assert!(matches!(judge(&probe, 1.0), Verdict::NotYet { .. }), "part {empty}");
    }
    for part in [3, 4] {
        let mut probe = good();
        probe[part].1 = String::new();
        assert!(matches!(judge(&probe, 1.0), Verdict::NotYet { .. }), "part {part}");
    }
    let mut probe = good();
    probe[4].1 = "no JSON\n{\"MESSAGE\":[1,2]}\n{\"UNIT\":7}\n[]".to_owned();
    assert!(matches!(judge(&probe, 1.0), Verdict::Good(_)));
}

#[test]
fn time_spans_are_read_as_systemd_writes_them() {
    for (text, seconds) in [
        ("1min 30s", Some(90.0)),
        ("90", Some(90.0)),
        ("15min 7s", Some(907.0)),
        ("2.5s", Some(2.5)),
        ("500ms", Some(0.5)),
        ("1h 2min", Some(3720.0)),
        ("infinity", None),
        ("", None),
        ("s", None),
        ("-3s", None),
        ("99999999999999999999999y", None),
    ] {
        assert_eq!(span(text).map(|span| span.as_secs_f64()), seconds, "{text:?}");
    }
}

/// The output of a QEMU guest, twice as slow as a card, whose packages took 190 s to configure with
/// the script of version 0.1.0. The script removed its unit's file and made systemd read its units
/// again before it started Docker. The output is shortened to what is judged.
const RECORDED: &str = include_str!("limits_probe.txt");

fn judge_recorded(text: &str) -> Verdict {
    let cluster = cluster();
    let view = NodeView {
        cluster: &cluster,
        node: &cluster.nodes[0],
        mac: "",
        managers_are_there: true,
        limits: Limits::of(2.0),
    };
    time_limits(&ProbeOutput::parse(text), &view)
}

#[test]
fn a_script_that_removed_its_own_unit_is_found_though_the_emulator_let_it_end() {
    let verdict = judge_recorded(RECORDED);
    assert_bad(
        &verdict,
        &["kraken-configure.service: its file was removed while it started"],
        "removed",
    );
    let Verdict::Bad { seen, .. } = verdict else {
        unreachable!()
    };
    assert_eq!(seen.lines().count(), 2, "nothing else is wrong: {seen}");
    // The same node if its unit had kept its file.
    let kept = RECORDED.replace(
        "Started kraken-configure.service.",
        "Finished kraken-configure.service - Configure the packages that were baked into this image.",
    );
    assert_ne!(kept, RECORDED);
    assert_good(
        &judge_recorded(&kept),
        "by the guest's times, divided by 2.0; longest for its limit: containerd.service: 22.8 s of 90 s",
    );
}
