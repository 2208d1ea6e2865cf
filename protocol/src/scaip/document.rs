//! The XML around the values: one element of short elements, of which `lge` alone has elements of its own.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::{BytesRef, Event};

use super::{Fault, LARGEST};

/// So many elements may stand within each other.
const DEEPEST: usize = 4;

/// The values of a document.
#[derive(Debug)]
pub(super) struct Document {
    values: Vec<(&'static str, Value)>,
    /// The names of elements that nobody knows, in the order in which they came.
    pub(super) ignored: Vec<String>,
}

#[derive(Debug)]
enum Value {
    Text(String),
    /// Elements stand where a text should.
    Elements,
}

impl Document {
    /// Reads the values of those elements that are known by their names: `cid` is in the root, `lge/geo` in its `lge`.
    ///
    /// # Errors
    /// [`Fault::DocumentType`], [`Fault::TooLong`], [`Fault::Malformed`] or [`Fault::Repeated`].
    pub(super) fn read(body: &[u8], root: &str, known: &[&'static str]) -> Result<Self, Fault> {
        if declares_a_type(body) {
            return Err(Fault::DocumentType);
        }
        if body.len() > LARGEST {
            return Err(Fault::TooLong(body.len()));
        }
        let text = std::str::from_utf8(body).map_err(|_| Fault::Malformed("it is not UTF-8"))?;
        Walk { root, known, path: Vec::new(), unknown: None, is_over: false, found: Self::empty() }.through(text)
    }

    fn empty() -> Self {
        Self { values: Vec::new(), ignored: Vec::new() }
    }

    /// What stands in an element, without blanks around it; `None` where there is no such element.
    ///
    /// # Errors
    /// [`Fault::Pattern`] when elements stand in it.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<&str>, Fault> {
        match self.values.iter().find(|(known, _)| *known == name) {
            Some((_, Value::Text(text))) => Ok(Some(text.trim())),
            Some((_, Value::Elements)) => Err(Fault::Pattern(name)),
            None => Ok(None),
        }
    }

    /// The value of an element.
    ///
    /// # Errors
    /// [`Fault::Pattern`].
    pub(super) fn value<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, Fault> {
        self.text(name)?.map(|text| text.parse().map_err(|_| Fault::Pattern(name))).transpose()
    }

    /// The value of an element that must be there.
    ///
    /// # Errors
    /// [`Fault::Missing`], or [`Fault::Pattern`].
    pub(super) fn needed<T: FromStr>(&self, name: &'static str) -> Result<T, Fault> {
        self.value(name)?.ok_or(Fault::Missing(name))
    }

    /// Whether there is such an element.
    pub(super) fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(known, _)| *known == name)
    }
}

/// Where in the document one is.
struct Walk<'a> {
    root: &'a str,
    known: &'a [&'static str],
    /// The elements one is in, below the root; the root itself is the empty name.
    path: Vec<Cow<'static, str>>,
    /// How deep the unknown element began that one is in.
    unknown: Option<usize>,
    /// The root is closed.
    is_over: bool,
    found: Document,
}

