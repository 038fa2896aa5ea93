//! What clap has to say to the user: help as it is, and a mistake as one line like all our errors.

use clap::error::ErrorKind;

use crate::exit::Exit;
use crate::stderr;

/// Prints the help or the mistake that kept the arguments from being parsed.
pub(crate) fn report(error: &clap::Error) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match error.print() {
            Ok(()) => Exit::Done,
            Err(_) => Exit::StdoutClosed,
        },
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // Without stderr there is nobody to help.
            let _ = error.print();
            Exit::Usage
        }
        _ => {
            stderr::say(&in_one_line(&error.render().to_string()));
            Exit::Usage
        }
    }
}

/// clap's paragraphs (`error: what`, tips, usage, where help is) as one line.
fn in_one_line(rendered: &str) -> String {
    let kept =
        |line: &&str| !line.is_empty() && !line.starts_with("Usage:") && !line.starts_with("For more information");
    let lines: Vec<&str> = rendered.lines().map(str::trim).filter(kept).collect();
    let sentence = lines.join(" ").replace(" tip: ", "; tip: ");
    format!("{} (try --help)", sentence.strip_prefix("error: ").unwrap_or(&sentence))
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
            "unexpected argument '--wiat' found; tip: a similar argument exists: '--wait' (try --help)"
        );
    }
}
