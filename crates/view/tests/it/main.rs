//! The live view's server over real sockets. Workers and the producer are the real programs, with librdkafka's in-memory
//! broker; group states are invented, because patches need no broker.

mod client;
mod world;

mod cost;
mod doing;
mod doors;
mod flow;
mod pages;
