//! Follows symbolic links inside a file tree, including the last component, without ever leaving
//! it.

use super::io::{FileTree, unreadable};
use kraken_foundation::Result;

/// The maximum number of symbolic links in one path (Linux's own limit, path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Returns the path that `path` leads to when every symbolic link in it is followed, as a process
/// chrooted into the tree would see it. The target need not exist.
///
/// # Errors
/// When the file system is damaged there, or the links lead in circles.
pub fn real_path(tree: &dyn FileTree, path: &str) -> Result<String> {
    let mut todo: Vec<String> = components(path);
    let mut real = String::new();
    let mut links = 0;
    while let Some(part) = todo.pop() {
        if part == ".." {
            real.truncate(real.rfind('/').unwrap_or(0));
            continue;
        }
        let before = real.len();
        real.push('/');
        real.push_str(&part);
        let Some(target) = tree.read_link(&real)? else {
            continue;
        };
        links += 1;
        if links > MAX_LINKS {
            let why = format_args!("more than {MAX_LINKS} symbolic links lead on from it");
            return Err(unreadable(path, "image's", why));
        }
        real.truncate(if target.starts_with('/') { 0 } else { before });
        todo.extend(components(&target));
    }
    Ok(if real.is_empty() { "/".to_owned() } else { real })
}

/// Returns the components of a path, last first.
fn components(path: &str) -> Vec<String> {
    path.split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .rev()
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryTree;

    #[test]
    fn links_are_followed_inside_the_tree() {
        let mut tree = MemoryTree::new();
        tree.symlink("/bin", "usr/bin")
            .symlink("/usr/bin/sh", "dash")
            .symlink("/etc/default/locale", "../locale.conf")
            .symlink("/etc/out", "../../../../outside")
            .symlink("/etc/abs", "/usr/bin/sh");
        for (given, want) in [
            ("/bin/sh", "/usr/bin/dash"),
            ("/etc/default/locale", "/etc/locale.conf"),
            ("/etc/out", "/outside"),
            ("/etc/abs", "/usr/bin/dash"),
            ("/etc/none", "/etc/none"),
            ("/", "/"),
        ] {
            assert_eq!(real_path(&tree, given).unwrap(), want);
        }
    }

    #[test]
    fn circles_are_an_error() {
        let mut tree = MemoryTree::new();
        tree.symlink("/a", "b").symlink("/b", "a");
        assert!(real_path(&tree, "/a").is_err());
    }
}
