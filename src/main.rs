//! The program: arguments, then a house, then its loop.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let access = matches!(&cli.command, cli::Command::Serve(options) if options.access_log);
    let logger = match cli::logger::start(access) {
        Ok(logger) => logger,
        Err(error) => {
            eprintln!("taphouse: there is no thread for the log: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = match cli.command {
        cli::Command::Serve(options) => cli::serve::run(&options),
        cli::Command::Explain(options) => cli::explain::run(&options),
        cli::Command::Ctl(options) => cli::ctl::run(&options),
        cli::Command::User(options) => cli::user::run(options),
    };
    drop(logger);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("taphouse: {message}");
            ExitCode::FAILURE
        }
    }
}
