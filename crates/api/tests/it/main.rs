//! The schema: what the chart ships, and that the rules without a server are those of a real API server.

mod manifests;
mod schema;
