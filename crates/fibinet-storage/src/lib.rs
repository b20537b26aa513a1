//! Files and directories that are never seen half written, and files mapped into memory.
//!
//! | item | what |
//! |---|---|
//! | [`AtomicFile`] | a file written aside, synced and renamed into place |
//! | [`AtomicDirectory`] | the same for a directory, with a lock that stops a second writer |
//! | [`checksums`] | the `SHA256SUMS` of a directory: written, and verified |
//! | [`MappedFile`] | a file read as memory, safe as long as its writers use the types above |
//!
//! A writer never truncates a file that another process may have mapped: reading a page that is gone
//! ends the process with a bus error. The new file gets the old one's name, and processes that mapped
//! the old one keep it.

mod atomic_directory;
mod atomic_file;
pub mod checksums;
mod error;
mod hidden_names;
mod lock;
mod mapped_file;
mod tree;

pub use atomic_directory::{AtomicDirectory, Replace};
pub use atomic_file::AtomicFile;
pub use error::StorageError;
pub use mapped_file::MappedFile;
