//! Trainers and runs as a library's user has them.

mod heads;
mod run;
