//! Which anonymous pipes a child gets, and how it is told their handle IDs: `{in}`, `{out}`, `{NAME}`,
//! always named from the child's side. Pure: nothing is opened here.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;

use crate::pipe::{Direction, PipeAddress};

/// The pipe that our stdin feeds, and the one that our stdout shows.
const IN: &str = "in";
const OUT: &str = "out";

/// One pipe of a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChildPipe {
    name: String,
    pub(crate) way: ChildWay,
    pub(crate) other_end: OtherEnd,
}

/// What the child does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChildWay {
    Reads,
    Writes,
}

/// Where its bytes come from, or go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OtherEnd {
    /// Our stdin and stdout, as one bridge.
    Bridge,
    /// One of them alone.
    Standard,
    /// A file; a socket or FIFO if one is there.
    File(PathBuf),
    /// A named pipe.
    Pipe(PipeAddress),
}

/// `NAME=in:FILE` or `NAME=out:FILE`.
pub(crate) fn parse(typed: &str) -> Result<ChildPipe, String> {
    let expected = || "expected NAME=in:FILE or NAME=out:FILE (from the child's side)".to_owned();
    let (name, rest) = typed.split_once('=').ok_or_else(expected)?;
    let (way, other_end) = rest.split_once(':').ok_or_else(expected)?;
    let way = match way {
        IN => ChildWay::Reads,
        OUT => ChildWay::Writes,
        _ => return Err(expected()),
    };
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        return Err("a pipe's NAME has letters, digits, '_' and '-' only".into());
    }
    if [IN, OUT].contains(&name) {
        return Err(format!("'{name}' is the name of a pipe that is there anyway: choose another"));
    }
    Ok(ChildPipe { name: name.to_owned(), way, other_end: other(other_end)? })
}

/// Without a prefix it is a file: names of pipes begin with one here.
fn other(typed: &str) -> Result<OtherEnd, String> {
    let prefixes = ["@", r"\\", "//./", "//?/", "unix:", "npipe:", "fifo:"];
    match typed {
        "" => Err("a FILE is missing after the colon".into()),
        "-" => Ok(OtherEnd::Standard),
        _ if prefixes.iter().any(|prefix| typed.starts_with(prefix)) => {
            typed.parse().map(OtherEnd::Pipe).map_err(|error: crate::pipe::address::AddressError| error.to_string())
        }
        _ => Ok(OtherEnd::File(typed.into())),
    }
}

/// The pipes of a child, in the order of their handle IDs, and the child's arguments.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) pipes: Vec<ChildPipe>,
    arguments: Vec<OsString>,
    /// Do the IDs come after all arguments?
    appended: bool,
}

impl Plan {
    /// What `arguments` and the declared pipes ask for. `in_environment` is another place for the IDs.
    ///
    /// # Errors
    /// A sentence for what goes against itself.
    pub(crate) fn new(
        arguments: &[OsString],
        declared: &[ChildPipe],
        direction: Option<Direction>,
        in_environment: bool,
    ) -> Result<Self, String> {
        let mentioned = |name: &str| {
            let (id, path) = (format!("{{{name}}}"), format!("{{{name}.path}}"));
            arguments.iter().filter_map(|argument| argument.to_str()).any(|a| a.contains(&id) || a.contains(&path))
        };
        let (reads, writes) = (mentioned(IN), mentioned(OUT));
        let silent = !reads && !writes && (declared.is_empty() || in_environment);
        // A '-' among the declared ones has taken our stdin or stdout already.
        let is_free = |way| !declared.iter().any(|pipe| pipe.way == way && pipe.is_standard());
        let wanted = direction.unwrap_or_default();
        if reads && !wanted.sends() {
            return Err("with '-d in' there is no pipe for '{in}': from here it would be out".into());
        }
        if writes && !wanted.receives() {
            return Err("with '-d out' there is no pipe for '{out}': from here it would be in".into());
        }
        let bridged = |name: &str, way| ChildPipe { name: name.to_owned(), way, other_end: OtherEnd::Bridge };
        let mut pipes = Vec::new();
        if reads || (silent && wanted.sends() && is_free(ChildWay::Reads)) {
            pipes.push(bridged(IN, ChildWay::Reads));
        }
        if writes || (silent && wanted.receives() && is_free(ChildWay::Writes)) {
            pipes.push(bridged(OUT, ChildWay::Writes));
        }
        pipes.extend(declared.iter().cloned());
        for (place, pipe) in pipes.iter().enumerate() {
            if pipes[..place].iter().any(|other| other.name == pipe.name) {
                return Err(format!("there are two pipes of the name '{}'", pipe.name));
            }
            if pipe.is_standard() && pipes[..place].iter().any(|other| other.is_standard() && other.way == pipe.way) {
                let which = if pipe.way == ChildWay::Reads { "stdin can feed" } else { "stdout can show" };
                return Err(format!("{which} one pipe only"));
            }
        }
        Ok(Plan { pipes, arguments: arguments.to_vec(), appended: silent && !in_environment })
    }

