//! The cache on disk: what is trusted, what is removed, and which run waits for which.

use super::*;
use kraken_foundation::Job;
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::named;
use kraken_foundation::progress::Silent;

fn open() -> (tempfile::TempDir, Cache) {
    let folder = tempfile::tempdir().expect("folder");
    let cache = Cache::open(Some(folder.path())).expect("cache");
    (folder, cache)
}

#[test]
fn a_file_that_was_tampered_with_is_hashed_again_and_thrown_out() {
    let (_folder, cache) = open();
    let hash = Sha256Hash::of(b"good");
    let path = cache.raw_path(&hash);
    fs::write(&path, b"good").expect("write");
    cache.remember_hash(&path, &hash).expect("record");
    let here = |cache: &Cache| cache.raw(&hash, Job::new(&Silent, &Interrupt::new())).expect("look");
    assert_eq!(here(&cache), Some(path.clone()));
    fs::write(&path, b"evil").expect("tamper");
    assert_eq!(here(&cache), None);
    assert!(!path.exists());
}

#[test]
fn a_file_without_a_record_is_hashed_before_it_is_trusted() {
    let (_folder, cache) = open();
    let hash = Sha256Hash::of(b"good");
    fs::write(cache.raw_path(&hash), b"evil").expect("write");
    assert_eq!(
        cache.raw(&hash, Job::new(&Silent, &Interrupt::new())).expect("look"),
        None
    );
    fs::write(cache.raw_path(&hash), b"good").expect("write");
    assert!(
        cache
            .raw(&hash, Job::new(&Silent, &Interrupt::new()))
            .expect("look")
            .is_some()
    );
}

#[test]
fn a_record_that_cannot_be_understood_is_no_record() {
    let (_folder, cache) = open();
    for bytes in [&b""[..], b"{", b"[1,2]", b"\xff\xfe", br#"{"stamp": 1, "sha256": 2}"#] {
        fs::write(cache.record_path("file", "k"), bytes).expect("write");
        assert!(cache.record::<Known>("file", "k").is_none());
    }
}

#[test]
fn what_has_a_name_that_can_be_foreseen_is_never_written_through_a_link() {
    let (folder, cache) = open();
    let (mine, link) = (folder.path().join("mine"), folder.path().join("locks/k"));
    fs::write(&mine, b"mine").expect("write");
    std::os::unix::fs::symlink(&mine, &link).expect("link");
    cache
        .lock("k", Job::new(&Silent, &Interrupt::new()))
        .expect_err("a link");
    named::write(&link, b"theirs").expect_err("a link");
    assert_eq!(fs::read(&mine).expect("read"), b"mine");
    fs::remove_file(&link).expect("remove");
    for text in [&b"long enough"[..], b"short"] {
        named::write(&link, text).expect("no link");
        assert_eq!(fs::read(&link).expect("read"), text);
    }
}

#[test]
fn a_lock_keeps_others_out_until_dropped_and_waiting_heeds_the_interrupt() {
    let (_folder, cache) = open();
    let lock = cache.lock("k", Job::new(&Silent, &Interrupt::new())).expect("lock");
    cache
        .lock("other", Job::new(&Silent, &Interrupt::new()))
        .expect("another key");
    let interrupt = Interrupt::new();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| cache.lock("k", Job::new(&Silent, &interrupt)));
        std::thread::sleep(Duration::from_millis(120));
        interrupt.set();
        let result = waiter.join().expect("thread");
        assert!(result.as_ref().is_err_and(Error::is_interrupted), "{result:?}");
    });
    drop(lock);
    cache
        .lock("k", Job::new(&Silent, &Interrupt::new()))
        .expect("free again");
}
