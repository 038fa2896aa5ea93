//! Shells as `clap_complete` knows them, but for two that put what they are offered into the command line as it is:
//! a file called `$(x)`, which anybody may make, would be run by whoever completes it and presses Enter.

use std::ffi::OsString;
use std::io::{Result, Write};
use std::path::Path;

use clap::Command;
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh};

use super::is_plain;

/// All that a script in completions/ is for.
pub(super) const SHELLS: Shells<'_> = Shells(&[&QuotingBash, &Elvish, &Fish, &WaryPowershell, &Zsh]);

/// bash quotes what it is told to be file names.
#[derive(Debug)]
struct QuotingBash;

impl EnvCompleter for QuotingBash {
    fn name(&self) -> &'static str {
        Bash.name()
    }

    fn is(&self, name: &str) -> bool {
        Bash.is(name)
    }

    fn write_registration(
        &self,
        variable: &str,
        name: &str,
        program: &str,
        completer: &str,
        out: &mut dyn Write,
    ) -> Result<()> {
        let mut script = Vec::new();
        Bash.write_registration(variable, name, program, completer, &mut script)?;
        let script = String::from_utf8_lossy(&script).replace(" complete -o", " complete -o filenames -o");
        out.write_all(script.as_bytes())
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        directory: Option<&Path>,
        out: &mut dyn Write,
    ) -> Result<()> {
        Bash.write_complete(command, words, directory, out)
    }
}

/// PowerShell quotes nothing, and is offered what needs no quotes.
#[derive(Debug)]
struct WaryPowershell;

impl EnvCompleter for WaryPowershell {
    fn name(&self) -> &'static str {
        Powershell.name()
    }

    fn is(&self, name: &str) -> bool {
        Powershell.is(name)
    }

    fn write_registration(
        &self,
        variable: &str,
        name: &str,
        program: &str,
        completer: &str,
        out: &mut dyn Write,
    ) -> Result<()> {
        Powershell.write_registration(variable, name, program, completer, out)
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        directory: Option<&Path>,
        out: &mut dyn Write,
    ) -> Result<()> {
        let mut offers = Vec::new();
        Powershell.write_complete(command, words, directory, &mut offers)?;
        for offer in String::from_utf8_lossy(&offers).lines() {
            let word = offer.split('\t').next().unwrap_or_default();
            // There '@' begins something else, and ',' is between two things.
            if word.split(['\\', ':', '=']).all(is_plain) && !word.contains(['@', ',']) {
                writeln!(out, "{offer}")?;
            }
        }
        Ok(())
    }
}
