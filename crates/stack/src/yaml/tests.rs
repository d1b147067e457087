//! Trees of texts, and texts that are refused.

use super::*;

fn wrong(text: &str) -> String {
    let problem = read(text).unwrap_err();
    format!("{}:{} {problem}", problem.place().line, problem.place().column)
}

#[test]
fn places_are_lines_and_columns() {
    let tree = read("a:\n  - ü: \"x y\"\n    b: z\n").unwrap();
    let Value::List(list) = &tree.get("a").unwrap().value else {
        panic!()
    };
    let quoted = list[0].get("ü").unwrap().place;
    assert_eq!((quoted.line, quoted.column), (2, 8));
    assert_eq!(&"a:\n  - ü: \"x y\"\n    b: z\n"[quoted.span()], "\"x y\"");
    let plain = list[0].get("b").unwrap().place;
    assert_eq!((plain.line, plain.column, plain.end - plain.start), (3, 8, 1));
}

#[test]
fn merge_keys_take_what_is_not_there() {
    let text = "x-a: &a {k: 1, l: 2}\nx-b: &b {l: 3, m: 4}\ns: {<<: [*a, *b], k: 5}\nt: {<<: *b}\n";
    let tree = read(text).unwrap();
    let value = |key: &str| tree.get("s").unwrap().get(key).unwrap().scalar().unwrap().kind;
    assert_eq!(value("k"), Kind::Integer(5));
    assert_eq!(value("l"), Kind::Integer(2));
    assert_eq!(value("m"), Kind::Integer(4));
    assert!(tree.get("t").unwrap().get("m").is_some());
}

#[test]
fn what_a_compose_file_cannot_be_is_refused_with_its_place() {
    for (text, message) in [
        ("", "0:0 the compose file is empty"),
        ("a: 1\na: 2\n", "2:1 `a` is there twice"),
        ("a: 1\n80: 2\n", "2:1 a key must be a text, this is a number"),
        ("a: !reset x\n", "1:11 the YAML tag `!reset` is not supported"),
        ("a: 1\n---\nb: 2\n", "2:1 the file has more than one YAML document"),
        ("a: &a\n  b: *a\n", "2:6 the alias names an anchor that it is a part of"),
        ("a: {b:}\n", "1:5 `b:` is not followed by a blank"),
        (
            "a: {b: 1, <<: {b: 2}}\n",
            "1:11 `<<` stands behind `b`, which it has, too",
        ),
        ("a: {<<: {b: 2}, <<: {c: 2}}\n", "1:17 `<<` is there twice"),
        ("a: 1\nb: {<<: 7}\n", "2:9 `<<` merges mappings, this is a number"),
    ] {
        assert_eq!(wrong(text), message, "{text}");
    }
    assert!(wrong("a: [\n").contains("the YAML cannot be read at line"));
    assert!(wrong(&"[".repeat(70)).contains("more than 64 levels deep"));
    assert!(wrong(&"a".repeat(LONGEST + 1)).contains("1048577 bytes"));
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..30 {
        let last = format!("*a{}, ", level - 1).repeat(10);
        text += &format!("a{level}: &a{level} [{last}]\n");
    }
    assert!(wrong(&text).contains("anchors and aliases make the file too large"));
    let long = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(500_000), "*a, ".repeat(1000));
    assert!(wrong(&long).contains("anchors and aliases make the file too large"));
}
