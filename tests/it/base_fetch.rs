//! Bases from the network: what is resumed, retried, refused, and what remains. All servers are on
//! loopback.

use std::time::{Duration, Instant};

use crate::base_support::{Desk, Fault, Server, assert_is, disk_image, hex_sha256, image, pack, sha256};
use kraken_foundation::{Kind, Sha256Hash};
use kraken_spec::BaseRef;

const SIZE: usize = 3 << 20;

/// A name, the page's ETag, the faults, and the ranges that the program then requests.
type PassingFault<'a> = (&'a str, Option<&'a str>, &'a [Fault], &'a [&'a str]);

/// A workspace, a server, a raw image and the same image in gzip.
fn set_up() -> (Desk, Server, Vec<u8>, Vec<u8>) {
    let desk = Desk::new();
    let raw = disk_image(SIZE);
    let path = desk.write("disk.img", &raw);
    let packed = pack(&path, "gzip -1 -n -c FILE");
    (desk, Server::start(), raw, packed)
}

#[test]
fn a_download_is_checked_unpacked_cached_and_not_requested_again() {
    let (desk, server, raw, packed) = set_up();
    let url = server.put("/a/disk.img.gz?token=s3cret", &packed, Some("v1"), &[]);
    let first = desk.obtain(BaseRef::Url(url.clone())).expect("base");
    assert_is(&first, &raw);
    assert_eq!(first.download_sha256, Some(sha256(&packed)));
    assert_eq!(first.origin, format!("{}/a/disk.img.gz", server.address));
    let again = desk.obtain(BaseRef::Url(url)).expect("base, from the cache");
    assert_eq!(again, first);
    assert_eq!(server.log().len(), 1);
}

#[test]
fn a_raw_image_needs_no_unpacking() {
    let (desk, server, raw, _) = set_up();
    let url = server.put("/disk.img", &raw, None, &[]);
    let base = desk.obtain(BaseRef::Url(url.clone())).expect("base");
    assert_is(&base, &raw);
    assert_eq!(base.download_sha256, None);
    assert_eq!(desk.cached("downloads"), Vec::<String>::new());
    desk.obtain(BaseRef::Url(url)).expect("base, from the cache");
    assert_eq!(server.log().len(), 1);
}

#[test]
fn faults_that_pass_are_got_over() {
    use Fault::{Drop, Hang, NoLength, NoRange, Redirect, Status, Trickle};
    let cases: &[PassingFault] = &[
        (
            "dropped",
            Some("v1"),
            &[Drop(100_000), Drop(200_000)],
            &["", "bytes=100000-", "bytes=300000-"],
        ),
        ("dropped, no validator", None, &[Drop(100_000)], &["", ""]),
        (
            "dropped, range ignored",
            Some("v1"),
            &[Drop(100_000), NoRange],
            &["", "bytes=100000-"],
        ),
        ("hanging", Some("v1"), &[Hang(50_000)], &["", "bytes=50000-"]),
        ("slow but alive", Some("v1"), &[Trickle(100_000, 100)], &[""]),
        ("busy", Some("v1"), &[Status(500), Status(503)], &["", "", ""]),
        ("without a length", Some("v1"), &[NoLength], &[""]),
        ("redirected", Some("v1"), &[Redirect("/disk.img.gz".into())], &["", ""]),
    ];
    for (name, etag, faults, ranges) in cases {
        let (desk, server, raw, packed) = set_up();
        let url = server.put("/disk.img.gz", &packed, *etag, faults);
        let base = desk
            .obtain(BaseRef::Url(url))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_is(&base, &raw);
        let want: Vec<String> = ranges
            .iter()
            .map(|range| format!("/disk.img.gz {range}").trim().to_owned())
            .collect();
        assert_eq!(server.log(), want, "{name}");
    }
}

