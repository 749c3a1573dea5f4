//! Entry point: the arguments decide, `cli` does the rest.

use std::process::ExitCode;

fn main() -> ExitCode {
    dogwatch::cli::main()
}
