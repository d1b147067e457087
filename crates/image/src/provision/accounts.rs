//! The user's account, written directly into the image's passwd(5), shadow(5), group(5) and related
//! files.
//!
//! It is written directly because a card must let its user in even when cloud-init fails, and
//! because Raspberry Pi OS answers an account made by cloud-init with its "rename user" wizard.
//! cloud-init does not change an account that already exists.

use std::collections::BTreeSet;

use kraken_disk::FileTree;
use kraken_foundation::Result;
use kraken_overlay::Entry;
use kraken_spec::{Cluster, Sudo, User};

use super::error;
use super::home::{Owner, home_folder, home_place, is_home};
use super::image::{Draft, exists, first, text};
use super::pi_account::PI;
use super::{docker, sudo};

/// The ids that adduser(8) and login.defs(5) give to people.
const PEOPLE: std::ops::RangeInclusive<u32> = 1000..=59_999;
/// The ids of system groups (login.defs(5)).
const SYSTEM: std::ops::RangeInclusive<u32> = 100..=999;
/// The group whose members may use dockerd.
const DOCKER: &str = "docker";
/// The first subordinate id, and how many each user gets (login.defs(5): SUB_UID_MIN,
/// SUB_UID_COUNT).
const SUB_ID_MIN: u64 = 100_000;
const SUB_ID_COUNT: u64 = 65_536;
/// Groups whose members may become root; left out when `sudo = "none"`.
const ROOT_GROUPS: [&str; 3] = ["sudo", "admin", "wheel"];

/// The lines of one colon-separated table.
struct Table {
    path: &'static str,
    lines: Vec<String>,
}

impl Table {
    fn read(root: &dyn FileTree, path: &'static str) -> Result<Option<Self>> {
        Ok(text(root, path)?.map(|text| Self {
            path,
            // Not `lines()`, which would drop a carriage return at each pass.
            lines: text.split_terminator('\n').map(str::to_owned).collect(),
        }))
    }

    fn needed(root: &dyn FileTree, path: &'static str) -> Result<Self> {
        Self::read(root, path)?
            .ok_or_else(|| error::missing(path, "use an image of Raspberry Pi OS or Debian as the base"))
    }

    fn row(&self, name: &str) -> Option<Vec<String>> {
        let line = self.lines.iter().find(|line| line.split(':').next() == Some(name))?;
        Some(line.split(':').map(str::to_owned).collect())
    }

    /// Replaces the line of that name, or adds one.
    fn set(&mut self, fields: &[String]) {
        let line = fields.join(":");
        let same = |other: &&mut String| other.split(':').next() == fields.first().map(String::as_str);
        match self.lines.iter_mut().find(same) {
            Some(old) => *old = line,
            None => self.lines.push(line),
        }
    }

    /// Returns the numbers in a column of all lines.
    fn numbers(&self, column: usize) -> BTreeSet<u32> {
        self.lines
            .iter()
            .filter_map(|line| line.split(':').nth(column)?.parse().ok())
            .collect()
    }

    fn number(&self, row: &[String], column: usize) -> Result<u32> {
        row.get(column).and_then(|field| field.parse().ok()).ok_or_else(|| {
            error::image(
                self.path,
                &format!(
                    "the line of `{}` has no number where its id belongs; correct the base image",
                    row[0]
                ),
            )
        })
    }

    /// Adds a member to the group of that name, in the last of four columns (group(5), gshadow(5)).
    fn join(&mut self, group: &str, user: &str) {
        let Some(mut row) = self.row(group).filter(|row| row.len() == 4) else {
            return;
        };
        let members = &mut row[3];
        if !members.split(',').any(|member| member == user) {
            if !members.is_empty() {
                members.push(',');
            }
            members.push_str(user);
            self.set(&row);
        }
    }

    /// Removes a member from the group of that name, in the last of four columns (group(5),
    /// gshadow(5)).
    fn leave(&mut self, group: &str, user: &str) {
        if let Some(mut row) = self.row(group).filter(|row| row.len() == 4) {
            let kept: Vec<&str> = row[3].split(',').filter(|member| *member != user).collect();
            row[3] = kept.join(",");
            self.set(&row);
        }
    }

    /// Adds the user to these groups, and removes a user who may not become root from the groups
    /// that allow it.
    fn members(&mut self, groups: &[String], user: &User) {
        for name in groups {
            self.join(name, &user.name);
        }
        if user.sudo == Sudo::None {
            for name in ROOT_GROUPS {
                self.leave(name, &user.name);
            }
        }
    }

    fn write(self, draft: &mut Draft<'_>, mode: u16) -> Result<()> {
        let mut text = self.lines.join("\n");
        text.push('\n');
        draft.edited(self.path, text, mode)
    }
}

