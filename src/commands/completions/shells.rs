//! Shells as `clap_complete` knows them, but for two that put what they are offered into the command line as it is:
//! a file called `$(x)`, which anybody may make, would be run by whoever completes it and presses Enter.

use std::ffi::OsString;
use std::io::{Result, Write};
use std::path::Path;

use clap::Command;
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh};

use super::is_plain;

/// All that a script in completions/ is for.
pub(super) const SHELLS: Shells<'_> = Shells(&[&BASH, &Elvish, &Fish, &POWERSHELL, &Zsh]);

/// bash quotes what it is told to be file names.
const BASH: Careful<'_> = Careful {
    shell: &Bash,
    script: |script| script.replace(" complete -o", " complete -o filenames -o"),
    offers: |_| true,
};

/// PowerShell quotes nothing, and is offered what needs no quotes.
const POWERSHELL: Careful<'_> = Careful { shell: &Powershell, script: str::to_owned, offers: needs_no_quotes };

/// There '@' begins something else, and ',' is between two things.
fn needs_no_quotes(offer: &str) -> bool {
    let word = offer.split('\t').next().unwrap_or_default();
    word.split(['\\', ':', '=']).all(is_plain) && !word.contains(['@', ','])
}

/// A shell whose script is another, or that is not offered everything.
struct Careful<'a> {
    shell: &'a dyn EnvCompleter,
    script: fn(&str) -> String,
    /// Is this line, a word and its help, for it?
    offers: fn(&str) -> bool,
}

impl EnvCompleter for Careful<'_> {
    fn name(&self) -> &'static str {
        self.shell.name()
    }

    fn is(&self, name: &str) -> bool {
        self.shell.is(name)
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
        self.shell.write_registration(variable, name, program, completer, &mut script)?;
        out.write_all((self.script)(&String::from_utf8_lossy(&script)).as_bytes())
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        directory: Option<&Path>,
        out: &mut dyn Write,
    ) -> Result<()> {
        let mut offers = Vec::new();
        self.shell.write_complete(command, words, directory, &mut offers)?;
        String::from_utf8_lossy(&offers)
            .split_inclusive('\n')
            .filter(|line| (self.offers)(line.trim_end()))
            .try_for_each(|line| out.write_all(line.as_bytes()))
    }
}
