//! The producer against Kafka: its routes without a socket and the client's own in-memory broker, the whole service over
//! sockets and the program by itself with a real Kafka.

mod answers;
mod bodies;
mod failed;
mod keys;
mod mutants;
mod persisted;
mod program;
mod real;
mod sizes;

mod client;
mod topic;
