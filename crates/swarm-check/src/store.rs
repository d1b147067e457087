//! The cluster's store, built from a manager's log (swarmkit, `api/raft.proto`,
//! `api/snapshot.proto`, `manager/state/store`).

use std::collections::BTreeMap;

use kraken_foundation::{Error, Result};

use super::ca::ClusterObject;
use super::kind::Kind;
use super::node_object::NodeObject;
use super::objects::{NetworkObject, Object};
use super::proto::{fields, unknown, without};

/// The maximum number of objects in a store: our own limit, not Docker's.
const MOST: usize = 1_000_000;

/// Actions that can be read, and that the store does not take: in the chain of the error with which
/// [`Store::apply`] refuses them. Docker writes a line to its log and continues without any action
/// of the entry, so [`read`](crate::read()) reports such an entry and goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RefusedAction(String);

fn refused(why: String) -> Error {
    Error::typed(kraken_foundation::Kind::Damaged, RefusedAction(why))
}

/// An object exists already.
fn exists(kind: Kind, id: &str) -> Error {
    refused(format!("there is a {kind:?} {id} already"))
}

/// An object does not exist.
fn missing(kind: Kind, id: &str) -> Error {
    refused(format!("there is no {kind:?} {id}"))
}

/// Another object has the name of the new one.
fn name_taken(kind: Kind, id: &str) -> Error {
    refused(format!("there is another {kind:?} with the name of {id}"))
}

/// The objects of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Store {
    objects: BTreeMap<(Kind, String), Object>,
    /// Names in use, in small letters, each with the ID of its object.
    names: BTreeMap<(Kind, String), String>,
}

impl Store {
    /// Returns the cluster; `None` when there is none, or when there are several.
    pub fn cluster(&self) -> Option<&ClusterObject> {
        let mut found = self.of(Kind::Cluster).filter_map(|object| match object {
            Object::Cluster(cluster) => Some(&**cluster),
            _ => None,
        });
        found.next().filter(|_| found.next().is_none())
    }

    /// The nodes, by ID.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeObject> {
        self.of(Kind::Node).filter_map(|object| match object {
            Object::Node(node) => Some(&**node),
            _ => None,
        })
    }

    /// A node.
    pub fn node(&self, id: &str) -> Option<&NodeObject> {
        match self.objects.get(&(Kind::Node, id.to_owned())) {
            Some(Object::Node(node)) => Some(node),
            _ => None,
        }
    }

    /// The networks, by ID.
    pub fn networks(&self) -> impl Iterator<Item = &NetworkObject> {
        self.of(Kind::Network).filter_map(|object| match object {
            Object::Network(network) => Some(network),
            _ => None,
        })
    }

    /// All objects of a kind, by ID.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Object> {
        let range = self.objects.range((kind, String::new())..);
        range
            .take_while(move |((of, _), _)| *of == kind)
            .map(|(_, object)| object)
    }

    /// How many objects there are of each kind.
    pub fn counts(&self) -> BTreeMap<Kind, usize> {
        let mut counts = BTreeMap::new();
        for (kind, _) in self.objects.keys() {
            *counts.entry(*kind).or_default() += 1;
        }
        counts
    }

    /// Applies the actions of an `InternalRaftRequest`: all of them, or none.
    ///
    /// # Errors
    /// When the actions cannot be read, or are refused ([`RefusedAction`]); the store is then as it
    /// was.
    pub fn apply(&mut self, request: &[u8]) -> Result<()> {
        let mut undo = Vec::new();
        let done = self.actions(request, &mut undo);
        if done.is_err() {
            for Applied { kind, id, before } in undo.into_iter().rev() {
                self.take(kind, &id);
                if let Some(object) = before {
                    self.put(kind, object);
                }
            }
        }
        done
    }

    /// Builds the store of a `StoreSnapshot`.
    ///
    /// # Errors
    /// When it cannot be read, or its objects contradict each other ([`RefusedAction`]).
    pub fn from_snapshot(snapshot: &[u8]) -> Result<Self> {
        let mut store = Self::default();
        for field in fields(snapshot) {
            let field = field?;
            if let Some(kind) = Kind::of_snapshot(field.number) {
                store.create(kind, kind.read(field.bytes()?)?)?;
            }
        }
        Ok(store)
    }

    fn actions(&mut self, request: &[u8], undo: &mut Vec<Applied>) -> Result<()> {
        for field in fields(request) {
            let field = field?;
            if field.number == 2 {
                undo.push(self.action(field.bytes()?)?);
            }
        }
        Ok(())
    }

    /// Applies a `StoreAction`.
    fn action(&mut self, bytes: &[u8]) -> Result<Applied> {
        let (mut action, mut target) = (0, None);
        for field in fields(bytes) {
            let field = field?;
            if field.number == 1 {
                action = field.uint()?;
            } else if let Some(kind) = Kind::of_action(field.number) {
                target = Some((kind, field.bytes()?));
            }
        }
        let (kind, bytes) = target.ok_or_else(|| without("object that we know"))?;
        let object = kind.read(bytes)?;
        let id = object.id().to_owned();
        let before = match action {
            1 => {
                self.create(kind, object)?;
                None
            }
            2 => Some(self.update(kind, object)?),
            3 => Some(self.take(kind, &id).ok_or_else(|| missing(kind, &id))?),
            number => return Err(unknown("action", number)),
        };
        Ok(Applied { kind, id, before })
    }

    fn create(&mut self, kind: Kind, object: Object) -> Result<()> {
        let id = object.id().to_owned();
        if self.objects.contains_key(&(kind, id.clone())) {
            return Err(exists(kind, &id));
        }
        if self.holder(kind, &object).is_some() {
            return Err(name_taken(kind, &id));
        }
        if self.objects.len() >= MOST {
            return Err(refused("there are more than 1,000,000 objects".into()));
        }
        self.put(kind, object);
        Ok(())
    }

    fn update(&mut self, kind: Kind, object: Object) -> Result<Object> {
        let id = object.id().to_owned();
        if self.holder(kind, &object).is_some_and(|holder| holder != id) {
            return Err(name_taken(kind, &id));
        }
        let Some(before) = self.take(kind, &id) else {
            return Err(missing(kind, &id));
        };
        self.put(kind, object);
        Ok(before)
    }

    /// Returns the ID of the object that has this object's name.
    fn holder(&self, kind: Kind, object: &Object) -> Option<&str> {
        let name = (kind, object.name().to_lowercase());
        self.names.get(&name).map(String::as_str)
    }

    fn put(&mut self, kind: Kind, object: Object) {
        if kind.has_unique_names() {
            let name = (kind, object.name().to_lowercase());
            self.names.insert(name, object.id().to_owned());
        }
        self.objects.insert((kind, object.id().to_owned()), object);
    }

    fn take(&mut self, kind: Kind, id: &str) -> Option<Object> {
        let object = self.objects.remove(&(kind, id.to_owned()))?;
        if kind.has_unique_names() {
            self.names.remove(&(kind, object.name().to_lowercase()));
        }
        Some(object)
    }
}