/// Returns the groups of the spec that the image has and that the user may be in, and `docker` when
/// requested.
pub(super) fn groups(root: &dyn FileTree, cluster: &Cluster) -> Result<Vec<String>> {
    let user = &cluster.user;
    let known = Table::needed(root, "/etc/group")?;
    let joins = docker::user_joins(cluster);
    let allowed = |group: &str| user.sudo != Sudo::None || !ROOT_GROUPS.contains(&group);
    let named = user.groups.iter().filter(|group| *group != DOCKER || !joins);
    let mut groups: Vec<String> = named
        .filter(|group| allowed(group) && known.row(group).is_some())
        .cloned()
        .collect();
    if joins {
        groups.push(DOCKER.to_owned());
    }
    Ok(groups)
}

/// Adds the account, its home and its rights to the draft.
pub(super) fn account(draft: &mut Draft<'_>) -> Result<()> {
    let root = draft.ctx.root;
    let user = &draft.ctx.cluster.user;
    refuse_separators(user)?;
    let groups = groups(root, draft.ctx.cluster)?;
    let with_docker = docker::has_group(draft.ctx.cluster);

    let mut passwd = Table::needed(root, "/etc/passwd")?;
    let mut group = Table::needed(root, "/etc/group")?;
    let Owner { uid, gid } = ids(&passwd, &group, &user.name)?;
    let home = home_of(&passwd, &user.name);
    let place = home_place(root, &home)?;
    let shell = login_shell(root)?;
    let fields = [&user.name, "x", &uid.to_string(), &gid.to_string(), "", &home, shell];
    let mut row = passwd.row(&user.name).unwrap_or(fields.map(str::to_owned).to_vec());
    row.resize(fields.len(), String::new());
    // Any value other than `x` is a password, or no password at all (passwd(5)).
    row[1] = "x".to_owned();
    row[5] = home;
    if !gives_a_login(root, &row[6])? {
        row[6] = shell.to_owned();
    }
    passwd.set(&row);
    forget_pi(draft, &passwd, user)?;
    if !group.numbers(2).contains(&gid) && group.row(&user.name).is_none() {
        group.set(&[&user.name, "x", &gid.to_string(), ""].map(str::to_owned));
    }
    if with_docker && group.row(DOCKER).is_none() {
        let gid = system_group(&group)?;
        group.set(&[DOCKER, "x", &gid.to_string(), ""].map(str::to_owned));
    }
    group.members(&groups, user);
    passwd.write(draft, 0o644)?;
    group.write(draft, 0o644)?;

    shadow(draft, user)?;
    if let Some(mut gshadow) = Table::read(root, "/etc/gshadow")? {
        if gshadow.row(&user.name).is_none() {
            gshadow.set(&[&user.name, "!", "", ""].map(str::to_owned));
        }
        if with_docker && gshadow.row(DOCKER).is_none() {
            gshadow.set(&[DOCKER, "!", "", ""].map(str::to_owned));
        }
        gshadow.members(&groups, user);
        gshadow.write(draft, 0o640)?;
    }
    subordinate_ids(draft, "/etc/subuid", &user.name)?;
    subordinate_ids(draft, "/etc/subgid", &user.name)?;
    home_folder(draft, user, &place, Owner { uid, gid })?;
    sudo::sudoers(draft, user)
}

/// Returns the first login shell that the image has; bash when it has none.
fn login_shell(root: &dyn FileTree) -> Result<&'static str> {
    const SHELLS: [&str; 4] = ["/bin/bash", "/usr/bin/bash", "/bin/sh", "/usr/bin/sh"];
    Ok(first(root, &SHELLS)?.unwrap_or(SHELLS[0]))
}

/// Returns whether this shell gives a login. Raspberry Pi OS Trixie gives `pi` a shell that
/// refuses, and cloud-init does not change the shell of an existing account. An empty field means
/// `/bin/sh` (passwd(5)).
fn gives_a_login(root: &dyn FileTree, shell: &str) -> Result<bool> {
    const NONE: [&str; 6] = ["nologin", "false", "true", "sync", "halt", "shutdown"];
    let name = shell.rsplit('/').next().unwrap_or_default();
    Ok(shell.starts_with('/') && !NONE.contains(&name) && exists(root, shell)?)
}

/// When the user is not `pi`, removes the keys of the `pi` of a Raspberry Pi OS, so that its
/// earlier owner has no access; [`shadow`] removes its password.
fn forget_pi(draft: &mut Draft<'_>, passwd: &Table, user: &User) -> Result<()> {
    let home = match passwd.row(PI) {
        Some(row) if draft.ctx.os.raspberry_pi_os && user.name != PI => row.get(5).cloned().unwrap_or_default(),
        _ => return Ok(()),
    };
    if is_home(&home) {
        for keys in ["authorized_keys", "authorized_keys2"] {
            draft.root(&format!("{home}/.ssh/{keys}"), Entry::absent())?;
        }
    }
    Ok(())
}

