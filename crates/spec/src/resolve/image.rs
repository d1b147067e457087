//! `[image]`: where the base comes from.

use std::path::PathBuf;

use url::Url;

use super::field::{check_text, parsed};
use crate::Files;
use crate::cluster::{BaseRef, Image, UsedImage};
use crate::defaults::BASE;
use crate::field::Field;
use crate::names::{Check, wrong};
use crate::problem::Problems;
use crate::raw::RawImage;
use kraken_foundation::Sha256Hash;

/// Endings of the names of image files.
const SUFFIXES: &[&str] = &[".img", ".raw", ".iso", ".xz", ".zst", ".gz", ".zip"];

/// Resolves the whole section.
pub(super) fn image(raw: &RawImage, files: &dyn Files, problems: &mut Problems) -> Option<Image> {
    let base = match &raw.base {
        Field::Absent => Some(BaseRef::Catalogue(BASE.to_owned())),
        Field::Wrong => None,
        Field::Given(at) => parsed(at, |text| parse_base(text, &|written| files.locate(written)), problems),
    };
    let sha256 = match &raw.sha256 {
        Field::Absent => Some(None),
        Field::Wrong => None,
        Field::Given(at) => parsed(at, parse_sha256, problems).map(Some),
    };
    let mut url = |field: &Field<String>| match field {
        Field::Absent => Some(None),
        Field::Wrong => None,
        Field::Given(at) => check_text(at, check_url, problems).map(Some),
    };
    let catalogue = url(&raw.catalogue);
    let mirror = url(&raw.mirror);
    let used = match &raw.used {
        Field::Absent => Some(UsedImage::default()),
        Field::Wrong => None,
        Field::Given(at) => Some(at.value),
    };
    Some(Image {
        base: base?,
        sha256: sha256?,
        catalogue: catalogue?,
        mirror: mirror?,
        used: used?,
    })
}

/// Reads `debian`, an address, a file (recognised by the form of the name; it need not exist), else
/// a name of the catalogue.
pub(super) fn parse_base(text: &str, locate: &dyn Fn(&str) -> PathBuf) -> Check<BaseRef> {
    if text.is_empty() || text.len() > 2048 || text.chars().any(char::is_control) {
        return wrong(
            "this names no image",
            "write \"raspios-lite-arm64\", a file, an http(s) address, or \"debian\"",
        );
    }
    if text == "debian" {
        return Ok(BaseRef::Debian);
    }
    if text.contains("://") {
        return check_url(text).map(|()| BaseRef::Url(text.to_owned()));
    }
    let lower = text.to_ascii_lowercase();
    if text.contains('/') || SUFFIXES.iter().any(|suffix| lower.ends_with(suffix)) {
        return Ok(BaseRef::Path(locate(text)));
    }
    if text
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '(' | ')' | '+'))
    {
        return Ok(BaseRef::Catalogue(text.to_owned()));
    }
    wrong(
        "this is not a name from a catalogue",
        "write \"raspios-lite-arm64\"; put \"./\" before the name of a file",
    )
}

pub(super) fn check_url(text: &str) -> Check {
    let example = "write for example \"https://example.org/images/os.img.xz\"";
    let Ok(url) = Url::parse(text) else {
        return wrong("this is not an address", example);
    };
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return wrong("only http and https addresses can be fetched", example);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong(
            "a user name or password has no place in it: it would end up in the manifest",
            "fetch the image by hand and name the file",
        );
    }
    Ok(())
}

fn parse_sha256(text: &str) -> Check<Sha256Hash> {
    Sha256Hash::parse_any_case(text).or_else(|_| {
        wrong(
            "a SHA-256 is 64 hexadecimal digits",
            "copy it from the page of the image, or from `sha256sum FILE`",
        )
    })
}
