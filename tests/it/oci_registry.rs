//! Images from registries on loopback: which one, with which login, and what the cache keeps.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use kraken_foundation::Kind;
use kraken_oci::{Digest, Pin, Processor, resolve};
use testkit::registry::Stock;
use testkit::site::{Answer, Site};

use crate::oci_support::{ARM64, Desk, Known, assert_is, fetch, image, said, source, stock};

#[test]
fn the_image_for_the_board_is_fetched_once_and_comes_from_the_cache_with_a_pin() {
    let desk = Desk::new();
    let (pc, pi, zero) = (image("linux/amd64"), image("linux/arm64/v8"), image("linux/arm/v6"));
    let mut stock = Stock::default();
    let index = stock.put_images("1", &[&pc, &pi, &zero]);
    let site = Site::start(move |request| stock.answer(request));
    let source = source(&site, "team/web:1");
    let found = desk.with(false, |registries| fetch(&source, None, registries)).unwrap();
    assert_is(&found, &pi);
    assert_eq!(found.top, Digest::of(&index));
    assert_eq!(found.manifest, Digest::of(&pi.manifest));
    assert_eq!(found.names[0].to_string(), format!("{}/team/web:1", site.host()));
    // Index, manifest, configuration and two layers.
    assert_eq!(site.lines().len(), 5, "{:?}", site.lines());
    let pin = Pin::new(&source, ARM64, &found);
    assert_eq!(pin.index, Some(found.top));
    let again = desk
        .with(true, |registries| fetch(&source, Some(&pin), registries))
        .unwrap();
    assert_eq!(again, found);
    assert_eq!(site.lines().len(), 5);
    let error = desk
        .with(true, |registries| fetch(&source, None, registries))
        .unwrap_err();
    assert!(said(&error).contains("kraken-flash fetch"), "{error}");
    let v7 = desk.with(false, |registries| resolve(&source, None, Processor::ArmV7, registries));
    // A Pi 2 runs what a Zero runs; the other way it would be refused.
    assert_is(&v7.unwrap(), &zero);
}

#[test]
fn a_board_that_no_image_is_for_is_named() {
    let desk = Desk::new();
    let stock = stock(&[&image("linux/amd64"), &image("linux/arm/v7")]);
    let site = Site::start(move |request| stock.answer(request));
    let source = source(&site, "web:1");
    let error = desk
        .with(false, |registries| resolve(&source, None, Processor::ArmV6, registries))
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(
        said(&error).contains("runs on arm/v6; there are linux/amd64, linux/arm/v7"),
        "{error:?}"
    );
}

