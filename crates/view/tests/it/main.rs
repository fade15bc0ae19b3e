//! The picture's server over real sockets. Workers and the producer are the real programs, with librdkafka's in-memory
//! broker; what Kafka says of a group is made up, for no broker is needed to tell pages what changed.

mod client;
mod world;

mod cost;
mod doing;
mod doors;
mod flow;
mod pages;
