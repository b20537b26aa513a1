//! Trainers and runs as a library's user has them.

mod devices;
mod heads;
mod run;
