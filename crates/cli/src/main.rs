//! The binary `roundtrip`.
fn main() -> std::process::ExitCode {
    roundtrip_cli::main()
}
