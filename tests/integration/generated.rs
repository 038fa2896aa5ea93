//! What is generated and committed, completions/ and man/: the test that checks them is what writes them, with
//! BLESS=1. Then what it wrote is used: the scripts by their shells, the pages by mandoc.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::{PIPETOOL, Scratch};
use crate::pages::{DATE, Page, pages};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Each shell's script, under the name by which the shell finds it.
const SCRIPTS: [(&str, &str); 5] = [
    ("bash", "pipetool.bash"),
    ("zsh", "_pipetool"),
    ("fish", "pipetool.fish"),
    ("elvish", "pipetool.elv"),
    ("powershell", "pipetool.ps1"),
];

/// Compares what is committed in `directory` with what belongs there, or writes that.
fn check(directory: &str, wanted: &[(String, String)]) {
    let directory = Path::new(ROOT).join(directory);
    if std::env::var_os("BLESS").is_some() {
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).unwrap();
        for (file, text) in wanted {
            fs::write(directory.join(file), text).unwrap();
        }
        return;
    }
    let cure = "; 'just bless' writes it anew";
    for (file, text) in wanted {
        let path = directory.join(file);
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == *text, "{} is not what the definition says{cure}", path.display());
    }
    let expected: BTreeSet<_> = wanted.iter().map(|(file, _)| file.clone()).collect();
    let there = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(there.collect::<BTreeSet<_>>(), expected, "{}{cure}", directory.display());
}

#[test]
fn completion_scripts_are_what_the_program_prints() {
    let scratch = Scratch::new();
    let scripts = SCRIPTS.map(|(shell, file)| {
        let nothing: [&str; 0] = [];
        let script = scratch.pipetool(nothing).env("COMPLETE", shell).run("").ok().out;
        let script = String::from_utf8(script).unwrap().trim().to_owned();
        // Found by its name, the file is the function's body, which has to answer this first time too.
        let call =
            if shell == "zsh" { "\n[[ $funcstack[1] != _pipetool ]] || _clap_dynamic_completer_pipetool" } else { "" };
        (file.to_owned(), format!("{script}{call}\n"))
    });
    check("completions", &scripts);
}

#[test]
fn man_pages_are_what_the_definition_says() {
    let dated = pages(pipetool::command()).into_iter().map(|page| {
        let committed = fs::read_to_string(Path::new(ROOT).join("man").join(&page.file)).unwrap_or_default();
        // A page that says the same as before keeps its date.
        let with_its_own = date_of(&committed).map(|date| page.text.replace(DATE, date));
        let text = with_its_own.filter(|text| *text == committed).unwrap_or_else(|| page.text.replace(DATE, &today()));
        (page.file, text)
    });
    check("man", &dated.collect::<Vec<_>>());
}

/// What stands third in `.TH TITLE 1 DATE ...`.
fn date_of(page: &str) -> Option<&str> {
    page.lines().find(|line| line.starts_with(".TH "))?.split(' ').nth(3)
}

fn today() -> String {
    let printed = Command::new("date").args(["-u", "+%F"]).output().unwrap().stdout;
    String::from_utf8(printed).unwrap().trim().to_owned()
}

#[test]
fn mandoc_has_nothing_to_say_about_the_pages() {
    let scratch = Scratch::new();
    for Page { file, text } in pages(pipetool::command()) {
        for section in ["EXIT STATUS", "EXAMPLES", "ENVIRONMENT", "SEE ALSO"] {
            assert!(text.replace('"', "").contains(&format!("\n.SH {section}\n")), "{file}: no {section}: {text}");
        }
        fs::write(scratch.path(&file), text.replace(DATE, &today())).unwrap();
        scratch.program("mandoc", ["-Tlint", "-W", "warning", &file]).run("").ok().out("");
    }
}

/// Makes each shell use its script, and say when it is ready. PowerShell is not in Debian: its script is only
/// compared.
const SHELLS: [(&str, &[&str], &str, &str); 4] = [
    ("bash", &["--rcfile", "start", "-i"], "start", "source $SCRIPTS/pipetool.bash; PS1='ready> '"),
    ("zsh", &["-i"], ".zshrc", "fpath=($SCRIPTS $fpath); autoload -U compinit; compinit -u -D; PS1='ready> '"),
    (
        "fish",
        &["--no-config", "--init-command", "source start"],
        "start",
        "source $SCRIPTS/pipetool.fish; function fish_prompt; echo 'ready> '; end",
    ),
    (
        "elvish",
        &["-rc", "start"],
        "start",
        "eval (slurp < $E:SCRIPTS/pipetool.elv)\nset edit:prompt = { print 'ready> ' }\n",
    ),
];

/// Somebody types `line` at the prompt of each shell and gets "the answer", which the server of `pipe` gives.
fn typed_at_each_prompt(pipe: &str, line: &str) {
    for (shell, arguments, file, start) in SHELLS {
        let scratch = Scratch::new();
        fs::write(scratch.path(file), start).unwrap();
        fs::write(scratch.path("answer.txt"), "the answer\n").unwrap();
        let answer = fs::File::open(scratch.path("answer.txt")).unwrap();
        let _server = scratch.serving([pipe], |starter| starter.stdin(answer));
        let typed = ["ready> ", line, "the answer", shell];
        let helper = [concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/typist.py")];
        let directory = PIPETOOL.rsplit_once('/').unwrap().0;
        scratch
            .program("python3", helper.iter().chain(&typed).chain(arguments))
            .env("PATH", format!("{directory}:{}", std::env::var("PATH").unwrap()))
            .env("SCRIPTS", Path::new(ROOT).join("completions"))
            .env("HOME", scratch.path(""))
            .env("ZDOTDIR", scratch.path(""))
            .env("TERM", "xterm")
            .run("")
            .ok();
        assert!(!scratch.path("pwned").exists(), "{shell}");
    }
}

/// The server of 'jobs' answers who came to 'jo' and TAB, if it became its name.
#[test]
fn shells_complete_the_name_of_a_live_pipe() {
    typed_at_each_prompt("jobs", r"pipetool connect -d in jo\t\r");
}

/// A name that anybody may give to a file is one word, and nothing that the shell would run.
#[test]
fn shells_quote_a_name_that_would_be_more_than_a_word() {
    typed_at_each_prompt("./a$(touch pwned)", r"pipetool connect -d in ./a\t\r\r"); // elvish asks once more
    let scratch = Scratch::new();
    fs::write(scratch.path("a$(touch pwned)"), "").unwrap();
    fs::write(scratch.path("a-b"), "").unwrap();
    // PowerShell quotes nothing, and is not to be had here.
    let offers = scratch.pipetool(["--", "pipetool", "send", "x", "./a"]).env("COMPLETE", "powershell").run("").ok();
    assert_eq!(String::from_utf8(offers.out).unwrap().lines().collect::<Vec<_>>(), ["./a-b"]);
}
