//! The program. Everything lives in the library so that tests can reach it.

fn main() -> std::process::ExitCode {
    tallyline::cli::main()
}