/// An action that was applied to the object of this kind and ID.
struct Applied {
    kind: Kind,
    id: String,
    /// What was there before.
    before: Option<Object>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a request of actions on secrets: the action, ID, name.
    fn request(actions: &[(u8, &str, &str)]) -> Vec<u8> {
        let part = |number: u8, bytes: &[u8]| {
            let mut part = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
            part.extend_from_slice(bytes);
            part
        };
        let mut request = vec![0x08, 1];
        for (action, id, name) in actions {
            let mut secret = part(1, id.as_bytes());
            secret.extend(part(3, &part(1, &part(1, name.as_bytes()))));
            let mut bytes = vec![0x08, *action];
            bytes.extend(part(7, &secret));
            request.extend(part(2, &bytes));
        }
        request
    }

    fn names(store: &Store) -> Vec<(&str, &str)> {
        let secrets = store.of(Kind::Secret);
        secrets.map(|secret| (secret.id(), secret.name())).collect()
    }

    #[test]
    fn objects_are_made_changed_and_removed() {
        let mut store = Store::default();
        store.apply(&request(&[(1, "a", "one"), (1, "b", "two")])).unwrap();
        store.apply(&request(&[(2, "a", "three"), (3, "b", "")])).unwrap();
        assert_eq!(names(&store), [("a", "three")]);
        store.apply(&request(&[(1, "c", "ONE"), (1, "d", "two")])).unwrap();
        assert_eq!(names(&store), [("a", "three"), ("c", "ONE"), ("d", "two")]);
        assert_eq!(store.counts(), [(Kind::Secret, 3)].into());
        store.apply(b"").unwrap();
    }

    #[test]
    fn an_entry_that_fails_changes_nothing() {
        let mut store = Store::default();
        store.apply(&request(&[(1, "a", "one"), (1, "b", "two")])).unwrap();
        let before = store.clone();
        for (actions, wanted, is_refused) in [
            (
                vec![(1, "c", "three"), (1, "a", "x")],
                "there is a Secret a already",
                true,
            ),
            (
                vec![(2, "a", "three"), (1, "c", "one"), (1, "d", "TWO")],
                "there is another Secret with the name of d",
                true,
            ),
            (
                vec![(3, "a", ""), (2, "b", "one"), (2, "x", "x")],
                "there is no Secret x",
                true,
            ),
            (vec![(3, "b", ""), (3, "b", "")], "there is no Secret b", true),
            (
                vec![(3, "a", ""), (4, "b", "")],
                "its action is 4, which we do not know",
                false,
            ),
            (vec![(1, "", "x")], "it has no ID", false),
        ] {
            let error = store.apply(&request(&actions)).unwrap_err();
            assert_eq!(error.to_string(), wanted);
            assert_eq!(error.downcast_ref::<RefusedAction>().is_some(), is_refused, "{wanted}");
            assert_eq!(store, before);
        }
        assert!(store.apply(b"\x12\x02\x08\x01").is_err());
        assert!(store.apply(b"\x12\x09").is_err());
    }

    #[test]
    fn a_snapshot_gives_a_store() {
        let secrets = b"\x32\x0a\x0a\x01a\x1a\x05\x0a\x03\x0a\x01x\x5a\x00";
        assert_eq!(names(&Store::from_snapshot(secrets).unwrap()), [("a", "x")]);
        assert!(Store::from_snapshot(b"\x32\x03\x0a\x01a\x32\x03\x0a\x01a").is_err());
        assert!(Store::from_snapshot(b"\x30\x01").is_err());
    }
}
