//! A file tree in memory: tests and dry runs read it in place of a disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::io::{FileTree, Metadata, NodeType, unreadable};
use kraken_foundation::Result;

/// The maximum number of symbolic links in one path (Linux's own limit, path_resolution(7)).
const MAX_LINKS: usize = 40;

/// A [`FileTree`] in memory. Directories on the way to an entry exist implicitly, as
/// `0755 root:root`.
#[derive(Clone, Debug, Default)]
pub struct MemoryTree {
    nodes: BTreeMap<String, Node>,
}

#[derive(Clone, Debug)]
struct Node {
    body: Body,
    mode: u16,
    uid: u32,
    gid: u32,
    mtime: i64,
}

#[derive(Clone, Debug)]
enum Body {
    File(Arc<[u8]>),
    Directory,
    Symlink(String),
}

impl MemoryTree {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a regular file, `0644 root:root`.
    pub fn file(&mut self, path: &str, bytes: impl Into<Arc<[u8]>>) -> &mut Self {
        self.put(path, Body::File(bytes.into()), 0o644)
    }

    /// Adds a directory, `0755 root:root`.
    pub fn directory(&mut self, path: &str) -> &mut Self {
        self.put(path, Body::Directory, 0o755)
    }

    /// Adds or replaces a symbolic link.
    pub fn symlink(&mut self, path: &str, target: &str) -> &mut Self {
        self.put(path, Body::Symlink(target.to_owned()), 0o777)
    }

    /// Sets mode, owner, group and modification time (seconds since 1970-01-01 UTC) of an existing
    /// entry.
    pub fn set_attributes(&mut self, path: &str, mode: u16, uid: u32, gid: u32, mtime: i64) -> &mut Self {
        let key = self.resolve(path).unwrap_or_else(|| clean(path));
        if let Some(node) = self.nodes.get_mut(&key) {
            (node.mode, node.uid, node.gid, node.mtime) = (mode, uid, gid, mtime);
        }
        self
    }

    /// Removes a file or link; a directory only when it is empty.
    pub fn remove(&mut self, path: &str) -> &mut Self {
        if let Some(key) = self.resolve(path) {
            let prefix = format!("{key}/");
            if !self.nodes.keys().any(|other| other.starts_with(&prefix)) {
                self.nodes.remove(&key);
            }
        }
        self
    }

    fn put(&mut self, path: &str, body: Body, mode: u16) -> &mut Self {
        let key = self.resolve(path).unwrap_or_else(|| clean(path));
        let mut parent = String::new();
        for part in key.split('/').filter(|part| !part.is_empty()) {
            if !parent.is_empty() {
                self.nodes.entry(parent.clone()).or_insert_with(|| Node {
                    body: Body::Directory,
                    mode: 0o755,
                    uid: 0,
                    gid: 0,
                    mtime: 0,
                });
            }
            parent.push('/');
            parent.push_str(part);
        }
        let keep = matches!(body, Body::Directory) && self.nodes.contains_key(&key);
        if !keep {
            let node = Node {
                body,
                mode,
                uid: 0,
                gid: 0,
                mtime: 0,
            };
            self.nodes.insert(key, node);
        }
        self
    }

    /// Follows links in all components but the last; `None` when they lead in circles or above the
    /// root.
    fn resolve(&self, path: &str) -> Option<String> {
        let mut todo: Vec<String> = parts(path).rev().map(str::to_owned).collect();
        let mut done: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = todo.pop() {
            if part == ".." {
                done.pop();
                continue;
            }
            done.push(part);
            let here = format!("/{}", done.join("/"));
            if todo.is_empty() {
                return Some(here);
            }
            if let Some(Body::Symlink(target)) = self.nodes.get(&here).map(|node| &node.body) {
                links += 1;
                if links > MAX_LINKS {
                    return None;
                }
                done.pop();
                if target.starts_with('/') {
                    done.clear();
                }
                todo.extend(parts(target).rev().map(str::to_owned));
            }
        }
        Some("/".to_owned())
    }

    fn get(&self, path: &str) -> Option<&Node> {
        self.nodes.get(&self.resolve(path)?)
    }
}

fn parts(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}

fn clean(path: &str) -> String {
    format!("/{}", parts(path).collect::<Vec<_>>().join("/"))
}

impl FileTree for MemoryTree {
    fn metadata(&self, path: &str) -> Result<Option<Metadata>> {
        if self.resolve(path).as_deref() == Some("/") {
            return Ok(Some(Metadata {
                node: NodeType::Directory,
                size: 0,
                mode: 0o755,
                uid: 0,
                gid: 0,
                mtime: Some(0),
            }));
        }
        Ok(self.get(path).map(|node| {
            let (node_type, size) = match &node.body {
                Body::File(bytes) => (NodeType::File, bytes.len() as u64),
                Body::Directory => (NodeType::Directory, 0),
                Body::Symlink(target) => (NodeType::Symlink, target.len() as u64),
            };
            Metadata {
                node: node_type,
                size,
                mode: node.mode,
                uid: node.uid,
                gid: node.gid,
                mtime: Some(node.mtime),
            }
        }))
    }

    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        match self.get(path).map(|node| &node.body) {
            Some(Body::File(bytes)) if bytes.len() as u64 > limit => {
                let why = format_args!("the file has {} bytes, more than the {limit} allowed", bytes.len());
                Err(unreadable(path, "memory", why))
            }
            Some(Body::File(bytes)) => Ok(Some(bytes.to_vec())),
            _ => Ok(None),
        }
    }

    fn read_link(&self, path: &str) -> Result<Option<String>> {
        Ok(self.get(path).and_then(|node| match &node.body {
            Body::Symlink(target) => Some(target.clone()),
            _ => None,
        }))
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        let Some(key) = self.resolve(path) else {
            return Ok(Vec::new());
        };
        let prefix = if key == "/" { key } else { format!("{key}/") };
        Ok(self
            .nodes
            .range(prefix.clone()..)
            .take_while(|(other, _)| other.starts_with(&prefix))
            .filter_map(|(other, _)| other.strip_prefix(&prefix))
            .filter(|name| !name.contains('/'))
            .map(str::to_owned)
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_in_the_middle_are_followed_the_last_is_not() {
        let mut tree = MemoryTree::new();
        tree.file("/usr/bin/sh", *b"elf")
            .symlink("/bin", "usr/bin")
            .symlink("/usr/bin/dash", "sh");
        assert_eq!(tree.read("/bin/sh", 10).unwrap().unwrap(), b"elf");
        assert_eq!(tree.read("/bin/dash", 10).unwrap(), None);
        assert_eq!(tree.read_link("/bin/dash").unwrap().unwrap(), "sh");
        assert_eq!(
            tree.list("/bin").unwrap(),
            Vec::<String>::new(),
            "the last component is a link"
        );
        assert_eq!(tree.list("/usr/bin").unwrap(), ["dash", "sh"]);
        assert_eq!(tree.list("/").unwrap(), ["bin", "usr"]);
    }

    #[test]
    fn circles_and_escapes_find_nothing() {
        let mut tree = MemoryTree::new();
        tree.symlink("/a", "b").symlink("/b", "a").file("/etc/x", *b"x");
        assert_eq!(tree.read("/a/x", 10).unwrap(), None);
        assert_eq!(tree.read("/../../etc/x", 10).unwrap().unwrap(), b"x");
    }

    #[test]
    fn a_file_over_the_limit_is_an_error() {
        let mut tree = MemoryTree::new();
        tree.file("/x", *b"12345");
        assert!(tree.read("/x", 4).is_err());
    }
}
