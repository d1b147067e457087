//! The folder of `kraken.toml`: reads the files that the spec names, and makes what is missing (an SSH key pair).
//!
//! `spec` only parses; this room does its reading and writing. It never opens an image.