impl Walk<'_> {
    fn through(mut self, text: &str) -> Result<Document, Fault> {
        if !text.chars().all(is_xml) {
            return Err(Fault::Malformed("it has characters that no XML document has"));
        }
        let mut reader = Reader::from_str(text);
        loop {
            match reader.read_event().map_err(|_| Fault::Malformed("it is not well-formed"))? {
                Event::Start(element) => self.open(element.name().as_ref())?,
                Event::Empty(element) => {
                    self.open(element.name().as_ref())?;
                    self.close();
                }
                Event::End(_) => self.close(),
                Event::Text(text) => self.write(&text.xml10_content())?,
                Event::CData(text) => self.write(&text.xml10_content())?,
                Event::GeneralRef(reference) => self.write(&resolved(&reference)?)?,
                Event::DocType(_) => return Err(Fault::DocumentType),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        if self.is_over { Ok(self.found) } else { Err(Fault::Malformed("it ends too early")) }
    }

    fn open(&mut self, name: &str) -> Result<(), Fault> {
        if self.path.len() >= DEEPEST {
            return Err(Fault::Malformed("its elements stand too deep in each other"));
        }
        if self.path.is_empty() {
            if self.is_over || name != self.root {
                return Err(Fault::Malformed("its root is another"));
            }
            self.path.push("".into());
            return Ok(());
        }
        let within = self.within();
        let full = if within.is_empty() { name.to_owned() } else { format!("{within}/{name}") };
        self.path.push(name.to_owned().into());
        if self.unknown.is_some() {
            return Ok(());
        }
        let Some(known) = self.known.iter().find(|known| **known == full) else {
            self.spoil(&within);
            self.found.ignored.push(full);
            self.unknown = Some(self.path.len());
            return Ok(());
        };
        if self.found.has(known) {
            return Err(Fault::Repeated(known));
        }
        self.found.values.push((known, Value::Text(String::new())));
        Ok(())
    }

    /// The elements one is in, without the root.
    fn within(&self) -> String {
        self.path.get(1..).unwrap_or_default().join("/")
    }

    /// The text of an element, unless elements stand in it.
    fn value_of(&mut self, name: &str) -> Option<&mut String> {
        self.found.values.iter_mut().find(|(known, _)| *known == name).and_then(|(_, value)| match value {
            Value::Text(text) => Some(text),
            Value::Elements => None,
        })
    }

    /// Elements stand in an element that should hold a text.
    fn spoil(&mut self, name: &str) {
        if let Some((_, value)) = self.found.values.iter_mut().find(|(known, _)| *known == name) {
            *value = Value::Elements;
        }
    }

    fn close(&mut self) {
        if self.unknown == Some(self.path.len()) {
            self.unknown = None;
        }
        self.path.pop();
        self.is_over |= self.path.is_empty();
    }

    fn write(&mut self, text: &str) -> Result<(), Fault> {
        if self.path.is_empty() && !text.trim().is_empty() {
            return Err(Fault::Malformed("a text stands outside its root"));
        }
        if self.unknown.is_none()
            && let Some(value) = self.value_of(&self.within())
        {
            value.push_str(text);
        }
        Ok(())
    }
}

/// Writes elements, which have no attributes and no blanks between them.
#[derive(Debug)]
pub(super) struct Writing(String);

impl Writing {
    pub(super) fn open(root: &str) -> Self {
        Self(format!("<{root}>"))
    }

    pub(super) fn with(mut self, name: &str, value: impl Display) -> Self {
        let value = value.to_string();
        self.0.push_str(&format!("<{name}>{}</{name}>", escape(&value)));
        self
    }

    pub(super) fn with_some(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(super) fn within(mut self, name: &str, inner: impl FnOnce(Self) -> Self) -> Self {
        self.0.push_str(&format!("<{name}>"));
        let mut written = inner(self);
        written.0.push_str(&format!("</{name}>"));
        written
    }

    pub(super) fn close(mut self, root: &str) -> String {
        self.0.push_str(&format!("</{root}>"));
        self.0
    }
}

/// Found without parsing, so that no parser ever sees one.
fn declares_a_type(body: &[u8]) -> bool {
    const DECLARATIONS: [&[u8]; 2] = [b"<!DOCTYPE", b"<!ENTITY"];
    DECLARATIONS.iter().any(|word| body.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word)))
}

/// A character by its number, or one of the five entities that XML itself names.
fn resolved(reference: &BytesRef<'_>) -> Result<String, Fault> {
    let unknown = Fault::Malformed("it has an entity that nobody knows");
    match reference.resolve_char_ref() {
        Ok(Some(c)) if is_xml(c) => Ok(c.to_string()),
        Ok(None) => resolve_predefined_entity(reference).map(str::to_owned).ok_or(unknown),
        Ok(Some(_)) | Err(_) => Err(unknown),
    }
}

/// Source: XML 1.0, section 2.2, "Char".
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}
