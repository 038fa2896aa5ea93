//! What cannot go together, and the habits of other tools: exit 2 and one line that helps.

use crate::harness::Scratch;

#[test]
fn combinations_without_a_meaning() {
    let scratch = Scratch::new();
    for (line, reason) in [
        ("serve fd:3", "there is nothing to serve"),
        ("connect --peer any fd:3", "does not say who is there"),
        ("connect --finish never fd:3", "cannot be kept back"),
        ("spawn-child -d in cat {in}", "there is no pipe for '{in}'"),
        ("spawn-child -d out cat {out}", "there is no pipe for '{out}'"),
        ("spawn-child --pipe a=in:- cat {in}", "stdin can feed one pipe only"),
        ("spawn-child --pipe a=up:x cat", "expected NAME=in:FILE"),
        ("spawn-child --pipe in=in:x cat", "'in' is the name of a pipe that is there anyway"),
        ("serve --hub x", "'serve -k --hub PIPE'"),
        ("serve -k --hub=chat x", "[possible values: stdio, relay]"),
        ("serve -k --hub x -- cat", "leave one of the two out"),
        ("serve -k --on-slow drop x", "are for 'serve -k --hub PIPE'"),
        ("serve -k --queue 1MiB x", "are for 'serve -k --hub PIPE'"),
        ("serve -k --label x", "are for 'serve -k --hub PIPE'"),
        ("serve -k --hub --on-slow wait x", "[possible values: drop, disconnect, block]"),
        ("serve -k --hub --queue 0 x", "more than 0"),
        ("serve -k --hub=relay -d in x", "'--hub=relay' goes both ways"),
        ("serve -k --hub=relay -d out x", "'--hub=relay' goes both ways"),
        ("serve -k --hub -d out -n 1 x", "with '-d out' none come"),
        ("serve -k --hub --label --stdio whole x", "nothing tells where a message begins"),
        ("serve -k --hub -d in fifo:x", "'--hub' needs a socket"),
        ("serve --client-timeout 5 x", "there is timeout(1)"),
        ("serve --client-timeout 5 x -- cat", "there is timeout(1)"),
        ("serve -k --client-timeout 5 -d in fifo:x", "there is timeout(1)"),
        ("serve -k --client-timeout 0 x", "0 would end it at once"),
        ("connect -k fd:3", "no other to go on to"),
        ("connect -k -n 1 x", "leave one of the two out"),
        ("connect --hub x", "'--hub'"),
        ("serve --stdio hex x", "say how they are told apart"),
        ("serve -n 1 x", "say how they are told apart"),
        ("serve -f none -n 1 x", "say how they are told apart"),
        ("serve --max-message 2 x", "say how they are told apart"),
        ("serve -k -d in -f lines -n 1 fifo:x", "would cut in two"),
        ("serve --buffer-size 16EiB x", "less than 2GiB"),
        ("spawn-child -k true", "there is no option '-k'"),
        ("spawn-child --stats --pipe a=in:/dev/null true", "which are not there"),
        ("spawn-child --strip-bom cat", "say how they are told apart"),
        ("connect -m message -f u8 x", "leave '--framing' out"),
        ("connect -d out -n 1 -f u8 x", "with '-d out' none come"),
        ("serve -m message -d in fifo:x", "'--framing' keeps messages apart"),
        ("connect -f u12 x", "expected none, length, u8"),
        ("connect -f u32be@1-6 x", "at most -5 here"),
        ("connect -f u8 --stdio base63 x", "or whole, base64 or hex"),
        ("connect -f u8 -n 0 x", "expected a number such as 10, more than 0"),
        ("connect -f u8 -n 99999999999999999999 x", "expected a smaller number"),
        ("connect -f u8 --max-message 0 x", "more than 0"),
        ("connect --log - x", "'-x' shows it on stderr, and './-' is a file"),
        ("connect -w -1 x", "expected a duration"),
        ("spawn-child -w -1 cat", "expected a duration"),
        ("serve -k --client-timeout -1 x", "expected a duration"),
        ("send -q -1 x", "expected a duration"),
        ("serve --max-clients 2 x", "'--max-clients' is for"),
        ("serve --max-clients 2 -k x", "'--max-clients' is for"),
        ("serve --max-clients 2 x -- cat", "'--max-clients' is for"),
        ("serve -p -k x -- cat", "'--progress' shows one client"),
        ("serve --permissions 660 @x", "an abstract socket has no file"),
        ("serve --group root @x", "an abstract socket has no file"),
        ("serve --replace @x", "an abstract name cannot be taken over"),
        ("serve -d inout fifo:x", "a FIFO goes one way only"),
        ("connect -d inout fifo:x", "a FIFO goes one way only"),
        ("connect -d in --peer user fifo:x", "does not say who is there"),
        ("connect -d in --finish never fifo:x", "cannot be kept back"),
        ("send --serve fd:3 x", "there is nothing to serve"),
        ("send -q 1 x", "'--quit-after' is for programs that do not answer"),
        ("send --max-message 5 x", "'--max-message' is about messages"),
        ("recv -n 2 -o file x", "'-D DIR' takes them"),
        ("recv --max-message 5 x", "'--max-message' is about messages"),
        ("recv --force x", "are about files"),
        ("recv --preserve -o - x", "are about files"),
        ("recv --print-names x", "are about files"),
        ("recv -k -o file x", "'-D DIR' takes them"),
        ("recv -k fd:3", "no other to go on to"),
        ("recv -k fifo:x", "a FIFO's senders are one stream"),
        ("recv -f none -n 5 x", "'-n' goes with '-k' there"),
        ("send -f none --max-message 5 x", "'--max-message' is about messages"),
        ("recv -o file -D . x", "--directory"),
        ("recv -n 0 x", "expected a number such as 10, more than 0"),
        ("recv -n many x", "expected a number such as 10"),
        ("recv --peer any fd:3", "does not say who is there"),
        ("send -m message fifo:x", "'--framing' keeps messages apart"),
        ("send -m message -f u8 x", "leave '--framing' out"),
        ("serve -k -d in fifo:x -- cat", "cannot tell its clients apart"),
        ("serve -i 0 x", "0 would end it at once"),
        ("serve --max-clients 0 x", "expected a number such as 10, more than 0"),
        ("serve --ready-fd x x", "expected a number such as 10"),
        ("serve --buffer-size 0 x", "more than 0"),
        ("serve --buffer-size lots x", "expected a size"),
    ] {
        // Windows has neither FIFOs nor abstract names, and says that first.
        if cfg!(unix) || !(line.contains("fifo:") || line.contains("@x")) {
            scratch.pipetool(line.split(' ')).run("").code(2).one_line(&[reason]);
        }
    }
    assert!(scratch.files().is_empty());
}

