//! Registries on loopback that break off, ask for pauses, lie, or do not answer; and mirrors.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kraken_foundation::Kind;
use testkit::oci;
use testkit::registry::Stock;
use testkit::site::{Answer, Request, Site};

use crate::oci_support::{Desk, assert_is, fetch, image, said, source, stock};

/// A site that answers the first requests for blobs with something else.
fn first_blobs(stock: Stock, count: usize, other: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Site {
    let seen = AtomicUsize::new(0);
    Site::start(
        move |request| match request.path.contains("/blobs/") && seen.fetch_add(1, Ordering::SeqCst) < count {
            true => other(request),
            false => stock.answer(request),
        },
    )
}

#[test]
fn a_blob_that_breaks_off_is_resumed() {
    let desk = Desk::new();
    let image = image("linux/arm64");
    let (shelf, stock) = (stock(&[&image]), stock(&[&image]));
    let large = oci::digest(&image.layers[0].packed);
    let path = format!("/v2/web/blobs/{large}");
    let (broken, watched) = (AtomicUsize::new(0), path.clone());
    let site = Site::start(move |request| {
        let mut answer = shelf.answer(request);
        if request.path == watched && broken.fetch_add(1, Ordering::SeqCst) == 0 {
            answer.cut = Some(150_000);
        }
        answer
    });
    let source = source(&site, "web:1");
    assert_is(
        &desk.with(false, |registries| fetch(&source, None, registries)).unwrap(),
        &image,
    );
    let ranges: Vec<String> = site
        .log()
        .iter()
        .filter(|request| request.path == path)
        .map(|request| request.header("range").to_owned())
        .collect();
    assert_eq!(ranges, ["", "bytes=150000-"]);

    // A slow server is waited for.
    let desk = Desk::new();
    let slow = Site::start(move |request| {
        let mut answer = stock.answer(request);
        if request.path.contains("/blobs/") {
            answer.slow = Some(Duration::from_micros(200));
        }
        answer
    });
    let source = self::source(&slow, "web:1");
    assert_is(
        &desk.with(false, |registries| fetch(&source, None, registries)).unwrap(),
        &image,
    );
}

#[test]
fn a_server_that_asks_for_a_pause_gets_it() {
    let desk = Desk::new();
    let image = image("linux/arm64");
    let busy = |request: &Request| {
        let status = if request.path.ends_with('1') { 503 } else { 429 };
        Answer::new(status, "slow down").with("Retry-After", "1")
    };
    let asked = AtomicUsize::new(0);
    let stock = stock(&[&image]);
    // The tag, and the first blob.
    let site = Site::start(move |request| {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        match number == 0 || number == 3 {
            true => busy(request),
            false => stock.answer(request),
        }
    });
    let source = source(&site, "web:1");
    let begin = Instant::now();
    assert_is(
        &desk.with(false, |registries| fetch(&source, None, registries)).unwrap(),
        &image,
    );
    assert!(begin.elapsed() >= Duration::from_secs(2), "two pauses of a second");
    let notes = desk.notes.all();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes.iter().all(|note| note.contains("waiting 1 s")), "{notes:?}");
}

#[test]
fn a_pause_that_is_too_long_is_an_error_that_says_when_to_come_back() {
    let image = image("linux/arm64");
    let limit = |_: &Request| Answer::new(429, "").with("Retry-After", "3601");
    let of_tag = Site::start(limit);
    let of_blob = first_blobs(stock(&[&image]), usize::MAX, limit);
    for site in [of_tag, of_blob] {
        let desk = Desk::new();
        let source = source(&site, "web:1");
        let error = desk
            .with(false, |registries| fetch(&source, None, registries))
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Network);
        let text = said(&error);
        assert!(
            text.contains("answered 429") && text.contains("in 61 minutes"),
            "{text}"
        );
    }
}

#[test]
fn a_limit_without_a_time_is_said_too() {
    let desk = Desk::new();
    let site = Site::start(|_| Answer::new(429, "toomanyrequests"));
    let source = source(&site, "web:1");
    let error = desk
        .with(false, |registries| fetch(&source, None, registries))
        .unwrap_err();
    let text = said(&error);
    assert!(
        text.contains("429 (too many requests)") && text.contains("a login often raises"),
        "{text}"
    );
}

#[test]
fn an_interrupt_ends_a_pause() {
    let desk = Desk::new();
    let site = Site::start(|_| Answer::new(429, "").with("Retry-After", "120"));
    let source = source(&site, "web:1");
    let interrupt = desk.interrupt.clone();
    let begin = Instant::now();
    let waiting = std::thread::spawn(move || {
        while site.lines().is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
        interrupt.set();
    });
    let error = desk
        .with(false, |registries| fetch(&source, None, registries))
        .unwrap_err();
    assert!(error.is_interrupted(), "{error:?}");
    assert!(begin.elapsed() < Duration::from_secs(60));
    waiting.join().unwrap();
}