#[test]
fn tokens_are_obtained_with_the_login_and_renewed() {
    let desk = Desk::new();
    let image = image("linux/arm64");
    let tokens = AtomicUsize::new(0);
    let auth = Site::start(move |request| {
        let good = request.header("authorization") == "Basic bWU6czNjcmV0LXB3";
        let token = tokens.fetch_add(1, Ordering::SeqCst);
        match good && request.query.contains("service=reg") && request.query.contains("repository%3Ateam%2Fweb%3Apull")
        {
            true => Answer::new(200, format!(r#"{{"token": "t{token}"}}"#)),
            false => Answer::new(401, "no s3cret-pw here"),
        }
    });
    let (stock, realm) = (stock(&[&image]), auth.address.clone());
    // A token is good for three requests.
    let uses = Mutex::new(BTreeMap::<String, usize>::new());
    let site = Site::start(move |request| {
        let token = request.header("authorization").to_owned();
        let mut uses = uses.lock().unwrap();
        let count = uses.entry(token.clone()).or_default();
        *count += 1;
        match token.starts_with("Bearer t") && *count <= 3 {
            true => stock.answer(request),
            false => Answer::new(401, "{}").with(
                "WWW-Authenticate",
                &format!(r#"Bearer realm="{realm}/token",service="reg",scope="repository:team/web:pull""#),
            ),
        }
    });
    let source = source(&site, "team/web:1");
    let login = |password| {
        desk.log_in(&[Known {
            registry: site.host(),
            user: "me",
            password,
        }]);
    };
    login("s3cret-pw");
    let found = desk.with(false, |registries| fetch(&source, None, registries)).unwrap();
    assert_is(&found, &image);
    assert!(auth.lines().len() >= 2, "a token ran out: {:?}", auth.lines());
    let sent = site.log();
    assert!(
        sent.iter()
            .all(|request| !request.header("authorization").starts_with("Basic"))
    );

    let desk = Desk::new();
    desk.log_in(&[Known {
        registry: site.host(),
        user: "me",
        password: "wr0ng-pw",
    }]);
    let error = desk
        .with(false, |registries| fetch(&source, None, registries))
        .unwrap_err();
    let text = format!("{} {:?}", said(&error), desk.notes.all());
    assert_eq!(error.kind(), Kind::Permission, "{text}");
    assert!(text.contains("refuses the login"), "{text}");
    assert!(
        !text.contains("wr0ng-pw") && !text.contains("s3cret") && !text.contains("Basic"),
        "{text}"
    );
}

#[test]
fn an_identity_token_is_exchanged() {
    let desk = Desk::new();
    let image = image("linux/arm64");
    let auth = Site::start(|request| {
        let form = String::from_utf8_lossy(&request.body);
        let good = request.method == "POST"
            && form.contains("grant_type=refresh_token")
            && form.contains("refresh_token=long-lived");
        match good {
            true => Answer::new(200, r#"{"access_token": "short"}"#),
            false => Answer::new(400, "{}"),
        }
    });
    let (stock, realm) = (stock(&[&image]), auth.address.clone());
    let site = Site::start(move |request| match request.header("authorization") {
        "Bearer short" => stock.answer(request),
        _ => Answer::new(401, "").with(
            "WWW-Authenticate",
            &format!(r#"Bearer realm="{realm}/oauth2/token",service="reg""#),
        ),
    });
    desk.write_logins(&format!(
        r#"{{"auths": {{"{}": {{"identitytoken": "long-lived"}}}}}}"#,
        site.host()
    ));
    let source = source(&site, "web:1");
    assert_is(
        &desk.with(false, |registries| fetch(&source, None, registries)).unwrap(),
        &image,
    );
}

#[test]
fn a_login_does_not_follow_a_redirect_to_another_host() {
    let image = image("linux/arm64");
    for (host, follows) in [("127.0.0.2", false), ("127.0.0.1", true)] {
        let desk = Desk::new();
        let shelf = stock(&[&image]);
        let storage = Site::start_on(host, move |request| shelf.answer(request));
        let (stock, elsewhere) = (stock(&[&image]), storage.address.clone());
        let site = Site::start(move |request| match request.header("authorization") {
            "" => Answer::new(401, "").with("WWW-Authenticate", "Basic realm=\"x\""),
            _ if request.path.contains("/blobs/") => {
                Answer::new(307, "").with("Location", &format!("{elsewhere}{}", request.path))
            }
            _ => stock.answer(request),
        });
        desk.log_in(&[Known {
            registry: site.host(),
            user: "me",
            password: "s3cret-pw",
        }]);
        let source = source(&site, "web:1");
        assert_is(
            &desk.with(false, |registries| fetch(&source, None, registries)).unwrap(),
            &image,
        );
        let stored = storage.log();
        assert_eq!(stored.len(), 3, "configuration and layers");
        assert!(
            stored
                .iter()
                .all(|request| request.header("authorization").is_empty() != follows),
            "{host}"
        );
    }
}

#[test]
fn without_a_login_the_user_is_pointed_to_docker_login() {
    let desk = Desk::new();
    let site = Site::start(|_| Answer::new(401, "").with("WWW-Authenticate", "Basic realm=\"x\""));
    let source = source(&site, "web:1");
    let error = desk
        .with(false, |registries| fetch(&source, None, registries))
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Permission);
    assert!(
        said(&error).contains(&format!("docker login {}", site.host())),
        "{error:?}"
    );
    let odd = Site::start(|_| Answer::new(401, "").with("WWW-Authenticate", "Negotiate"));
    let source = self::source(&odd, "web:1");
    let error = desk
        .with(false, |registries| fetch(&source, None, registries))
        .unwrap_err();
    assert!(said(&error).contains("a kind that is not known"), "{error:?}");
}
