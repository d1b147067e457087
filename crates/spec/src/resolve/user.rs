//! `[user]`: the account, its keys and its password hash. Neither keys nor hash are ever quoted.

use std::io;
use std::path::Path;

use super::field::{bad_file, checked, checked_list, value_or};
use crate::cluster::{SecretText, Sudo, User};
use crate::defaults::{GROUPS, NAME};
use crate::field::{At, Field};
use crate::names::{self, Check, help_of};
use crate::problem::{Problem, Problems};
use crate::raw::RawUser;
use crate::ssh::{self, PrivateKey};
use crate::{DefaultKeys, Files, FoundKey, crypt, mask};
use kraken_foundation::Error;

const MOST_GROUPS: usize = 64;
const MOST_KEYS: usize = 256;

/// Resolves the whole section.
pub(super) fn user(raw: &RawUser, files: &dyn Files, problems: &mut Problems) -> Option<User> {
    let name = checked(&raw.name, NAME, names::user, problems);
    let sudo = value_or(&raw.sudo, Sudo::default());
    let groups = groups(raw, sudo, problems);
    let ssh_keys = ssh_keys(&raw.ssh_keys, files, problems);
    let password_hash = password_hash(&raw.password_hash_file, files, problems);
    if sudo == Some(Sudo::Password) && !raw.password_hash_file.is_set() {
        problems.push(
            Problem::new("sudo = \"password\" needs a password, and the account has none")
                .at_some(raw.sudo.span(), "chosen here")
                .help("name a file with the hash (mkpasswd > kraken.passwd; chmod 600 kraken.passwd) in `password-hash-file`, or choose sudo = \"nopasswd\""),
        );
    }
    Some(User {
        name: name?,
        groups: groups?,
        ssh_keys: ssh_keys?,
        password_hash: password_hash?,
        sudo: sudo?,
    })
}

fn groups(raw: &RawUser, sudo: Option<Sudo>, problems: &mut Problems) -> Option<Vec<String>> {
    let mut groups = checked_list(&raw.groups, MOST_GROUPS, GROUPS, names::group, problems)?;
    if sudo == Some(Sudo::None) && groups.iter().any(|group| group == "sudo") {
        if !raw.groups.is_set() {
            groups.retain(|group| group != "sudo");
            return Some(groups);
        }
        problems.push(
            Problem::new("sudo = \"none\", but the account is in the group `sudo`")
                .at_some(raw.sudo.span(), "nothing as root")
                .at_some(raw.groups.span(), "everything as root")
                .help("take \"sudo\" out of `groups`, or choose sudo = \"password\""),
        );
        return None;
    }
    Some(groups)
}

/// Returns the keys that may log in, each once, in the order of the spec.
fn ssh_keys(field: &Field<Vec<At<String>>>, files: &dyn Files, problems: &mut Problems) -> Option<Vec<String>> {
    let list = match field {
        Field::Wrong => return None,
        Field::Absent => return default_keys(files, problems),
        Field::Given(list) if list.value.is_empty() => {
            problems.push(
                Problem::new(format!("`{}` is empty, which leaves no way to log in", list.key))
                    .at(list.span.clone(), "no key")
                    .help(
                        "name a public key, or leave the line out: then the keys of ~/.ssh are used, or a pair is made",
                    ),
            );
            return None;
        }
        Field::Given(list) => list,
    };
    let found: Vec<_> = list.value.iter().map(|at| keys_of(at, files, problems)).collect();
    let mut keys = Vec::new();
    for some in found {
        add_once(&mut keys, some?);
    }
    if keys.len() > MOST_KEYS {
        problems.push(
            Problem::new(format!("`{}` has more than {MOST_KEYS} keys", list.key))
                .at(list.span.clone(), format!("{} keys", keys.len()))
                .help("name only the keys of those who may log in"),
        );
        return None;
    }
    Some(keys)
}