#[test]
fn lies_about_digests_and_documents_are_noticed() {
    let image = image("linux/arm64");
    let other = oci::digest(b"other");
    let with = |change: &dyn Fn(&mut Stock)| {
        let mut stock = stock(&[&image]);
        change(&mut stock);
        Site::start(move |request| stock.answer(request))
    };
    let sound = stock(&[&image]);
    let announcing = Site::start(move |request| {
        let mut answer = sound.answer(request);
        answer.headers.retain(|(name, _)| name != "Docker-Content-Digest");
        answer.with("Docker-Content-Digest", &oci::digest(b"x"))
    });
    let pinned = format!("web@{other}");
    let layer = oci::digest(&image.layers[0].packed);
    let mut swapped = image.layers[0].packed.clone();
    swapped[100_000] ^= 1;
    let large = vec![b' '; 5 << 20];
    let manifest = oci::digest(&image.manifest);
    for (why, site, name) in [
        ("answers with another document", announcing, "web:1"),
        ("does not have it", with(&|_| {}), &pinned),
        (
            "was announced",
            with(&|stock| stock.put_blob(&layer, &swapped)),
            "web:1",
        ),
        ("bytes, ", with(&|stock| stock.put_blob(&layer, b"short")), "web:1"),
        ("not found", with(&|stock| stock.remove_blob(&layer)), "web:1"),
        ("more than", with(&|stock| stock.put("2", oci::INDEX, &large)), "web:2"),
        (
            "not JSON",
            with(&|stock| stock.put("2", "text/html", b"<html>log in</html>")),
            "web:2",
        ),
        (
            "not a container image",
            with(&|stock| stock.put("2", "text/plain", b"{}")),
            "web:2",
        ),
        ("does not have it", with(&|stock| stock.remove(&manifest)), "web:1"),
        (
            "with this digest",
            with(&|stock| stock.replace(&manifest, oci::MANIFEST, b"{}")),
            "web:1",
        ),
    ] {
        let desk = Desk::new();
        let source = source(&site, name);
        let error = desk
            .with(false, |registries| fetch(&source, None, registries))
            .unwrap_err();
        let text = said(&error);
        assert!(text.contains(why), "{why}: {text}");
    }
}

#[test]
fn a_mirror_is_asked_first_and_need_not_have_everything() {
    let image = image("linux/arm64");
    let url = |address: &str| address.parse::<url::Url>().unwrap();
    let empty = Site::start(|_| Answer::new(404, "{}"));
    let shut = Site::start(|_| Answer::new(401, "").with("WWW-Authenticate", "Basic realm=\"x\""));
    for (mirror, why) in [
        (empty.address.as_str(), "does not have it"),
        (shut.address.as_str(), "without a login"),
        // Nothing listens there.
        ("http://127.0.0.1:1", "no connection"),
    ] {
        let desk = Desk::new();
        let stock = stock(&[&image]);
        let site = Site::start(move |request| stock.answer(request));
        let source = source(&site, "web:1");
        let found = desk.with(false, |registries| {
            registries.add_mirror(site.host(), url(mirror));
            fetch(&source, None, registries)
        });
        assert_is(&found.unwrap(), &image);
        let notes = desk.notes.all().join("\n");
        assert!(
            notes.contains("is of no use for") && (notes.contains(why) || why == "no connection"),
            "{notes}"
        );
    }
    let desk = Desk::new();
    let stock = stock(&[&image]);
    let mirror = Site::start(move |request| stock.answer(request));
    let found = desk.with(false, |registries| {
        registries.add_mirror("registry.invalid", url(&mirror.address));
        fetch(&"registry.invalid/web:1".parse().unwrap(), None, registries)
    });
    assert_is(&found.unwrap(), &image);
    assert_eq!(desk.notes.all(), Vec::<String>::new());
}

#[test]
fn a_registry_that_does_not_answer_is_named() {
    let desk = Desk::new();
    let source = "127.0.0.1:1/web:1".parse().unwrap();
    let error = desk
        .with(false, |registries| fetch(&source, None, registries))
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Network);
    assert!(
        said(&error).contains("asking 127.0.0.1:1 for 127.0.0.1:1/web:1"),
        "{error:?}"
    );
    let busy = Site::start(|_| Answer::new(500, "oops"));
    let source = self::source(&busy, "web:1");
    let error = desk
        .with(false, |registries| fetch(&source, None, registries))
        .unwrap_err();
    assert!(said(&error).contains("answered 500"), "{error:?}");
    assert_eq!(busy.lines().len(), 3);
}
