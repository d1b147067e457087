//! What a user sees when `kraken.toml` is wrong: each `tests/golden/spec/*.toml` with its `*.err`.
//!
//! `SNAPSHOTS=overwrite` writes the `.err` files again; read the difference before committing it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kraken_spec::{DefaultKeys, Files, FoundKey};
use miette::{GraphicalReportHandler, GraphicalTheme};
use testkit::golden::golden;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIILJtOT2IkvLhtZGAtx8CVJvHPRJTQPRjQ4SLmcBWYME me@home";

/// The files that the golden specs name.
struct Shelf;

impl Files for Shelf {
    fn locate(&self, written: &str) -> PathBuf {
        PathBuf::from(written)
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match path.to_str() {
            Some("private") => Ok(b"-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n".to_vec()),
            Some("open.passwd") => Err(io::Error::other("everybody can read it (mode 0644)")),
            _ => Err(io::Error::other("no such file")),
        }
    }
    fn read_secret(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.read(path)
    }
    fn is_file(&self, _: &Path) -> bool {
        true
    }
    fn is_folder(&self, _: &Path) -> bool {
        false
    }
    fn default_ssh_keys(&self) -> DefaultKeys {
        DefaultKeys::Found(vec![FoundKey {
            path: "id_ed25519.pub".into(),
            read: Ok(KEY.as_bytes().to_vec()),
        }])
    }
}

fn rendered(name: &str, text: &str) -> String {
    let errors = kraken_spec::load(name, text, &Shelf).expect_err("the spec was taken");
    let mut shown = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .with_width(100)
        .render_report(&mut shown, &errors)
        .unwrap();
    shown.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[test]
fn every_wrong_spec_is_explained_as_its_golden_file_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/spec");
    let mut seen = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        seen += 1;
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let shown = rendered(&name, &fs::read_to_string(&path).unwrap());
        assert!(!shown.contains("hunter2"), "{name} shows a secret:\n{shown}");
        golden(&format!("tests/golden/spec/{}", name.replace(".toml", ".err")), &shown);
    }
    assert!(seen >= 15, "only {seen} golden specs were found");
}

#[test]
fn a_wrong_value_does_not_make_others_wrong() {
    for (text, count) in [
        (
            "[network]\nsubnet = 1\ngateway = \"10.0.0.1\"\nfirst-address = \"10.0.0.5\"\n",
            1,
        ),
        ("[cluster]\nname = 1\n", 1),
        ("[cluster]\nnodes = \"x\"\n[[node]]\nnumber = 99\n", 1),
        ("[user]\nsudo = \"password\"\npassword-hash-file = 7\n", 1),
        ("[[node]]\nnumber = 1\nrole = 5\n", 1),
    ] {
        let errors = kraken_spec::load("x", text, &Shelf).unwrap_err();
        assert_eq!(errors.problems().len(), count, "{text}\n{errors:?}");
    }
}

#[test]
fn so_many_mistakes_are_counted_and_not_all_listed() {
    let text: String = (0..500).map(|n| format!("x{n} = 1\n")).collect();
    let errors = kraken_spec::load("x", &text, &Shelf).unwrap_err();
    assert_eq!(errors.problems().len(), 100);
    assert_eq!(
        errors.to_string(),
        "x has 500 mistakes, of which the first 100 are listed"
    );
}
