//! Man pages, made of the clap definition: its options and usage, and the texts below its help, which are
//! headings (`Examples:`) over lines of a term and what it means. What a page refers to is said here alone.

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

/// Pages of others that ours refer to.
const OTHERS: &[(&str, &str)] =
    &[("nc", "1"), ("socat", "1"), ("mkfifo", "1"), ("fifo", "7"), ("pipe", "7"), ("unix", "7")];

/// What stands for the date until a page is written.
pub const DATE: &str = "YYYY-MM-DD";

/// A page without its date.
pub struct Page {
    pub file: String,
    pub text: String,
}

/// pipetool(1), and a page for each subcommand.
pub fn pages(command: clap::Command) -> Vec<Page> {
    // `pipetool help serve` is `pipetool serve --help`: no page.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let whole = Texts::below(&command);
    let mut names = vec!["pipetool".to_owned()];
    names.extend(command.get_subcommands().map(|subcommand| format!("pipetool-{}", subcommand.get_name())));
    std::iter::once(&command).chain(command.get_subcommands()).map(|it| page(it, &whole, &names)).collect()
}

fn page(command: &clap::Command, whole: &Texts, names: &[String]) -> Page {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let own = Texts::below(command);
    let usage = command.clone().render_usage().to_string().trim_start_matches("Usage: ").to_owned();
    let man = Man::new(command.clone().override_usage(usage))
        .title(name.to_uppercase())
        .date(DATE)
        .source(concat!("pipetool ", env!("CARGO_PKG_VERSION")))
        .manual("The netcat for pipes");
    let mut text = Vec::new();
    man.render_title(&mut text).unwrap();
    man.render_name_section(&mut text).unwrap();
    man.render_synopsis_section(&mut text).unwrap();
    man.render_description_section(&mut text).unwrap();
    let mut roff = Roff::new();
    for paragraph in &own.prose {
        roff.control("PP", []);
        roff.text([roman(paragraph.as_str())]);
    }
    roff.to_writer(&mut text).unwrap();
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text).unwrap();
    }
    man.render_options_section(&mut text).unwrap();
    let mut roff = Roff::new();
    terms(&mut roff, "EXIT STATUS", whole.section("Exit status"));
    terms(&mut roff, "ENVIRONMENT", whole.section("Environment"));
    examples(&mut roff, own.section("Examples"));
    see_also(&mut roff, &name, names);
    roff.to_writer(&mut text).unwrap();
    Page { file: format!("{name}.1"), text: with_one_preamble(&String::from_utf8(text).unwrap()) }
}

/// Each piece brings the two lines that say what an apostrophe is: once is enough.
fn with_one_preamble(text: &str) -> String {
    let (at, _) = text.match_indices('\n').nth(1).expect("a preamble");
    let preamble = &text[..=at];
    format!("{preamble}{}", text.replace(preamble, ""))
}

fn terms(roff: &mut Roff, heading: &str, terms: &[Term]) {
    roff.control("SH", [heading]);
    for Term { term, meaning } in terms {
        roff.control("TP", []);
        roff.text([bold(term.as_str())]);
        roff.text([roman(meaning.as_str())]);
    }
}

fn examples(roff: &mut Roff, examples: &[Term]) {
    roff.control("SH", ["EXAMPLES"]);
    for (place, Term { term, meaning }) in examples.iter().enumerate() {
        // Right below the heading there is no paragraph to end.
        if place > 0 {
            roff.control("PP", []);
        }
        if !meaning.is_empty() {
            roff.text([roman(format!("{meaning}:"))]);
            roff.control("PP", []);
        }
        roff.control("RS", ["4"]);
        roff.control("nf", []);
        roff.text([roman(term.as_str())]);
        roff.control("fi", []);
        roff.control("RE", []);
    }
}

fn see_also(roff: &mut Roff, own: &str, names: &[String]) {
    roff.control("SH", ["SEE ALSO"]);
    let ours = names.iter().filter(|name| *name != own).map(|name| (name.as_str(), "1"));
    let all: Vec<_> = ours.chain(OTHERS.iter().copied()).collect();
    for (place, (name, section)) in all.iter().enumerate() {
        let comma = if place + 1 < all.len() { "," } else { "" };
        roff.text([bold(*name), roman(format!("({section}){comma}"))]);
    }
}

/// A command and what it does, or a code and what it means.
struct Term {
    term: String,
    meaning: String,
}

/// The texts below a command's help.
struct Texts {
    prose: Vec<String>,
    sections: Vec<(String, Vec<Term>)>,
}

impl Texts {
    fn below(command: &clap::Command) -> Self {
        let text = command.get_after_long_help().or(command.get_after_help());
        let text = text.map(ToString::to_string).unwrap_or_default();
        let mut texts = Texts { prose: Vec::new(), sections: Vec::new() };
        for paragraph in text.split("\n\n") {
            match paragraph.split_once(":\n  ") {
                Some((heading, terms)) if !heading.contains('\n') => {
                    texts.sections.push((heading.to_owned(), terms.lines().map(Term::of_line).collect()));
                }
                _ => texts.prose.push(paragraph.to_owned()),
            }
        }
        texts
    }

    fn section(&self, heading: &str) -> &[Term] {
        let found = self.sections.iter().find(|(known, _)| known == heading);
        &found.unwrap_or_else(|| panic!("no '{heading}:' in the text below a command's help")).1
    }
}

impl Term {
    fn of_line(line: &str) -> Self {
        let (term, meaning) = line.trim().split_once("  ").unwrap_or((line.trim(), ""));
        Term { term: term.to_owned(), meaning: meaning.trim().to_owned() }
    }
}