    /// Are our stdin and stdout bridged to any pipe?
    pub(crate) fn has_bridge(&self) -> bool {
        self.pipes.iter().any(|pipe| pipe.other_end == OtherEnd::Bridge)
    }

    /// The first path that the arguments ask for.
    pub(crate) fn mentioned_path(&self) -> Option<String> {
        let paths = self.pipes.iter().map(|pipe| format!("{{{}.path}}", pipe.name));
        paths.into_iter().find(|path| self.arguments.iter().any(|argument| argument.to_string_lossy().contains(path)))
    }

    /// Is our stdin (`Reads`) or stdout (`Writes`) in use for a pipe?
    pub(crate) fn uses_standard(&self, way: ChildWay) -> bool {
        self.pipes.iter().any(|pipe| pipe.way == way && pipe.is_standard())
    }

    /// The child's arguments, once the IDs are known.
    pub(crate) fn arguments(&self, ids: &[impl Display], path: impl Fn(usize) -> String) -> Vec<OsString> {
        let mut values = Vec::new();
        for (place, (pipe, id)) in self.pipes.iter().zip(ids).enumerate() {
            values.push((format!("{{{}}}", pipe.name), id.to_string()));
            values.push((format!("{{{}.path}}", pipe.name), path(place)));
        }
        let filled = self.arguments.iter().map(|argument| match argument.to_str() {
            Some(text) => fill(text, &values).into(),
            None => argument.clone(),
        });
        let appended = ids.iter().filter(|_| self.appended).map(|id| id.to_string().into());
        filled.chain(appended).collect()
    }

    /// The environment variables of the IDs.
    pub(crate) fn environment(&self, ids: &[impl Display]) -> Vec<(String, String)> {
        let variable = |pipe: &ChildPipe| format!("PIPETOOL_{}", pipe.name.to_ascii_uppercase().replace('-', "_"));
        self.pipes.iter().zip(ids).map(|(pipe, id)| (variable(pipe), id.to_string())).collect()
    }
}

impl ChildPipe {
    fn is_standard(&self) -> bool {
        matches!(self.other_end, OtherEnd::Bridge | OtherEnd::Standard)
    }
}

/// Puts the values into a text, each in the place of its key; every other brace is literal, and a value
/// is not looked at again.
fn fill(text: &str, values: &[(String, String)]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(brace) = rest.find('{') {
        filled.push_str(&rest[..brace]);
        rest = &rest[brace..];
        if let Some((key, value)) = values.iter().find(|(key, _)| rest.starts_with(key.as_str())) {
            filled.push_str(value);
            rest = &rest[key.len()..];
        } else {
            filled.push('{');
            rest = &rest[1..];
        }
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(arguments: &[&str], declared: &[&str], direction: Option<Direction>) -> Result<Plan, String> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let declared: Vec<ChildPipe> = declared.iter().map(|pipe| parse(pipe).unwrap()).collect();
        Plan::new(&arguments, &declared, direction, false)
    }

    fn filled(arguments: &[&str], declared: &[&str], direction: Option<Direction>) -> Vec<OsString> {
        let ids = ["3", "4", "5"];
        let plan = plan(arguments, declared, direction).unwrap();
        plan.arguments(&ids[..plan.pipes.len()], |place| format!("/dev/fd/{}", ids[place]))
    }

    #[test]
    fn ids_are_where_they_are_asked_for_and_else_at_the_end() {
        assert_eq!(filled(&["x"], &[], None), ["x", "3", "4"]);
        assert_eq!(filled(&["x"], &[], Some(Direction::Out)), ["x", "3"]);
        assert_eq!(filled(&["{out}", "--rx={in}{in}"], &[], None), ["4", "--rx=33"]);
        assert_eq!(filled(&["{out}"], &[], None), ["3"]);
        assert_eq!(filled(&["{a.path}", "{b}"], &["a=in:x", "b=out:-"], None), ["/dev/fd/3", "4"]);
        assert_eq!(filled(&["x"], &["a=in:x"], None), ["x"]);
    }

    #[test]
    fn every_other_brace_is_literal() {
        let awk = r#"{ print "{inner}" {in}} {in {"#;
        assert_eq!(filled(&[awk], &[], None), [r#"{ print "{inner}" 3} {in {"#]);
        assert_eq!(filled(&["{a}{{in}}"], &[], None), ["{a}{3}"]);
    }

    #[test]
    fn what_goes_against_itself_says_so() {
        assert!(plan(&["{in}"], &[], Some(Direction::In)).unwrap_err().contains("'{in}'"));
        assert!(plan(&["{out}"], &[], Some(Direction::Out)).unwrap_err().contains("'{out}'"));
        assert!(plan(&["{in}"], &["a=in:-"], None).unwrap_err().contains("stdin can feed one pipe only"));
        assert!(plan(&[], &["a=in:x", "a=in:y"], None).unwrap_err().contains("two pipes of the name 'a'"));
        for wrong in ["a", "a=x", "a=up:x", "=in:x", "a b=in:x", "a=in:", "in=in:x", "a=in:unix:"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
