//! The README keeps its promises: what it shows as `sh run` is run, and prints what stands below it.

use crate::harness::{PIPETOOL, Scratch};

/// A block that is run, and the text that it is to print.
struct Example<'a> {
    script: &'a str,
    printed: &'a str,
}

fn examples(text: &str) -> Vec<Example<'_>> {
    let block = |text, fence: &str| {
        let text: &str = text;
        let rest = text.strip_prefix(fence)?;
        rest.find("```\n").map(|end| (&rest[..end], &rest[end + 4..]))
    };
    let starts = text.match_indices("```sh run\n").map(|(at, _)| at);
    starts
        .map(|at| {
            let (script, rest) = block(&text[at..], "```sh run\n").expect("an end of the block");
            Example { script, printed: block(rest, "```text\n").map_or("", |(printed, _)| printed) }
        })
        .collect()
}

#[test]
fn its_examples_run_and_print_what_it_says() {
    let readme = include_str!("../../README.md");
    let examples = examples(readme);
    assert!(examples.len() >= 4);
    for Example { script, printed } in examples {
        let scratch = Scratch::new();
        let directory = PIPETOOL.rsplit_once('/').unwrap().0;
        let path = format!("{directory}:{}", std::env::var("PATH").unwrap());
        // The line that says that it is ready is no part of the picture.
        let script = script.replace("cat ready", "cat ready > /dev/null");
        scratch.program("bash", ["-euo", "pipefail", "-c", &script]).env("PATH", path).run("").ok().out(printed);
    }
}
