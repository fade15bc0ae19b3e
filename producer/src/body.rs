//! Reads the body of a request. In: headers and body. Out: its bytes as plain UTF-8, with their share of the room for larger bodies,
//! or why it cannot be read. A body counts by what was read of it: one without a length, as many clients send, costs no more.

use std::{error::Error, sync::Arc};

use axum::{
    body::{Body, HttpBody},
    http::{HeaderMap, HeaderValue, header},
};
use http_body_util::BodyExt;
use practice_contract::producer::MAX_MESSAGE_BYTES;
use practice_serve::BodyTimeout;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{error::Problem, message::cut};

/// The first bytes of each body, which need no room.
const SMALL_BODY: usize = 16 * 1024;
/// Bytes of a unit of the room.
const UNIT: usize = 1024;

/// The bytes that larger bodies may occupy together, from their first byte to the last one of the answer.
pub(crate) struct Room {
    bytes: usize,
    units: Arc<Semaphore>,
}

/// A share of the room.
pub(crate) type Share = Option<OwnedSemaphorePermit>;

impl Room {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            bytes,
            units: Arc::new(Semaphore::new(bytes.div_ceil(UNIT))),
        }
    }

    /// Increases a share to what so many bytes need.
    fn hold(&self, bytes: usize, share: &mut Share) -> Result<(), Problem> {
        let wanted = if bytes <= SMALL_BODY {
            0
        } else {
            bytes.div_ceil(UNIT)
        };
        let held = share.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let Ok(more @ 1..) = u32::try_from(wanted.saturating_sub(held)) else {
            return Ok(());
        };
        let taken = Arc::clone(&self.units).try_acquire_many_owned(more);
        let taken = taken.map_err(|_| {
            Problem::NotPersisted("too many large messages are on their way".to_owned())
        })?;
        match share {
            Some(share) => share.merge(taken),
            None => *share = Some(taken),
        }
        Ok(())
    }
}

/// Reads a body of a message that has at most `limit` bytes. The share is the part of the room that its bytes occupy.
pub(crate) async fn read(
    mut body: Body,
    limit: usize,
    room: &Room,
) -> Result<(Vec<u8>, Share), Problem> {
    let most = largest_body(limit).min(room.bytes);
    let declared = body.size_hint().exact().unwrap_or(0);
    let declared = usize::try_from(declared).unwrap_or(usize::MAX);
    if declared > most {
        return Err(too_large(most, limit));
    }
    let mut bytes = Vec::with_capacity(declared.min(SMALL_BODY));
    let mut share = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| incomplete(&error))?.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > most {
            return Err(too_large(most, limit));
        }
        room.hold(bytes.len() + data.len(), &mut share)?;
        bytes.extend_from_slice(&data);
    }
    Ok((bytes, share))
}

/// The largest body: a message of this many bytes, and room for field names and escapes.
pub(crate) fn largest_body(limit: usize) -> usize {
    limit + limit / 4
}

/// 413 for a body of which not even the topic is read. `limit` is that of the topic with the largest.
fn too_large(most: usize, limit: usize) -> Problem {
    Problem::TooLarge(format!(
        "the body is larger than {most} bytes, {MAX_MESSAGE_BYTES} of the topics is at most {limit}: make value and key shorter, or raise `{MAX_MESSAGE_BYTES}` of the topic (spec.topics[].config in the manifest)"
    ))
}

fn incomplete(error: &axum::Error) -> Problem {
    let mut causes = std::iter::successors(error.source(), |cause: &&(dyn Error + 'static)| {
        (*cause).source()
    });
    match causes.find_map(|cause| cause.downcast_ref::<BodyTimeout>()) {
        Some(late) => Problem::Incomplete(late.to_string()),
        None => Problem::Incomplete("the connection broke".to_owned()),
    }
}

/// Refuses a body that is declared as compressed (RFC 9110, section 8.4).
pub(crate) fn is_identity(headers: &HeaderMap) -> Result<(), Problem> {
    let codings = headers.get_all(header::CONTENT_ENCODING).iter();
    let words = codings.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let mut words = words.map(<[u8]>::trim_ascii);
    let is_coding = |word: &&[u8]| !word.is_empty() && !word.eq_ignore_ascii_case(b"identity");
    match words.find(is_coding) {
        None => Ok(()),
        Some(coding) => Err(Problem::Encoded(format!(
            "compressed, Content-Encoding `{}`",
            cut(&coding.escape_ascii().to_string(), 60)
        ))),
    }
}

