//! A YAML text → a tree with places. Anchors, aliases and merge keys are resolved; keys that are
//! there twice, tags, and more than one document are refused.
//!
//! The parser is asked for one event at a time, and nothing here calls itself, so a text cannot
//! exhaust the stack; what aliases multiply is counted before it is made.

mod map;

use std::collections::HashMap;
use std::rc::Rc;

use yaml_rust2::parser::{Event, Parser, Tag};
use yaml_rust2::scanner::{Marker, TScalarStyle};

use map::Map;

use crate::problem::{Place, Problem};
use crate::tree::{Kind, Node, Scalar, Value};

/// The longest text, in bytes.
pub(crate) const LONGEST: usize = 1 << 20;
/// The deepest nesting: a compose file needs eight levels.
const DEEPEST: usize = 64;
/// What a tree may cost, in bytes: each value costs its text and [`NODE`].
const COST: usize = 16 << 20;
/// What a value costs besides its text.
const NODE: usize = 64;

/// Returns the tree of a text, or what is wrong with it.
pub(crate) fn read(text: &str) -> Result<Node, Problem> {
    if text.len() > LONGEST {
        let message = format!("the compose file has {} bytes, at most {LONGEST} are read", text.len());
        return Err(Problem::new(Place::default(), message).help("check that the path names a compose file"));
    }
    let mut builder = Builder::new(text);
    let mut parser = Parser::new_from_str(text);
    loop {
        let (event, marker) = parser.next_token().map_err(|error| {
            let place = builder.lines.place(*error.marker());
            let message = format!("the YAML cannot be read at {place}: {}", error.info());
            Problem::new(place, message).help("check indentation, colons and quotes there and in the line before")
        })?;
        if event == Event::StreamEnd {
            break;
        }
        // What comes next shows where a scalar ends, in whatever form it is written.
        builder.until = match event {
            Event::Scalar(..) => parser.peek().map_or(text.len(), |(_, next)| builder.lines.byte(*next)),
            _ => 0,
        };
        builder.event(event, marker)?;
    }
    let empty = || Problem::new(Place::default(), "the compose file is empty").help("it needs the key `services`");
    builder.root.ok_or_else(empty)
}

/// Finds places in the text.
struct Lines<'a> {
    text: &'a str,
    /// The byte at which each 64th character begins.
    steps: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let steps = text.char_indices().map(|(at, _)| at).step_by(64).collect();
        Self { text, steps }
    }

    /// Returns the byte at a marker.
    fn byte(&self, marker: Marker) -> usize {
        let index = marker.index();
        let step = self.steps.get(index / 64).copied().unwrap_or(self.text.len());
        let rest = &self.text[step..];
        step + rest.char_indices().nth(index % 64).map_or(rest.len(), |(at, _)| at)
    }

    /// Returns the place of a marker, up to the end of the word or the quoted text there.
    fn place(&self, marker: Marker) -> Place {
        let start = self.byte(marker);
        let rest = &self.text[start..];
        // No more than is worth showing, or a text of one long line would be read for each word.
        let end = rest.char_indices().take(200).find(|(_, c)| matches!(c, '\n' | '\r'));
        let end = end
            .or_else(|| rest.char_indices().nth(200))
            .map_or(rest.len(), |(at, _)| at);
        let line = &rest[..end];
        let length = match line.chars().next() {
            Some(quote @ ('"' | '\'')) => line[1..].find(quote).map_or(line.len(), |end| end + 2),
            _ => line.find([':', ' ', ',', ']', '}', '#']).unwrap_or(line.len()),
        };
        let least = line.chars().next().map_or(0, char::len_utf8);
        Place {
            line: marker.line(),
            column: marker.col() + 1,
            start,
            end: start + length.max(least),
        }
    }

    /// Returns the place of a scalar, all of it where that can be seen.
    fn scalar(&self, marker: Marker, value: &str) -> Place {
        let mut place = self.place(marker);
        if !value.is_empty() && self.text[place.start..].starts_with(value) {
            place.end = place.start + value.len();
        }
        place
    }
}

/// A list or a mapping that is not at its end yet.
struct Open {
    place: Place,
    anchor: usize,
    cost: usize,
    what: Content,
}

enum Content {
    List(Vec<Node>),
    Map(Box<Map>),
}

/// A value with what it costs.
struct Built {
    node: Node,
    cost: usize,
    /// `<<` without quotes.
    merges: bool,
}

/// What an alias stands for, with what it costs.
struct Anchored {
    node: Node,
    cost: usize,
}

