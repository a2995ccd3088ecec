//! What Roundtrip costs. Everything here is a bench: `cargo bench -p roundtrip-benches` measures, and the tests of the
//! workspace run each once.