#[test]
fn lasting_faults_are_reported_and_leave_no_file_under_its_final_name() {
    use Fault::{Drop, Hang, Redirect, Status};
    let loops: Vec<Fault> = (0..30).map(|_| Redirect("/disk.img.gz".into())).collect();
    let cases: &[(&str, &[Fault], &str, usize)] = &[
        ("missing", &[Status(404)], "404 (not found)", 1),
        ("forbidden", &[Status(403)], "403 (forbidden)", 1),
        (
            "always busy",
            &[Status(503), Status(503), Status(503)],
            "503 (not now)",
            3,
        ),
        (
            "always dropping at once",
            &[Drop(0), Drop(0), Drop(0)],
            "(attempt 3)",
            3,
        ),
        (
            "always hanging",
            &[Hang(0), Hang(0), Hang(0)],
            "nothing arrived for too long",
            3,
        ),
        ("redirect loop", &loops, "a loop", 9),
        (
            "redirect to a file",
            &[Redirect("file:///etc/passwd".into())],
            "404 (not found)",
            2,
        ),
    ];
    for (name, faults, words, requests) in cases {
        let (desk, server, _, packed) = set_up();
        let url = server.put("/disk.img.gz", &packed, Some("v1"), faults);
        let error = desk.obtain(BaseRef::Url(url)).expect_err(name).to_string();
        assert!(error.contains(words), "{name}: {error}");
        desk.assert_nothing_finished();
        assert_eq!(server.log().len(), *requests, "{name}");
    }
}

#[test]
fn an_endless_body_is_cut_off() {
    let (mut desk, server, _, packed) = set_up();
    desk.options.most = 4 << 20;
    let url = server.put("/disk.img.gz", &packed, None, &[Fault::Endless]);
    let error = desk.obtain(BaseRef::Url(url)).expect_err("endless");
    assert!(error.to_string().contains("more than 4194304 bytes"), "{error}");
    assert_eq!(desk.cached("downloads"), Vec::<String>::new());
}

#[test]
fn a_file_that_changed_between_two_runs_is_fetched_from_its_start() {
    let (mut desk, server, raw, packed) = set_up();
    desk.options.attempts = 1;
    let old = vec![1; packed.len()];
    let url = server.put("/disk.img.gz", &old, Some("v1"), &[Fault::Drop(100_000)]);
    desk.obtain(BaseRef::Url(url.clone())).expect_err("dropped");
    assert_eq!(desk.cached("downloads").len(), 2, "a part and its note");
    server.put("/disk.img.gz", &packed, Some("v2"), &[]);
    let base = desk.obtain(BaseRef::Url(url)).expect("base");
    assert_is(&base, &raw);
    assert_eq!(server.log()[1], "/disk.img.gz bytes=100000-");
}

#[test]
fn an_interrupted_run_leaves_a_part_that_the_next_resumes() {
    let (mut desk, server, raw, packed) = set_up();
    desk.options.stall = Duration::from_secs(30);
    let url = server.put("/disk.img.gz", &packed, Some("v1"), &[Fault::Hang(500_000)]);
    let began = Instant::now();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| desk.obtain(BaseRef::Url(url.clone())));
        std::thread::sleep(Duration::from_millis(500));
        desk.interrupt.set();
        let error = run.join().expect("thread").expect_err("interrupted");
        assert!(error.is_interrupted(), "{error}");
    });
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "it must not wait for the network"
    );
    desk.assert_nothing_finished();
    desk.interrupt = kraken_foundation::interrupt::Interrupt::new();
    assert_is(&desk.obtain(BaseRef::Url(url)).expect("base"), &raw);
    assert_eq!(server.log()[1], "/disk.img.gz bytes=500000-");
}

#[test]
fn sha256_may_be_that_of_the_download_or_of_the_raw_image_and_nothing_else() {
    let (_, server, raw, packed) = set_up();
    let url = server.put("/disk.img.gz", &packed, Some("v1"), &[]);
    for (hash, good) in [
        (sha256(&raw), true),
        (sha256(&packed), true),
        (Sha256Hash([7; 32]), false),
    ] {
        let desk = Desk::new();
        let mut wanted = image(BaseRef::Url(url.clone()));
        wanted.sha256 = Some(hash);
        match desk.obtain_image(&wanted) {
            Ok(base) => {
                assert!(good);
                assert_is(&base, &raw);
            }
            Err(error) => {
                let says = format!("SHA-256 {hash} is wanted");
                assert!(!good && error.to_string().contains(&says), "{error}");
                assert!(error.to_string().contains(&hex_sha256(&raw)), "{error}");
                desk.assert_nothing_finished();
            }
        }
    }
}

