//! The accept loop over real sockets: see [`serves`] and [`descriptors`].
mod descriptors;
mod serves;