fn add_once(keys: &mut Vec<String>, more: Vec<String>) {
    for key in more {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
}

/// Returns the keys of one entry of `ssh-keys`: a literal, or a file.
fn keys_of(at: &At<String>, files: &dyn Files, problems: &mut Problems) -> Option<Vec<String>> {
    if ssh::is_literal(&at.value) {
        let keys = ssh::public_keys(at.value.as_bytes());
        return keys
            .map_err(|error| {
                problems.hide(at.span.clone());
                problems.push(
                    Problem::new(error.to_string())
                        .at(at.span.clone(), "given here")
                        .help(help_of(&error)),
                );
            })
            .ok();
    }
    if at.value.is_empty() || at.value.chars().any(char::is_control) {
        problems.hide(at.span.clone());
        problems.push(
            Problem::new("this is neither an SSH key nor the name of a file")
                .at(at.span.clone(), "given here")
                .help(ssh::NO_KEY),
        );
        return None;
    }
    let path = files.locate(&at.value);
    match read_keys(&path, files.read(&path)) {
        Ok(keys) => Some(keys),
        Err(error) => {
            let help = help_of(&error);
            problems.push(bad_file(at, &path, "SSH key", error, help));
            None
        }
    }
}

/// Returns the keys in the content of a file, or why there are none and what to do.
fn read_keys(path: &Path, read: io::Result<Vec<u8>>) -> Check<Vec<String>> {
    let bytes = read.map_err(|error| {
        Error::of(error).with_help("check the name and the permissions; `ssh-keygen -t ed25519` makes a key")
    })?;
    ssh::public_keys(&bytes).map_err(|error| {
        if error.downcast_ref::<PrivateKey>().is_some() && path.extension().is_none() {
            return error.with_help(format!("name the public key instead: {}.pub", path.display()));
        }
        // The help for keys in another form names the file.
        let other = path.with_extension("openssh.pub");
        let help = help_of(&error)
            .replace("FILE.pub", &other.display().to_string())
            .replace("FILE", &path.display().to_string());
        error.with_help(help)
    })
}

fn default_keys(files: &dyn Files, problems: &mut Problems) -> Option<Vec<String>> {
    let found = match files.default_ssh_keys() {
        DefaultKeys::ToBeMade => return Some(Vec::new()),
        DefaultKeys::Found(found) => found,
    };
    if found.is_empty() {
        problems.push(
            Problem::new("there is no SSH key to log in with")
                .help("make one (ssh-keygen -t ed25519), or name one in `ssh-keys` in [user]"),
        );
        return None;
    }
    let mut keys = Vec::new();
    let mut good = true;
    for FoundKey { path, read } in found {
        match read_keys(&path, read) {
            Ok(more) => add_once(&mut keys, more),
            Err(error) => {
                good = false;
                let help = help_of(&error);
                problems.push(
                    Problem::new(format!("reading the SSH key {}: {error}", path.display()))
                        .help(format!("{help}; or name the right keys in `ssh-keys` in [user]")),
                );
            }
        }
    }
    good.then_some(keys)
}

fn password_hash(field: &Field<String>, files: &dyn Files, problems: &mut Problems) -> Option<Option<SecretText>> {
    let at = match field {
        Field::Absent => return Some(None),
        Field::Wrong => return None,
        Field::Given(at) => at,
    };
    if at.value.starts_with('$') || at.value.chars().any(char::is_control) || mask::has_private_key(&at.value) {
        // The user wrote the hash itself, or even a private key.
        problems.hide(at.span.clone());
        problems.push(
            Problem::new("`password-hash-file` is the name of a file, and this is none")
                .at(at.span.clone(), "not a file's name")
                .help("put the hash into a file that only you can read, and name the file here"),
        );
        return None;
    }
    let path = files.locate(&at.value);
    let read = files.read_secret(&path);
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(error) => {
            let help = format!("mkpasswd > {0}; chmod 600 {0}", path.display());
            problems.push(bad_file(at, &path, "password hash", error, help));
            return None;
        }
    };
    let text = String::from_utf8(bytes).unwrap_or_default();
    let hash = text.trim_end_matches(['\n', '\r']);
    match crypt::check(hash) {
        Ok(()) => Some(Some(SecretText::new(hash.to_owned()))),
        Err(error) => {
            let help = "the file holds one line, as `mkpasswd` prints it (\"$y$…\")";
            problems.push(bad_file(at, &path, "password hash", error, help));
            None
        }
    }
}
