//! Who is connected, and who makes room when there is none: first whoever never sent a request, then whoever has been
//! idle longest since its last one; never a request that is being answered. In: what connections do. Out: evictions.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::Notify;

/// The order of eviction: those that were never served first, then by turn.
type Turn = (bool, u64);

#[derive(Debug, Default)]
struct Inside {
    open: usize,
    turns: u64,
    waiting: BTreeMap<Turn, Arc<Notify>>,
}

/// The connections of one listener.
#[derive(Debug)]
pub(crate) struct Connections {
    most: usize,
    inside: Mutex<Inside>,
}

impl Connections {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, inside: Mutex::default() }
    }

    /// A place for a new connection, if need be that of one that waits. `None`: all are being answered.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Place> {
        let mut inside = self.inside();
        if inside.open >= self.most {
            let (_, evicted) = inside.waiting.pop_first()?;
            evicted.notify_one();
        }
        inside.open += 1;
        drop(inside);
        let place = Place {
            connections: Arc::clone(self),
            evicted: Arc::default(),
            served: AtomicBool::new(false),
            turn: Mutex::default(),
        };
        place.waits();
        Some(place)
    }

    /// Up to `count` connections that wait are told to go; says how many.
    pub(crate) fn evict(&self, count: usize) -> usize {
        let mut inside = self.inside();
        let going = (0..count).map_while(|_| inside.waiting.pop_first());
        going.inspect(|(_, evicted)| evicted.notify_one()).count()
    }

    /// All that never sent a request are told to go.
    pub(crate) fn evict_silent(&self) {
        let mut inside = self.inside();
        let served = inside.waiting.split_off(&(true, 0));
        let silent = std::mem::replace(&mut inside.waiting, served);
        silent.values().for_each(|evicted| evicted.notify_one());
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place; dropped with it.
#[derive(Debug)]
pub(crate) struct Place {
    connections: Arc<Connections>,
    evicted: Arc<Notify>,
    served: AtomicBool,
    turn: Mutex<Option<Turn>>,
}

impl Place {
    /// A request's head is complete: from now on it may not be evicted.
    pub(crate) fn works(&self) {
        self.served.store(true, Ordering::Relaxed);
        if let Some(turn) = self.turn().take() {
            self.connections.inside().waiting.remove(&turn);
        }
    }

    /// It is answered: the connection waits for a head again.
    pub(crate) fn waits(&self) {
        let mut inside = self.connections.inside();
        let turn = (self.served.load(Ordering::Relaxed), inside.turns);
        inside.turns += 1;
        inside.waiting.insert(turn, Arc::clone(&self.evicted));
        drop(inside);
        *self.turn() = Some(turn);
    }

    /// Ends when the connection has to go. A request that came in meanwhile is answered all the same.
    pub(crate) async fn evicted(&self) {
        loop {
            self.evicted.notified().await;
            if self.turn().is_some() {
                return;
            }
        }
    }

    fn turn(&self) -> MutexGuard<'_, Option<Turn>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let turn = self.turn().take();
        let mut inside = self.connections.inside();
        inside.open -= 1;
        if let Some(turn) = turn {
            inside.waiting.remove(&turn);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    /// Whether it is ready at the first poll.
    fn now(future: impl Future<Output = ()>) -> bool {
        pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn whoever_never_asked_goes_first_and_whoever_is_answered_stays() {
        let connections = Arc::new(Connections::new(3));
        let idle = connections.enter().expect("room");
        idle.works();
        idle.waits();
        let busy = connections.enter().expect("room");
        busy.works();
        let silent = connections.enter().expect("room");
        assert!(!now(silent.evicted()));
        let fourth = connections.enter().expect("the silent one makes room");
        assert!(now(silent.evicted()) && !now(idle.evicted()));
        drop(silent);
        fourth.works();
        let fifth = connections.enter().expect("the idle one makes room");
        assert!(now(idle.evicted()) && !now(busy.evicted()) && !now(fourth.evicted()));
        drop(idle);
        fifth.works();
        assert!(connections.enter().is_none());
        drop(busy);
        assert!(connections.enter().is_some());
    }

    #[test]
    fn a_request_that_comes_in_before_the_eviction_is_noticed_is_answered() {
        let connections = Arc::new(Connections::new(1));
        let first = connections.enter().expect("room");
        let second = connections.enter().expect("the first makes room");
        first.works();
        assert!(!now(first.evicted()) && !now(second.evicted()));
    }

    #[test]
    fn evicting_counts_and_silent_means_never_served() {
        let connections = Arc::new(Connections::new(9));
        let places: Vec<_> = (0..3).filter_map(|_| connections.enter()).collect();
        places[0].works();
        places[0].waits();
        connections.evict_silent();
        assert_eq!(places.iter().map(|place| now(place.evicted())).collect::<Vec<_>>(), [false, true, true]);
        assert_eq!(connections.evict(9), 1);
        assert!(now(places[0].evicted()));
    }
}