/// The spec already checks all of this. A colon here would make another account, so it is checked
/// again where it matters.
fn refuse_separators(user: &User) -> Result<()> {
    let hash = user.password_hash.as_ref().map_or("", |hash| hash.reveal());
    let bad = |text: &str| text.contains(':') || text.chars().any(|c| c.is_control());
    if bad(&user.name) || user.name.contains(['/', ',']) || user.name.is_empty() || bad(hash) {
        return Err(error::image(
            "/etc/passwd",
            "the user's name or password hash has a separator or control character; correct [user] in kraken.toml",
        ));
    }
    Ok(())
}

/// Returns the ids of the account, or the first number from 1000 that is free as user and as group.
fn ids(passwd: &Table, group: &Table, name: &str) -> Result<Owner> {
    if let Some(row) = passwd.row(name) {
        let uid = passwd.number(&row, 2)?;
        if !PEOPLE.contains(&uid) {
            // The "home" of a system account may be /usr/sbin.
            return Err(error::image(
                passwd.path,
                &format!("`{name}` is an account of the system there; choose another [user] name"),
            ));
        }
        let gid = passwd.number(&row, 3)?;
        return Ok(Owner { uid, gid });
    }
    let users = passwd.numbers(2);
    let groups = group.numbers(2);
    let own_group = match group.row(name) {
        Some(row) => Some(group.number(&row, 2)?),
        None => None,
    };
    if let Some(gid) = own_group.filter(|gid| !PEOPLE.contains(gid)) {
        // The account would have the rights of the system group, such as those of `kvm` on its
        // devices.
        return Err(error::image(
            group.path,
            &format!(
                "`{name}` is a group of the system there ({gid}), and an account of that name would be in it; choose another [user] name"
            ),
        ));
    }
    let free = |id: &u32| !users.contains(id) && (own_group.is_some() || !groups.contains(id));
    let uid = PEOPLE.clone().find(free).ok_or_else(|| {
        error::image(
            passwd.path,
            "no user id from 1000 to 59999 is free; use a cleaner base image",
        )
    })?;
    let gid = own_group.unwrap_or(uid);
    Ok(Owner { uid, gid })
}

/// Returns the number that groupadd(8) would give to a new system group: the highest free one.
fn system_group(group: &Table) -> Result<u32> {
    let taken = group.numbers(2);
    SYSTEM.rev().find(|gid| !taken.contains(gid)).ok_or_else(|| {
        error::image(
            group.path,
            "no group id from 100 to 999 is free; use a cleaner base image",
        )
    })
}

/// Returns the home of the account, else the default.
fn home_of(passwd: &Table, name: &str) -> String {
    passwd
        .row(name)
        .and_then(|row| row.get(5).cloned())
        .filter(|home| is_home(home))
        .unwrap_or_else(|| format!("/home/{name}"))
}

/// Sets the password: the given hash, or one that never matches. That is `*`, not `!`: sshd without
/// PAM refuses an account with `!` even with a key (openssh, `LOCKED_PASSWD_PREFIX`).
fn shadow(draft: &mut Draft<'_>, user: &User) -> Result<()> {
    let mut shadow = Table::needed(draft.ctx.root, "/etc/shadow")?;
    let today = (draft.ctx.clock_floor / 86_400).max(1).to_string();
    let fresh = [&user.name, "*", &today, "0", "99999", "7", "", "", ""].map(str::to_owned);
    let mut row = shadow
        .row(&user.name)
        .filter(|row| row.len() == fresh.len())
        .unwrap_or(fresh.to_vec());
    // An existing account keeps neither a password set by another person, locked or not, nor
    // anything that locks its user out: a change that is due (0), a password that ages, an expired
    // account (shadow(5)).
    row[1] = user.password_hash.as_ref().map_or("*", |hash| hash.reveal()).to_owned();
    if row[2] == "0" {
        row[2] = today;
    }
    for column in 4..8 {
        row[column].clone_from(&fresh[column]);
    }
    shadow.set(&row);
    // Images before April 2022 have the account `pi` with a publicly known password.
    if draft.ctx.os.raspberry_pi_os
        && user.name != PI
        && let Some(mut row) = shadow
            .row(PI)
            .filter(|row| row.len() > 1 && !row[1].starts_with(['!', '*']))
    {
        row[1].insert(0, '!');
        shadow.set(&row);
    }
    shadow.write(draft, 0o640)
}

/// Adds a range of ids for the user's containers, after all existing ranges (subuid(5)).
fn subordinate_ids(draft: &mut Draft<'_>, path: &'static str, name: &str) -> Result<()> {
    let Some(mut table) = Table::read(draft.ctx.root, path)? else {
        return Ok(());
    };
    if table.row(name).is_none() {
        let end = |line: &String| {
            let mut fields = line.split(':').skip(1);
            let (start, count): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
            start.checked_add(count)
        };
        let start = table.lines.iter().filter_map(end).max().unwrap_or(0).max(SUB_ID_MIN);
        table.set(&[name.to_owned(), start.to_string(), SUB_ID_COUNT.to_string()]);
    }
    table.write(draft, 0o644)
}
