//! The program: arguments, then a house, then its loop.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn,life=info")).init();
    let result = match cli.command {
        cli::Command::Serve(options) => cli::serve::run(&options),
        cli::Command::Explain(options) => cli::explain::run(&options),
        cli::Command::Ctl(options) => cli::ctl::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("taphouse: {message}");
            ExitCode::FAILURE
        }
    }
}