#[test]
fn a_cached_file_with_the_wrong_hash_is_looked_for_again() {
    let (desk, server, raw, packed) = set_up();
    let url = server.put("/disk.img.gz", &packed, Some("v1"), &[]);
    desk.obtain(BaseRef::Url(url.clone())).expect("base");
    let mut newer = raw.clone();
    newer[100_000] ^= 1;
    server.put("/disk.img.gz", &newer, Some("v2"), &[]);
    let mut wanted = image(BaseRef::Url(url));
    wanted.sha256 = Some(sha256(&newer));
    assert_is(&desk.obtain_image(&wanted).expect("the newer one"), &newer);
}

#[test]
fn a_damaged_raw_image_is_made_again_from_the_download_without_a_request() {
    let (mut desk, server, raw, packed) = set_up();
    let url = server.put("/disk.img.gz", &packed, Some("v1"), &[]);
    let base = desk.obtain(BaseRef::Url(url.clone())).expect("base");
    std::fs::write(&base.raw, b"tampered").expect("tamper");
    desk.options.offline = true;
    assert_is(&desk.obtain(BaseRef::Url(url)).expect("base"), &raw);
    assert_eq!(server.log().len(), 1);
}

#[test]
fn offline_means_no_request_and_refresh_means_one() {
    let (mut desk, server, raw, packed) = set_up();
    let url = server.put("/disk.img.gz", &packed, Some("v1"), &[]);
    desk.options.offline = true;
    let error = desk.obtain(BaseRef::Url(url.clone())).expect_err("offline");
    assert!(error.to_string().contains("and this run is offline"), "{error}");
    assert_eq!(server.log().len(), 0);
    desk.options.offline = false;
    desk.obtain(BaseRef::Url(url.clone())).expect("base");
    desk.options.refresh = true;
    assert_is(&desk.obtain(BaseRef::Url(url)).expect("base"), &raw);
    assert_eq!(server.log().len(), 2);
}

#[test]
fn concurrent_runs_share_one_download() {
    let (desk, server, raw, packed) = set_up();
    let url = server.put("/disk.img.gz", &packed, Some("v1"), &[Fault::Trickle(200_000, 30)]);
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| desk.obtain(BaseRef::Url(url.clone()))))
            .collect();
        for run in runs {
            assert_is(&run.join().expect("thread").expect("base"), &raw);
        }
    });
    assert_eq!(server.log().len(), 1);
}

#[test]
fn a_page_in_place_of_an_image_is_named() {
    let (desk, server, _, _) = set_up();
    let url = server.put("/disk.img.gz", b"<!DOCTYPE html><title>Log in</title>", None, &[]);
    let error = desk.obtain(BaseRef::Url(url)).expect_err("a page").to_string();
    assert!(error.contains("an HTML page"), "{error}");
    desk.assert_nothing_finished();
}

#[test]
fn other_schemes_are_refused() {
    let desk = Desk::new();
    for url in ["file:///etc/passwd", "ftp://h/x", "gopher://h"] {
        let error = desk.obtain(BaseRef::Url(url.into())).expect_err(url);
        let is_refused = error.kind() == Kind::Usage;
        let is_named = error.to_string().contains("addresses start with http:// or https://");
        assert!(is_refused && is_named, "{error}");
    }
}

#[test]
fn https_to_a_server_without_tls_is_an_error() {
    let (desk, server, _, packed) = set_up();
    let url = server
        .put("/disk.img.gz", &packed, None, &[])
        .replace("http:", "https:");
    let error = desk
        .obtain(BaseRef::Url(url))
        .expect_err("a server without TLS")
        .to_string();
    assert!(error.contains("fetching https://127.0.0.1"), "{error}");
    assert!(!error.contains("without an answer"), "{error}");
    desk.assert_nothing_finished();
}
