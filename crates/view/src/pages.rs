//! The open pages of one practice. In: events. Out: to each page a bounded queue of them; a page that does not read is
//! dropped when its queue is full, and never waited for.

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::mpsc;

/// Events in a page's queue: about twenty seconds of them.
const QUEUE: usize = 256;

/// Senders to pages, each with a number of its own.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    pages: Vec<(u64, mpsc::Sender<Bytes>)>,
    /// The last event's id.
    last: u64,
}

impl Pages {
    pub(crate) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Adds a page, which gets `first` before all other events. Out: its queue.
    pub(crate) fn open(
        &mut self,
        number: u64,
        event: &str,
        first: &impl Serialize,
    ) -> mpsc::Receiver<Bytes> {
        let (sender, queue) = mpsc::channel(QUEUE);
        let frame = self.frame(event, first);
        let _ = sender.try_send(frame); // the queue is empty
        self.pages.push((number, sender));
        queue
    }

    pub(crate) fn close(&mut self, number: u64) {
        self.pages.retain(|(open, _)| *open != number);
    }

    /// Sends an event to every page; pages with a full queue are dropped.
    pub(crate) fn send(&mut self, event: &str, data: &impl Serialize) {
        if self.pages.is_empty() {
            return;
        }
        let frame = self.frame(event, data);
        self.pages
            .retain(|(_, page)| page.try_send(frame.clone()).is_ok());
    }

    /// One server-sent event. JSON has no line break in it.
    fn frame(&mut self, event: &str, data: &impl Serialize) -> Bytes {
        self.last += 1;
        let data = serde_json::to_string(data)
            .expect("should serialize: strings, numbers and lists of them");
        format!("id: {}\nevent: {event}\ndata: {data}\n\n", self.last).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_does_not_read_is_dropped_and_the_others_stay() {
        let mut pages = Pages::default();
        let mut asleep = pages.open(1, "snapshot", &0);
        let mut awake = pages.open(2, "snapshot", &0);
        assert_eq!(
            awake.try_recv().expect("the first"),
            "id: 2\nevent: snapshot\ndata: 0\n\n"
        );
        for n in 1..=QUEUE {
            pages.send("patch", &n);
            assert!(awake.try_recv().is_ok(), "{n}");
        }
        assert_eq!(pages.pages.len(), 1);
        let mut kept = 0;
        while asleep.try_recv().is_ok() {
            kept += 1;
        }
        assert_eq!((kept, asleep.is_closed()), (QUEUE, true));
        pages.close(2);
        assert!(pages.is_empty());
    }
}
