//! The accept loop over real sockets: see [`serves`].
mod serves;
