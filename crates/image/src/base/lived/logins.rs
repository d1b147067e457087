//! Finds who can log in to an image, and who becomes root without a password.

use kraken_disk::{FileTree, real_path};
use kraken_foundation::Result;

use super::facts::{Stay, shown};
use crate::base::text::text;

/// The account that Raspberry Pi OS comes with. It is locked, or will be.
const PI: &str = "pi";

/// An account of passwd(5).
struct Account<'p> {
    name: &'p str,
    password: &'p str,
    uid: Option<u32>,
    home: &'p str,
    shell: &'p str,
}

/// The files that say which user may do what.
struct Files {
    passwd: String,
    shadow: String,
    group: String,
    sudoers: Vec<Rule>,
}

/// A rule of sudoers(5) that asks for no password.
struct Rule {
    file: String,
    who: String,
}

/// Returns the accounts that allow a login, and the rules that let many users become root. `pi` of
/// a Raspberry Pi OS is not included.
pub(super) fn find(root: &dyn FileTree, raspberry_pi_os: bool) -> Result<Vec<Stay>> {
    let read = |path: &str| Ok::<_, kraken_foundation::Error>(text(root, path)?.unwrap_or_default());
    let files = Files {
        passwd: read("/etc/passwd")?,
        shadow: read("/etc/shadow")?,
        group: read("/etc/group")?,
        sudoers: rules(root)?,
    };
    let mut found = Vec::new();
    for line in files.passwd.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let &[name, password, uid, _, _, home, shell] = fields.as_slice() else {
            continue;
        };
        let account = Account {
            name,
            password,
            uid: uid.parse().ok(),
            home,
            shell,
        };
        if raspberry_pi_os && name == PI {
            continue;
        }
        if let Some(what) = files.login(root, &account)? {
            found.push(Stay {
                what,
                account: Some(name.to_owned()),
            });
        }
    }
    for rule in &files.sudoers {
        if rule.who.starts_with('%') || rule.who == "ALL" {
            found.push(Stay {
                what: format!("{}: {} becomes root without a password", rule.file, shown(&rule.who)),
                account: None,
            });
        }
    }
    Ok(found)
}

impl Files {
    /// Describes how an account allows a login; `None` when it does not.
    fn login(&self, root: &dyn FileTree, account: &Account<'_>) -> Result<Option<String>> {
        if account.shell.ends_with("/nologin") || account.shell.ends_with("/false") {
            return Ok(None);
        }
        let keys = keys(root, account.home)?;
        let mut ways = Vec::new();
        match self.password(account) {
            Some("") => ways.push("no password to type at all".to_owned()),
            Some(hash) if !hash.starts_with(['!', '*']) => ways.push("a password".to_owned()),
            _ => {}
        }
        match keys {
            0 => {}
            1 => ways.push("an SSH key".to_owned()),
            count => ways.push(format!("{count} SSH keys")),
        }
        // A root account under another name is always reported, since it is easily overlooked.
        let is_root = account.uid == Some(0);
        if ways.is_empty() && !(is_root && account.name != "root") {
            return Ok(None);
        }
        if !is_root && self.is_root_unasked(account.name) {
            ways.push("root without being asked".to_owned());
        }
        let name = shown(account.name);
        let uid = account.uid.map_or_else(String::new, |uid| format!(" (user id {uid})"));
        Ok(Some(match ways.is_empty() {
            true => format!("the account {name}{uid}"),
            false => format!("the account {name}{uid}, with {}", ways.join(", ")),
        }))
    }

    /// Returns the second field of shadow(5), or of passwd(5) when that has the password itself.
    fn password<'s>(&'s self, account: &Account<'s>) -> Option<&'s str> {
        if account.password != "x" {
            return Some(account.password);
        }
        self.shadow.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(account.name)).then(|| fields.next()).flatten()
        })
    }

    fn is_root_unasked(&self, name: &str) -> bool {
        let in_group = |group: &str| {
            self.group.lines().any(|line| {
                let fields: Vec<&str> = line.split(':').collect();
                fields.first() == Some(&group) && fields.last().is_some_and(|all| all.split(',').any(|one| one == name))
            })
        };
        self.sudoers.iter().any(|rule| match rule.who.strip_prefix('%') {
            Some(group) => in_group(group),
            None => rule.who == name || rule.who == "ALL",
        })
    }
}

/// Returns how many keys are authorised for an account with this home.
fn keys(root: &dyn FileTree, home: &str) -> Result<usize> {
    let mut count = 0;
    for file in ["authorized_keys", "authorized_keys2"] {
        let list = text(root, &format!("{home}/.ssh/{file}"))?.unwrap_or_default();
        count += list
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
            .count();
    }
    Ok(count)
}

/// Returns the rules with NOPASSWD from `/etc/sudoers` and from the files beside it that sudo
/// reads: those whose names have no dot and do not end in a tilde.
fn rules(root: &dyn FileTree) -> Result<Vec<Rule>> {
    let mut files = vec!["/etc/sudoers".to_owned()];
    for name in root.list("/etc/sudoers.d")? {
        if !name.contains('.') && !name.ends_with('~') {
            files.push(real_path(root, &format!("/etc/sudoers.d/{name}"))?);
        }
    }
    let mut rules = Vec::new();
    for file in files {
        let content = text(root, &file)?.unwrap_or_default();
        for line in content.lines().map(str::trim) {
            if line.starts_with('#') || !line.contains("NOPASSWD") || !line.contains('=') {
                continue;
            }
            if let Some(who) = line
                .split_ascii_whitespace()
                .next()
                .filter(|who| !who.starts_with("Defaults"))
            {
                rules.push(Rule {
                    file: file.clone(),
                    who: who.to_owned(),
                });
            }
        }
    }
    Ok(rules)
}
