//! Bundles and the scorer as a library's user has them, on every backend that is compiled in.

mod bundle;
mod members;
mod scorer;
mod written;