/// The text of a body: without its byte order mark; a compressed body and UTF-16 are refused by what they are, whatever is declared.
pub(crate) fn plain(body: &[u8]) -> Result<&[u8], Problem> {
    let encoded = |what: &str| Err(Problem::Encoded(what.to_owned()));
    match body {
        // UTF-16's mark, or the other half of a first ASCII character (RFC 4627, section 3)
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..] => encoded("UTF-16"),
        [0x1f, 0x8b, ..] => encoded("compressed by gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => encoded("compressed by zstd"),
        [0xef, 0xbb, 0xbf, text @ ..] | text => Ok(text),
    }
}

/// The value of the answer's header `Accept-Encoding` (RFC 7694).
pub(crate) const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_told_by_what_it_is() {
        let text = br#"{"topic": "t", "value": "v"}"#;
        let marked = [&[0xef, 0xbb, 0xbf][..], text].concat();
        assert_eq!(plain(text).expect("plain"), text);
        assert_eq!(plain(&marked).expect("plain"), text);
        assert_eq!(plain(b"").expect("plain"), b"");
        assert_eq!(plain(b"5").expect("plain"), b"5");
        let wide = |pair: fn(u16) -> [u8; 2]| -> Vec<u8> {
            let text = std::str::from_utf8(text).expect("is ASCII");
            text.encode_utf16().flat_map(pair).collect()
        };
        let (big, little) = (wide(u16::to_be_bytes), wide(u16::to_le_bytes));
        for (body, what) in [
            (big.clone(), "UTF-16"),
            (little.clone(), "UTF-16"),
            ([&[0xfe, 0xff][..], &big].concat(), "UTF-16"),
            ([&[0xff, 0xfe][..], &little].concat(), "UTF-16"),
            (vec![0x1f, 0x8b, 8, 0, 0], "compressed by gzip"),
            (vec![0x28, 0xb5, 0x2f, 0xfd, 4], "compressed by zstd"),
        ] {
            let problem = plain(&body).expect_err(what);
            assert_eq!(problem.status().as_u16(), 415);
            assert!(problem.to_string().contains(what), "{problem}");
        }
    }

    #[test]
    fn a_declared_coding_is_refused_by_its_name() {
        let check = |value: &str| {
            let mut headers = HeaderMap::new();
            let value = value.parse().expect("is a header");
            headers.insert(header::CONTENT_ENCODING, value);
            is_identity(&headers).map_err(|problem| problem.to_string())
        };
        for value in ["", "identity", "Identity", "identity, identity"] {
            assert_eq!(check(value), Ok(()), "{value}");
        }
        for value in ["gzip", "br", "identity, deflate", "zstd,gzip"] {
            let problem = check(value).expect_err(value);
            assert!(problem.contains("Content-Encoding `"), "{problem}");
        }
        assert_eq!(is_identity(&HeaderMap::new()).ok(), Some(()));
    }

    #[test]
    fn a_body_holds_room_for_what_was_read_of_it() {
        let room = Room::new(100 * UNIT);
        let (mut one, mut other) = (None, None);
        room.hold(SMALL_BODY, &mut one).expect("needs none");
        assert_eq!(room.units.available_permits(), 100);
        room.hold(SMALL_BODY + 1, &mut one).expect("there is room");
        assert_eq!(room.units.available_permits(), 83);
        room.hold(60 * UNIT, &mut one).expect("there is room");
        room.hold(30 * UNIT, &mut other).expect("there is room");
        assert_eq!(room.units.available_permits(), 10);
        let full = room.hold(41 * UNIT, &mut other).expect_err("is full");
        assert_eq!(full.status().as_u16(), 503);
        drop(one);
        room.hold(41 * UNIT, &mut other)
            .expect("there is room again");
        drop(other);
        assert_eq!(room.units.available_permits(), 100);
    }
}
