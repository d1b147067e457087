//! Reads and changes the few things of a flattened device tree (Devicetree Specification v0.4,
//! chapter 5) that the emulator needs: the number that an alias gives to a device, and whether a
//! USB controller is a host.

use std::ops::{ControlFlow, Range};

const BEGIN: u32 = 1;
const END: u32 = 2;
const PROPERTY: u32 = 3;
const NOTHING: u32 = 4;

/// Returns the number that an alias gives to a device: 1 for `serial1 = "/soc/serial@7e215040"`.
/// The name of the alias begins with `prefix`, the path of the device ends with `unit`. Returns
/// `None` if there is no such alias, or if `tree` is not a device tree.
pub fn alias(tree: &[u8], prefix: &str, unit: &str) -> Option<u32> {
    let mut found = None;
    properties(tree, |path, name, value| {
        let value = tree.get(value).unwrap_or_default();
        let value = value.strip_suffix(b"\0").unwrap_or(value);
        if path == [&b""[..], &b"aliases"[..]] && value.ends_with(unit.as_bytes()) {
            let number = std::str::from_utf8(name)
                .ok()
                .and_then(|name| name.strip_prefix(prefix));
            found = number.and_then(|number| number.parse().ok());
        }
        match found {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    });
    found
}

/// Makes the USB controller named `unit` an enabled host if it is a peripheral or disabled (Linux:
/// Documentation/devicetree/bindings/usb/usb-drd.yaml). Returns whether something changed.
pub fn make_host(tree: &mut [u8], unit: &str) -> bool {
    let mut changes: Vec<(Range<usize>, &[u8])> = Vec::new();
    properties(tree, |path, name, value| {
        let wanted: &[u8] = match name {
            b"dr_mode" => b"host",
            b"status" => b"okay",
            _ => return ControlFlow::Continue(()),
        };
        let old = tree.get(value.clone()).unwrap_or_default();
        // The new string may be shorter than its place. The rest of the place becomes empty
        // strings.
        let is_right = old.split(|byte| *byte == 0).next() == Some(wanted) || old == b"ok\0";
        if path.last() == Some(&unit.as_bytes()) && !is_right && old.len() > wanted.len() {
            changes.push((value, wanted));
        }
        ControlFlow::Continue(())
    });
    for (place, wanted) in &changes {
        if let Some(old) = tree.get_mut(place.clone()) {
            old.fill(0);
            old[..wanted.len()].copy_from_slice(wanted);
        }
    }
    !changes.is_empty()
}

/// Calls `show` for each property with the names of the nodes on the path to it, its own name, and
/// the range of its value. Ends early when `show` breaks. Returns `None` if `tree` is not a device
/// tree.
fn properties(tree: &[u8], mut show: impl FnMut(&[&[u8]], &[u8], Range<usize>) -> ControlFlow<()>) -> Option<()> {
    let mut at = usize::try_from(word(tree, 8)?).ok()?;
    let names = usize::try_from(word(tree, 12)?).ok()?;
    let mut path: Vec<&[u8]> = Vec::new();
    loop {
        let token = word(tree, at)?;
        at = at.checked_add(4)?;
        match token {
            BEGIN => {
                let name = string(tree, at)?;
                at = aligned(at.checked_add(name.len() + 1)?)?;
                path.push(name);
            }
            END => {
                path.pop()?;
            }
            PROPERTY => {
                let length = usize::try_from(word(tree, at)?).ok()?;
                let offset = usize::try_from(word(tree, at.checked_add(4)?)?).ok()?;
                let begin = at.checked_add(8)?;
                let end = begin.checked_add(length).filter(|end| *end <= tree.len())?;
                at = aligned(end)?;
                if show(&path, string(tree, names.checked_add(offset)?)?, begin..end).is_break() {
                    return Some(());
                }
            }
            NOTHING => {}
            // The end token, or a token that the format does not have.
            _ => return None,
        }
    }
}

/// Returns the big-endian word at `at`.
fn word(tree: &[u8], at: usize) -> Option<u32> {
    let bytes = tree.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// Returns the string from `at` up to the next NUL.
fn string(tree: &[u8], at: usize) -> Option<&[u8]> {
    let rest = tree.get(at..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    Some(&rest[..end])
}

fn aligned(at: usize) -> Option<usize> {
    at.checked_next_multiple_of(4)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns a device tree with these aliases.
    pub(crate) fn tree(aliases: &[(&str, &str)]) -> Vec<u8> {
        let mut body = Vec::new();
        let mut names = Vec::new();
        let put = |body: &mut Vec<u8>, word: u32| body.extend(word.to_be_bytes());
        let pad = |body: &mut Vec<u8>| body.resize(body.len().next_multiple_of(4), 0);
        put(&mut body, BEGIN);
        put(&mut body, 0);
        put(&mut body, NOTHING);
        for node in ["soc", "aliases"] {
            put(&mut body, BEGIN);
            body.extend(node.as_bytes());
            body.push(0);
            pad(&mut body);
            for (name, path) in aliases {
                put(&mut body, PROPERTY);
                put(&mut body, path.len() as u32 + 1);
                put(&mut body, names.len() as u32);
                body.extend(path.as_bytes());
                body.push(0);
                pad(&mut body);
                // The node that is not asked about has other property names.
                names.extend(if node == "soc" { "serial9" } else { name }.as_bytes());
                names.push(0);
            }
            put(&mut body, END);
        }
        put(&mut body, END);
        put(&mut body, 9);
        let mut tree = vec![0xd0, 0x0d, 0xfe, 0xed, 0, 0, 0, 0];
        put(&mut tree, 40);
        put(&mut tree, 40 + body.len() as u32);
        tree.resize(40, 0);
        tree.extend(body);
        tree.extend(names);
        tree
    }

    #[test]
    fn aliases_number_devices() {
        let all = tree(&[
            ("ethernet", "/soc/usb@7e980000"),
            ("serial0", "/soc/serial@7e201000"),
            ("serial1", "/soc/serial@7e215040"),
        ]);
        assert_eq!(alias(&all, "serial", "serial@7e215040"), Some(1));
        assert_eq!(alias(&all, "serial", "serial@7e201000"), Some(0));
        assert_eq!(alias(&all, "serial", "serial@0"), None);
        assert_eq!(alias(&all, "i2c", "serial@7e201000"), None);
    }

    #[test]
    fn a_usb_controller_becomes_a_host_in_its_place() {
        let peripheral = tree(&[("dr_mode", "peripheral"), ("status", "disabled")]);
        let mut changed = peripheral.clone();
        assert!(!make_host(&mut changed, "usb@7e980000"), "no such node");
        assert!(changed == peripheral);
        assert!(make_host(&mut changed, "aliases"));
        assert!(changed.len() == peripheral.len());
        let has = |tree: &[u8], words: &[u8]| tree.windows(words.len()).any(|window| window == words);
        assert!(has(&changed, b"host\0\0\0\0\0\0\0") && has(&changed, b"okay\0\0\0\0\0"));
        // The properties of another node stay as they are.
        assert!(!make_host(&mut changed, "aliases"), "it is one already");
        for good in [&[("dr_mode", "host"), ("status", "okay")][..], &[("status", "ok")], &[]] {
            let mut tree = tree(good);
            assert!(!make_host(&mut tree, "aliases"), "{good:?}");
        }
    }

    #[test]
    fn a_damaged_tree_has_no_aliases_and_does_no_harm() {
        let whole = tree(&[("serial1", "/soc/serial@7e215040")]);
        for length in 0..whole.len() - 1 {
            let _ = alias(&whole[..length], "serial", "serial@7e215040");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[at] ^= 1 << bit;
                let _ = alias(&changed, "serial", "serial@7e215040");
                make_host(&mut changed, "soc");
            }
        }
        assert_eq!(alias(b"", "serial", "x"), None);
    }
}
