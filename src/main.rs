//! The `pipetool` program. Everything is in the library, where tests and benches can reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    pipetool::main()
}
