//! What clap has to say to the user: help as it is, and a mistake as one line like all our errors; for
//! the habits of other tools the line names what the option is called here.

use std::ffi::OsString;
use std::io;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::exit::Exit;
use crate::stderr;

/// Options of nc, ncat, socat and their like that we do not have, and what does their work.
const HABITS: &[(&[&str], &str)] = &[
    (&["-l", "--listen"], "'pipetool serve PIPE' is what listens"),
    (&["-U", "--unixsock"], "a PIPE with a '/' is a UNIX socket already"),
    (&["-N"], "stdin's end is passed on anyway ('--finish never' keeps it back)"),
    (&["--no-shutdown"], "that is '--finish never'"),
    (&["-e", "-c", "--exec", "--sh-exec"], "a COMMAND comes last, after '--'"),
    (&["--max-conns"], "'--max-clients N' says how many clients there may be at once"),
    (&["-t"], "'-q DURATION' leaves so long after stdin's end"),
    (&["-T"], "'-i DURATION' gives up when nothing moves"),
    (&["-o", "--output", "--hex-dump"], "'--log FILE' writes down what passes"),
    (&["-u", "--recv-only", "--send-only"], "'-d in' receives only, '-d out' sends only"),
    (&["-z"], "'pipetool connect -w 0 -q 0 PIPE </dev/null' only tries to connect"),
    (&["--broker", "--chat"], "'pipetool serve -k --hub=relay PIPE' passes on what each client says to all others"),
    (&["-ei"], "an end of stdin is passed on; to leave then, use '-q 0'"),
    (&["-ep"], "it ends with the pipe anyway"),
    (&["-p"], "a pipe has no port"),
];

/// Prints the help or the mistake that kept `arguments` from being parsed.
pub(crate) fn report(error: &clap::Error, arguments: &[OsString]) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match error.print() {
            Ok(()) => Exit::Done,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::StdoutClosed,
            Err(error) => {
                stderr::say(&format!("could not write to 'stdout': {}", stderr::reason(&error)));
                Exit::Failed
            }
        },
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // Without stderr there is nobody to help.
            let _ = error.print();
            Exit::Usage
        }
        _ => {
            let tip = tip(error, arguments).map(|tip| format!("; {tip}")).unwrap_or_default();
            stderr::say(&format!("{}{tip} (try --help)", in_one_line(&error.render().to_string())));
            Exit::Usage
        }
    }
}

/// What the user may have meant.
fn tip(error: &clap::Error, arguments: &[OsString]) -> Option<&'static str> {
    let invalid = error.get(ContextKind::InvalidArg).or_else(|| error.get(ContextKind::InvalidSubcommand));
    let Some(ContextValue::String(typed)) = invalid else { return None };
    let is = |subcommand: &str| arguments.get(1).is_some_and(|word| word == subcommand);
    match error.kind() {
        ErrorKind::UnknownArgument if is("list") => {
            Some("it shows all pipes that there are; '--json' says more of each")
        }
        ErrorKind::UnknownArgument if is("recv") && typed == "-d" => Some("'-D DIR' writes each item into DIR"),
        ErrorKind::UnknownArgument if typed.starts_with('-') => {
            HABITS.iter().find(|(options, _)| options.contains(&typed.as_str())).map(|(_, tip)| *tip)
        }
        ErrorKind::UnknownArgument if arguments.iter().any(|argument| argument == "-x") => {
            Some("'-x' takes no value: '--log FILE' writes to a file")
        }
        ErrorKind::UnknownArgument if follows_optional(arguments) => {
            Some("a value of that option comes after a '=', as in '--stats=json'")
        }
        ErrorKind::UnknownArgument if is("recv") => Some("'-o FILE' or '-D DIR' says where it goes"),
        ErrorKind::UnknownArgument => Some("a COMMAND comes after '--', and there is one PIPE"),
        ErrorKind::ValueValidation if typed.starts_with("--framing") && arguments.iter().any(|word| word == "recv") => {
            Some("'-f' is the framing; '-o FILE' names the file")
        }
        ErrorKind::ValueValidation if typed.starts_with("--framing") && arguments.iter().any(|word| word == "send") => {
            Some("'-f' is the framing; a FILE needs no option")
        }
        ErrorKind::InvalidSubcommand if typed == "version" => Some("that is '--version'"),
        ErrorKind::InvalidValue if typed.starts_with("--mode") => {
            Some("'-m' is the transmission mode; '--max-clients N' says how many clients there may be at once")
        }
        ErrorKind::InvalidValue if typed.starts_with("--direction") => {
            Some("'-d' needs one of these; to leave stdin unread, use '</dev/null'")
        }
        _ => None,
    }
}

/// Does a word follow an option that takes its value after a '=' alone? It was taken for the PIPE then.
fn follows_optional(arguments: &[OsString]) -> bool {
    let is_such = |option: &OsString| ["--stats", "-p", "--progress", "--hub"].iter().any(|such| option == such);
    arguments.windows(2).any(|pair| is_such(&pair[0]) && !pair[1].as_encoded_bytes().starts_with(b"-"))
}

/// clap's paragraphs (`error: what`, tips, usage, where help is) as one line.
fn in_one_line(rendered: &str) -> String {
    let noise = ["Usage:", "For more information", "tip: to pass"];
    let kept = |line: &&str| !line.is_empty() && !noise.iter().any(|noise| line.starts_with(noise));
    let lines: Vec<&str> = rendered.lines().map(str::trim).filter(kept).collect();
    let sentence = lines.join(" ").replace(" tip: ", "; tip: ");
    sentence.strip_prefix("error: ").unwrap_or(&sentence).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_one_line() {
        let error =
            super::super::command().try_get_matches_from(["pipetool", "serve", "--wiat", "5", "x"]).unwrap_err();
        assert_eq!(
            in_one_line(&error.render().to_string()),
            "unexpected argument '--wiat' found; tip: a similar argument exists: '--wait'"
        );
    }
}
