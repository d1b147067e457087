//! Renders templates so that no value can change the structure of the document around it.

use std::collections::{BTreeMap, HashMap};

use super::error;
use kraken_foundation::{Error, Kind, Result};

use serde_json::Value;
use tera::{Filter, Tera};
use yaml_rust2::{Yaml, YamlLoader};

/// Renders the templates of YAML documents and of plain text files, each with its own rules.
pub(super) struct Renderer {
    yaml: Tera,
    text: Tera,
}

impl Renderer {
    /// Compiles all templates. `yaml` says which of them make YAML.
    pub(super) fn new(templates: &BTreeMap<String, String>, yaml: impl Fn(&str) -> bool) -> Result<Self> {
        let mut renderer = Self {
            yaml: Tera::default(),
            text: Tera::default(),
        };
        // Every name ends with the empty string, so all values are quoted.
        renderer.yaml.autoescape_on(vec![""]);
        renderer.yaml.set_escape_fn(quote);
        renderer.yaml.register_filter("json", Json);
        renderer.text.autoescape_on(Vec::new());
        for (name, source) in templates {
            let tera = if yaml(name) {
                &mut renderer.yaml
            } else {
                &mut renderer.text
            };
            tera.add_raw_template(name, source)
                .map_err(|e| template_error(name, &e))?;
        }
        Ok(renderer)
    }

    /// Renders a YAML mapping: each string that the template shows becomes one double-quoted
    /// scalar. The result is parsed, and refused when it is not one document with one mapping, or
    /// has a key twice.
    pub(super) fn yaml(&self, name: &str, values: &Value) -> Result<String> {
        let rendered = self
            .yaml
            .render(name, &context(name, values)?)
            .map_err(|e| template_error(name, &e))?;
        check_yaml(name, &rendered)?;
        Ok(rendered)
    }

    /// Renders a plain text file. A value with a control character is refused: such files cannot
    /// quote one.
    pub(super) fn text(&self, name: &str, values: &Value) -> Result<String> {
        if let Some(value) = with_control(values, String::new()) {
            return Err(error::control(name, &value));
        }
        self.text
            .render(name, &context(name, values)?)
            .map_err(|e| template_error(name, &e))
    }
}

fn context(name: &str, values: &Value) -> Result<tera::Context> {
    tera::Context::from_serialize(values).map_err(|e| template_error(name, &e))
}

fn template_error(name: &str, error: &tera::Error) -> Error {
    let mut why = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        why.push_str(": ");
        why.push_str(&error.to_string());
        cause = error.source();
    }
    error::template(name, &why)
}

/// Returns a string as a JSON scalar, which is a YAML double-quoted scalar too.
fn quote(text: &str) -> String {
    printable(&Value::String(text.to_owned()).to_string())
}

/// Escapes what JSON may leave as it is but YAML may not (YAML 1.1, §5.1 and §5.4): DEL, C1, line
/// and paragraph separators, byte-order mark, non-characters. In JSON text these can stand inside
/// strings only.
fn printable(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(
            c,
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        ) {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// `{{ value | json }}`: a list or mapping in YAML's flow style.
struct Json;

impl Filter for Json {
    fn filter(&self, value: &Value, _: &HashMap<String, Value>) -> tera::Result<Value> {
        Ok(Value::String(printable(&value.to_string())))
    }
    fn is_safe(&self) -> bool {
        true
    }
}

fn check_yaml(name: &str, rendered: &str) -> Result<()> {
    let wrong = |why: String| {
        Error::new(
            Kind::Usage,
            format!("checking what the template `{name}` rendered: {why}; correct the template"),
        )
    };
    if name == "user-data" && rendered.lines().next() != Some("#cloud-config") {
        // cloud-init ignores a user-data without this line, without a message.
        return Err(wrong("its first line is not `#cloud-config`".to_owned()));
    }
    let documents =
        YamlLoader::load_from_str(rendered).map_err(|error| wrong(format!("it is not valid YAML: {error}")))?;
    match documents.as_slice() {
        [Yaml::Hash(map)] if map.keys().all(|key| key.as_str().is_some()) => Ok(()),
        [_] => Err(wrong("it is not a mapping with text keys".to_owned())),
        documents => Err(wrong(format!("it holds {} documents instead of one", documents.len()))),
    }
}

/// Returns where the first string with a control character is.
fn with_control(value: &Value, at: String) -> Option<String> {
    match value {
        Value::String(text) => text
            .chars()
            .any(|c| c.is_control() || c == '\u{2028}' || c == '\u{2029}')
            .then_some(at),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| with_control(item, format!("{at}[{index}]"))),
        Value::Object(map) => map.iter().find_map(|(key, item)| {
            let here = if at.is_empty() {
                key.clone()
            } else {
                format!("{at}.{key}")
            };
            with_control(&Value::String(key.clone()), here.clone()).or_else(|| with_control(item, here))
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn renderer(source: &str) -> Renderer {
        let templates = BTreeMap::from([("t".to_owned(), source.to_owned())]);
        Renderer::new(&templates, |_| true).unwrap()
    }

    const HOSTILE: [&str; 9] = [
        "plain",
        "a\"b",
        "a: b\nroot: true",
        "'",
        "# no comment",
        "{{ value }}",
        "\u{1f419} \u{2028}\u{85}\u{feff}\u{7f}\t\0",
        "- x\n---\n...\n",
        "*alias &anchor !tag %x @y `z` \\n \\u0041",
    ];

    #[test]
    fn no_string_changes_the_structure_of_yaml() {
        let renderer = renderer("value: {{ value }}\nlist: {{ list | json }}\n# {{ value }}\nend: 1\n");
        for hostile in HOSTILE {
            let rendered = renderer
                .yaml("t", &json!({"value": hostile, "list": [hostile]}))
                .unwrap();
            let docs = YamlLoader::load_from_str(&rendered).unwrap();
            assert_eq!(docs.len(), 1);
            assert_eq!(docs[0].as_hash().unwrap().len(), 3, "{rendered}");
            assert_eq!(docs[0]["value"].as_str(), Some(hostile), "{rendered}");
            assert_eq!(docs[0]["list"][0].as_str(), Some(hostile), "{rendered}");
        }
    }

    #[test]
    fn documents_that_are_not_one_mapping_are_refused() {
        for source in [
            "a: 1\na: 2\n",
            "- 1\n",
            "a: 1\n---\nb: 1\n",
            "",
            "a: [\n",
            "a: 1\n b: 2\n",
        ] {
            assert!(renderer(source).yaml("t", &json!({})).is_err(), "{source:?} was taken");
        }
    }

    #[test]
    fn plain_text_refuses_control_characters() {
        let templates = BTreeMap::from([("t".to_owned(), "x={{ a.b[0] }}\n".to_owned())]);
        let renderer = Renderer::new(&templates, |_| false).unwrap();
        assert_eq!(
            renderer.text("t", &json!({"a": {"b": ["y\"<&>"]}})).unwrap(),
            "x=y\"<&>\n"
        );
        for hostile in ["a\nb", "a\rb", "a\0", "\u{1b}[2J", "\u{85}"] {
            let error = renderer
                .text("t", &json!({"a": {"b": [hostile]}}))
                .unwrap_err()
                .to_string();
            assert!(error.contains("a.b[0]"), "{error}");
        }
    }
}
