//! A protobuf message, read field by field (protobuf.dev, "Encoding"). Lengths are limited by the
//! bytes that exist; nothing is copied.

use protobuf::CodedInputStream;
use protobuf::rt::WireType;

/// What is wrong with a protobuf message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// It ends early, or is not protobuf at all.
    #[error("it is damaged, or no protobuf message")]
    Damaged,
    /// A field claims to be longer than the remaining bytes.
    #[error("its field {0} is longer than what is left of it")]
    TooLong(u32),
    /// A field of another wire type than the definition's.
    #[error("its field {0} has the wrong type")]
    WrongType(u32),
    /// A text that is not UTF-8.
    #[error("its field {0} is not UTF-8")]
    NotText(u32),
    /// A number that the definition does not contain.
    #[error("its {what} is {number}, which we do not know")]
    Unknown {
        /// Which number.
        what: &'static str,
        /// Its value.
        number: u64,
    },
    /// A required field is missing.
    #[error("it has no {0}")]
    Without(&'static str),
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
    pub fn uint(&self) -> Result<u64, MessageError> {
        match self.value {
            Value::Varint(number) => Ok(number),
            _ => Err(MessageError::WrongType(self.number)),
        }
    }

    /// A number of 32 bits.
    pub fn uint32(&self) -> Result<u32, MessageError> {
        u32::try_from(self.uint()?).map_err(|_| MessageError::WrongType(self.number))
    }

    /// Bytes, or a message.
    pub fn bytes(&self) -> Result<&'a [u8], MessageError> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(MessageError::WrongType(self.number)),
        }
    }

    /// A text.
    pub fn text(&self) -> Result<String, MessageError> {
        match std::str::from_utf8(self.bytes()?) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(MessageError::NotText(self.number)),
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
    fn field(&mut self) -> Result<Option<Field<'a>>, MessageError> {
        let damaged = |_| MessageError::Damaged;
        let Some(tag) = self.input.read_raw_tag_or_eof().map_err(damaged)? else {
            return Ok(None);
        };
        let number = tag >> 3;
        if number == 0 {
            return Err(MessageError::Damaged);
        }
        let value = match WireType::new(tag & 7) {
            Some(WireType::Varint) => Value::Varint(self.input.read_raw_varint64().map_err(damaged)?),
            Some(WireType::Fixed64) => {
                self.input.read_raw_little_endian64().map_err(damaged)?;
                Value::Fixed
            }
            Some(WireType::Fixed32) => {
                self.input.read_raw_little_endian32().map_err(damaged)?;
                Value::Fixed
            }
            Some(WireType::LengthDelimited) => {
                let length = self.input.read_raw_varint64().map_err(damaged)?;
                let too_long = || MessageError::TooLong(number);
                let begin = usize::try_from(self.input.pos()).map_err(|_| too_long())?;
                let end = usize::try_from(length)
                    .ok()
                    .and_then(|length| begin.checked_add(length))
                    .ok_or_else(too_long)?;
                let bytes = self.bytes.get(begin..end).ok_or_else(too_long)?;
                let count = u32::try_from(length).map_err(|_| too_long())?;
                self.input.skip_raw_bytes(count).map_err(damaged)?;
                Value::Bytes(bytes)
            }
            // Groups: none of the definitions has one.
            _ => return Err(MessageError::WrongType(number)),
        };
        Ok(Some(Field { number, value }))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, MessageError>;

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
pub(super) fn map_entry(bytes: &[u8]) -> Result<(String, String), MessageError> {
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

    fn all(bytes: &[u8]) -> Result<Vec<(u32, Value<'_>)>, MessageError> {
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
        assert_eq!(field(Value::Fixed).uint(), Err(MessageError::WrongType(3)));
        assert_eq!(field(Value::Varint(1 << 32)).uint32(), Err(MessageError::WrongType(3)));
        assert_eq!(field(Value::Bytes(b"\xff")).text(), Err(MessageError::NotText(3)));
    }
}
