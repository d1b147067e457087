//! The locale: set directly when the image has it, else made by the node.
//!
//! cloud-init never sets it: it runs `locale-gen NAME`, and Debian's locale-gen(8) takes no name
//! but reads /etc/locale.gen. So images with cloud-init and without it get the same: a line in that
//! file, and a service that runs the image's own programs.

use serde_json::json;

use super::Assets;
use super::error;
use super::image::{Draft, exists, first, text};
use super::network::enable;
use kraken_foundation::{Error, Kind, Result};

/// How many similar locales an error lists.
const NEAR: usize = 8;

/// The file in which the package locales lists what it can make: a name and a charset on each line.
const SUPPORTED: &str = "/usr/share/i18n/SUPPORTED";

/// Returns whether the C library has the locale built in (C.UTF-8: Debian always has it).
fn is_builtin(locale: &str) -> bool {
    matches!(locale, "C" | "POSIX" | "C.UTF-8" | "C.utf8")
}

/// Returns `ca_ES.UTF-8@valencia` without its charset: the name of its source in
/// /usr/share/i18n/locales.
fn source(locale: &str) -> String {
    let (name, modifier) = match locale.split_once('@') {
        Some((name, modifier)) => (name, format!("@{modifier}")),
        None => (locale, String::new()),
    };
    let place = name.split_once('.').map_or(name, |(place, _)| place);
    place.to_owned() + &modifier
}

/// Returns the name with another charset, which stands after the place: `ca_ES@valencia` and
/// `UTF-8` give `ca_ES.UTF-8@valencia`.
fn with_charset(source: &str, charset: &str) -> String {
    match source.split_once('@') {
        Some((place, modifier)) => format!("{place}.{charset}@{modifier}"),
        None => format!("{source}.{charset}"),
    }
}

/// Sets a locale that the image has. Any other is made by the node, if the image has its source.
pub(super) fn locale(draft: &mut Draft<'_>, assets: &Assets) -> Result<()> {
    let locale = draft.ctx.cluster.system.locale.clone();
    let source = source(&locale);
    // The package locales-all has this file; the C library expects the charset in this spelling.
    let compiled = format!("/usr/lib/locale/{}/LC_CTYPE", with_charset(&source, "utf8"));
    if is_builtin(&locale) || exists(draft.ctx.root, &compiled)? {
        return draft.edited("/etc/default/locale", format!("LANG={locale}\n"), 0o644);
    }
    if first(draft.ctx.root, &["/usr/sbin/locale-gen", "/sbin/locale-gen"])?.is_none() {
        return Err(error::missing(
            &format!("means to make the locale {locale:?}"),
            "set [system] locale to C.UTF-8, or use a base with the package locales",
        ));
    }
    check_known(draft, &locale, &source)?;
    let service = assets
        .renderer
        .text("kraken-locale.service", &json!({"locale": locale}))?;
    let wanted = format!("{locale} UTF-8");
    let mut list = text(draft.ctx.root, "/etc/locale.gen")?.unwrap_or_default();
    if !list.lines().any(|line| line == wanted) {
        if !list.is_empty() && !list.ends_with('\n') {
            list.push('\n');
        }
        list.push_str(&wanted);
        list.push('\n');
    }
    draft.edited("/etc/locale.gen", list, 0o644)?;
    draft.file("/etc/systemd/system/kraken-locale.service", service, 0o644)?;
    enable(draft, "kraken-locale.service", "multi-user.target")
}

/// Refuses a locale that the image has no source of: the node's locale-gen would fail on every
/// boot.
fn check_known(draft: &Draft<'_>, locale: &str, wanted: &str) -> Result<()> {
    let Some(list) = text(draft.ctx.root, SUPPORTED)? else {
        return match exists(draft.ctx.root, &format!("/usr/share/i18n/locales/{wanted}"))? {
            true => Ok(()),
            false => Err(error::missing(
                &format!("source of the locale {locale:?} (neither {SUPPORTED} nor /usr/share/i18n/locales/{wanted})"),
                "correct [system] locale, set it to C.UTF-8, or use a base with the whole package locales",
            )),
        };
    };
    let known: Vec<String> = list
        .lines()
        .filter_map(|line| {
            let (name, charset) = line.split_once(' ')?;
            (charset.trim() == "UTF-8").then(|| source(name))
        })
        .collect();
    if known.iter().any(|name| name == wanted) {
        return Ok(());
    }
    Err(Error::new(
        Kind::NotFound,
        format!(
            "provisioning the image: its package locales knows no {locale:?}; correct [system] locale; near ones are: {}",
            near(wanted, &known)
        ),
    ))
}

/// Returns locales to suggest in place of one that does not exist: of its language, else of its
/// country, else those with the most similar names.
fn near(wanted: &str, known: &[String]) -> String {
    let parts = |name: &str| {
        let place = name.split('@').next().unwrap_or_default();
        let (language, country) = place.split_once('_').unwrap_or((place, ""));
        (language.to_owned(), country.to_owned())
    };
    let (language, country) = parts(wanted);
    let of = |good: &dyn Fn(&(String, String)) -> bool| -> Vec<&String> {
        known.iter().filter(|name| good(&parts(name))).collect()
    };
    let mut found = of(&|(other, _)| *other == language);
    if found.is_empty() {
        found = of(&|(_, other)| !country.is_empty() && *other == country);
    }
    if found.is_empty() {
        found = known.iter().collect();
    }
    found.sort_by_key(|name| (strsim::levenshtein(wanted, name), *name));
    found.dedup();
    let names: Vec<_> = found
        .into_iter()
        .take(NEAR)
        .map(|name| with_charset(name, "UTF-8"))
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_and_put_together() {
        for (locale, name) in [
            ("en_GB.UTF-8", "en_GB"),
            ("ca_ES.UTF-8@valencia", "ca_ES@valencia"),
            ("ca_ES@valencia", "ca_ES@valencia"),
            ("aa_ER", "aa_ER"),
            ("", ""),
        ] {
            assert_eq!(source(locale), name);
        }
        assert_eq!(with_charset("ca_ES@valencia", "utf8"), "ca_ES.utf8@valencia");
        assert_eq!(with_charset("en_GB", "UTF-8"), "en_GB.UTF-8");
    }

    #[test]
    fn near_ones_are_of_the_language_or_the_country() {
        let known = ["de_AT", "de_DE", "en_GB", "en_US", "en_DK", "fr_CH", "it_CH"].map(str::to_owned);
        assert_eq!(near("de_XX", &known), "de_AT.UTF-8, de_DE.UTF-8");
        assert_eq!(near("en_UK", &known), "en_DK.UTF-8, en_US.UTF-8, en_GB.UTF-8");
        assert_eq!(near("xx_CH", &known), "fr_CH.UTF-8, it_CH.UTF-8");
        assert!(near("xx_YY", &known).contains("de_DE.UTF-8"));
        assert_eq!(near("xx", &[]), "");
    }
}