struct Builder<'a> {
    lines: Lines<'a>,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    cost: usize,
    /// Where the scalar at hand ends at the latest, in bytes.
    until: usize,
    root: Option<Node>,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            lines: Lines::new(text),
            open: Vec::new(),
            anchors: HashMap::new(),
            cost: 0,
            until: 0,
            root: None,
        }
    }

    fn event(&mut self, event: Event, marker: Marker) -> Result<(), Problem> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart if self.root.is_some() => {
                let message = "the file has more than one YAML document";
                Err(Problem::new(self.lines.place(marker), message).help("write one file for each stack"))
            }
            Event::DocumentStart => Ok(()),
            Event::Scalar(text, style, anchor, tag) => self.scalar(text, style, anchor, tag, marker),
            Event::Alias(id) => self.alias(id, marker),
            Event::SequenceStart(anchor, tag) => self.begin(anchor, tag, marker, Content::List(Vec::new())),
            Event::MappingStart(anchor, tag) => self.begin(anchor, tag, marker, Content::Map(Box::default())),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
        }
    }

    fn spend(&mut self, cost: usize, place: Place) -> Result<(), Problem> {
        self.cost = self.cost.saturating_add(cost);
        match self.cost <= COST {
            true => Ok(()),
            false => Err(Problem::new(place, "anchors and aliases make the file too large")
                .help("write what is needed without aliases of aliases")),
        }
    }

    fn scalar(
        &mut self,
        text: String,
        style: TScalarStyle,
        anchor: usize,
        tag: Option<Tag>,
        marker: Marker,
    ) -> Result<(), Problem> {
        let place = self.lines.scalar(marker, &text);
        let plain = style == TScalarStyle::Plain;
        let kind = match tag {
            Some(tag) if is_core(&tag, "str") => Kind::Text,
            Some(tag) => return Err(refused(&tag, place)),
            None if plain => Kind::of_plain(&text),
            None => Kind::Text,
        };
        let cost = NODE + text.len();
        let merges = plain && text == "<<";
        let text: Rc<str> = text.into();
        let scalar = Scalar {
            written: Rc::clone(&text),
            text,
            kind,
            substituted: false,
            until: self.until.max(place.end),
        };
        self.spend(cost, place)?;
        let node = Node {
            place,
            value: Value::Scalar(scalar),
        };
        self.built(anchor, Built { node, cost, merges })
    }

    fn alias(&mut self, id: usize, marker: Marker) -> Result<(), Problem> {
        let place = self.lines.place(marker);
        let Some(cost) = self.anchors.get(&id).map(|anchored| anchored.cost) else {
            let message = "the alias names an anchor that it is a part of";
            return Err(Problem::new(place, message).help("move the anchor in front of the alias"));
        };
        self.spend(cost, place)?;
        let Some(anchored) = self.anchors.get(&id) else {
            return Ok(());
        };
        // What is wrong with it is shown where it is written, which is at the anchor.
        let node = anchored.node.clone();
        self.attach(Built {
            node,
            cost,
            merges: false,
        })
    }

    fn begin(&mut self, anchor: usize, tag: Option<Tag>, marker: Marker, what: Content) -> Result<(), Problem> {
        let place = self.lines.place(marker);
        if let Some(tag) = tag {
            return Err(refused(&tag, place));
        }
        if self.open.len() >= DEEPEST {
            let message = format!("lists and mappings are nested more than {DEEPEST} levels deep");
            return Err(Problem::new(place, message).help("a compose file needs fewer than ten"));
        }
        self.spend(NODE, place)?;
        self.open.push(Open {
            place,
            anchor,
            cost: NODE,
            what,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Problem> {
        let Some(Open {
            place,
            anchor,
            cost,
            what,
        }) = self.open.pop()
        else {
            return Ok(());
        };
        let value = match what {
            Content::List(nodes) => Value::List(nodes),
            Content::Map(map) => Value::Map(map.entries()?),
        };
        let node = Node { place, value };
        self.built(
            anchor,
            Built {
                node,
                cost,
                merges: false,
            },
        )
    }

    /// Keeps a value for its aliases, and puts it where it belongs.
    fn built(&mut self, anchor: usize, built: Built) -> Result<(), Problem> {
        if anchor != 0 {
            self.spend(built.cost, built.node.place)?;
            let anchored = Anchored {
                node: built.node.clone(),
                cost: built.cost,
            };
            self.anchors.insert(anchor, anchored);
        }
        self.attach(built)
    }

    fn attach(&mut self, built: Built) -> Result<(), Problem> {
        let Built { node, cost, merges } = built;
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.cost = open.cost.saturating_add(cost);
        match &mut open.what {
            Content::List(nodes) => nodes.push(node),
            Content::Map(map) => {
                let first = map.add(node, merges, self.lines.text)?;
                // The parser notices a mapping behind its first key.
                open.place = first.map_or(open.place, |first| first.min(open.place));
            }
        }
        Ok(())
    }
}

/// Whether a tag is one of YAML's own: `!!str`.
fn is_core(tag: &Tag, name: &str) -> bool {
    let whole = format!("{}{}", tag.handle, tag.suffix);
    whole == format!("tag:yaml.org,2002:{name}") || whole == format!("!!{name}")
}

fn refused(tag: &Tag, place: Place) -> Problem {
    let shown = format!("{}{}", tag.handle, tag.suffix);
    let message = format!(
        "the YAML tag `{}` is not supported",
        kraken_foundation::text::line(&shown)
    );
    Problem::new(place, message).help("`docker stack` takes one file as it is: leave the tag out")
}

#[cfg(test)]
mod tests;
