//! A protobuf message, read field by field (protobuf.dev, "Encoding"). Lengths are limited by the
//! bytes that exist; nothing is copied.

use kraken_foundation::{Error, Kind, Result};
use protobuf::CodedInputStream;
use protobuf::rt::WireType;

/// A message that ends early, or is not protobuf at all.
fn damaged() -> Error {
    Error::new(Kind::Damaged, "it is damaged, or no protobuf message")
}

/// A field of another wire type than the definition's.
fn wrong_type(number: u32) -> Error {
    Error::new(Kind::Damaged, format!("its field {number} has the wrong type"))
}

/// A number that the definition does not contain.
pub(super) fn unknown(what: &str, number: u64) -> Error {
    let text = format!("its {what} is {number}, which we do not know");
    Error::new(Kind::Unsupported, text)
}

/// A required field is missing.
pub(super) fn without(what: &str) -> Error {
    Error::new(Kind::Damaged, format!("it has no {what}"))
}

/// The value of a field, as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// A field: its number and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub number: u32,
    pub value: Value<'a>,
}

impl<'a> Field<'a> {
    /// Returns a number; signed ones are in two's complement.
    pub(crate) fn uint(&self) -> Result<u64> {
        match self.value {
            Value::Varint(number) => Ok(number),
            _ => Err(wrong_type(self.number)),
        }
    }

    /// A number of 32 bits.
    pub(crate) fn uint32(&self) -> Result<u32> {
        u32::try_from(self.uint()?).map_err(|_| wrong_type(self.number))
    }

    /// Bytes, or a message.
    pub(crate) fn bytes(&self) -> Result<&'a [u8]> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(wrong_type(self.number)),
        }
    }

    /// A text.
    pub(crate) fn text(&self) -> Result<String> {
        match std::str::from_utf8(self.bytes()?) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => {
                let text = format!("its field {} is not UTF-8", self.number);
                Err(Error::new(Kind::Damaged, text))
            }
        }
    }
}

/// Iterates over the fields of a message, in the order of the bytes.
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    input: CodedInputStream<'a>,
    failed: bool,
}

/// Returns the fields of a message.
pub(super) fn fields(bytes: &[u8]) -> Fields<'_> {
    Fields {
        bytes,
        input: CodedInputStream::from_bytes(bytes),
        failed: false,
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Result<Option<Field<'a>>> {
        let Some(tag) = self.input.read_raw_tag_or_eof().map_err(|_| damaged())? else {
            return Ok(None);
        };
        let number = tag >> 3;
        if number == 0 {
            return Err(damaged());
        }
        let value = match WireType::new(tag & 7) {
            Some(WireType::Varint) => Value::Varint(self.input.read_raw_varint64().map_err(|_| damaged())?),
            Some(WireType::Fixed64) => {
                self.input.read_raw_little_endian64().map_err(|_| damaged())?;
                Value::Fixed
            }
            Some(WireType::Fixed32) => {
                self.input.read_raw_little_endian32().map_err(|_| damaged())?;
                Value::Fixed
            }
            Some(WireType::LengthDelimited) => {
                let length = self.input.read_raw_varint64().map_err(|_| damaged())?;
                let too_long = || {
                    let text = format!("its field {number} is longer than what is left of it");
                    Error::new(Kind::Damaged, text)
                };
                let begin = usize::try_from(self.input.pos()).map_err(|_| too_long())?;
                let end = usize::try_from(length)
                    .ok()
                    .and_then(|length| begin.checked_add(length))
                    .ok_or_else(too_long)?;
                let bytes = self.bytes.get(begin..end).ok_or_else(too_long)?;
                let count = u32::try_from(length).map_err(|_| too_long())?;
                self.input.skip_raw_bytes(count).map_err(|_| damaged())?;
                Value::Bytes(bytes)
            }
            // Groups: none of the definitions has one.
            _ => return Err(wrong_type(number)),
        };
        Ok(Some(Field { number, value }))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.field().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}

/// Reads an entry of a `map<string, string>`: its key and value.
pub(super) fn map_entry(bytes: &[u8]) -> Result<(String, String)> {
    let (mut key, mut value) = (String::new(), String::new());
    for field in fields(bytes) {
        let field = field?;
        match field.number {
            1 => key = field.text()?,
            2 => value = field.text()?,
            _ => {}
        }
    }
    Ok((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<(u32, Value<'_>)>> {
        fields(bytes)
            .map(|field| field.map(|field| (field.number, field.value)))
            .collect()
    }

    #[test]
    fn fields_of_every_wire_type() {
        let bytes = b"\x08\xac\x02\x12\x02hi\x1d\x01\x02\x03\x04\x21\x01\x02\x03\x04\x05\x06\x07\x08\x52\x00";
        assert_eq!(
            all(bytes).unwrap(),
            [
                (1, Value::Varint(300)),
                (2, Value::Bytes(b"hi")),
                (3, Value::Fixed),
                (4, Value::Fixed),
                (10, Value::Bytes(b"")),
            ]
        );
        assert!(all(b"").unwrap().is_empty());
        assert_eq!(map_entry(b"\x0a\x01k\x12\x01v").unwrap(), ("k".into(), "v".into()));
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        for bytes in [
            &b"\x08"[..],
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x00\x00",
            b"\x12\x05hi",
            b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x0b\x0c",
            b"\x1d\x01",
        ] {
            assert!(all(bytes).is_err(), "{bytes:x?}");
        }
        let field = |value| Field { number: 3, value };
        for (error, says) in [
            (
                field(Value::Fixed).uint().unwrap_err(),
                "its field 3 has the wrong type",
            ),
            (
                field(Value::Varint(1 << 32)).uint32().unwrap_err(),
                "its field 3 has the wrong type",
            ),
            (
                field(Value::Bytes(b"\xff")).text().unwrap_err(),
                "its field 3 is not UTF-8",
            ),
        ] {
            assert_eq!(error.to_string(), says);
        }
    }
}
