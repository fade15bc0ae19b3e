//! `practice-local` as people run it: the program itself, in a directory of its own, on ports of its own.

mod kit;
mod learner;

mod embedded;
mod faults;
mod follow;
mod judged;
mod lessons;
mod lifecycle;
mod manifest;
mod outputs;
mod plans;
mod refusals;
mod sizes;
mod sources;
mod starts;

mod apache;