#[cfg(unix)] // what it refuses for another reason than Windows
#[test]
fn what_is_of_windows_says_so() {
    Scratch::new().pipetool(["serve", "--remote", "x"]).run("").code(2).one_line(&["'--remote' is of Windows"]);
}

#[test]
fn habits_of_other_tools() {
    let scratch = Scratch::new();
    for (line, reason) in [
        ("connect -N x", "'--finish never'"),
        ("connect -U ./x", "is a UNIX socket already"),
        ("connect -l x", "'pipetool serve PIPE'"),
        ("connect --no-shutdown x", "'--finish never'"),
        ("serve -e cat x", "after '--'"),
        ("serve -m 10 x", "'--max-clients N'"),
        ("connect -f file x", "expected none, length, u8"),
        ("connect -t 5 x", "'-q DURATION'"),
        ("connect -T 5 x", "'-i DURATION'"),
        ("connect -x dump x", "'--log FILE'"),
        ("connect -o dump x", "'--log FILE'"),
        ("connect -u x", "'-d in'"),
        ("connect -d x", "</dev/null"),
        ("connect x cat", "a COMMAND comes after '--'"),
        ("recv x file", "'-o FILE' or '-D DIR'"),
        ("recv x -d .", "'-D DIR'"),
        ("list -l", "'--json'"),
        ("list x", "it shows all pipes"),
        ("serve --stats json x", "'--stats=json'"),
        ("serve -k --hub relay x", "after a '='"),
        ("version", "'--version'"),
        ("recv -f file x", "'-o FILE' names the file"),
        ("send -f file x", "a FILE needs no option"),
        ("connect -z x", "'pipetool connect -w 0"),
        ("serve -k --broker x", "'pipetool serve -k --hub=relay PIPE'"),
        ("serve -k --chat x", "'pipetool serve -k --hub=relay PIPE'"),
    ] {
        scratch.pipetool(line.split(' ')).run("").code(2).one_line(&[reason]);
    }
}
