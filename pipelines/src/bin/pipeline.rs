//! The program `pipeline`.

fn main() -> std::process::ExitCode {
    front::start::main()
}
