//! pipetool list. Windows has all pipes in the directory `\\.\pipe\` (so Microsoft's documentation of
//! CreateFile and FindFirstFile, and what Sysinternals' pipelist shows); Wine 8 cannot read it
//! (ERROR_BAD_DEV_TYPE). So under Wine this shows what is said then, and that no server notices.

use crate::harness::Scratch;

#[test]
fn it_says_what_is_there_or_why_it_cannot() {
    let scratch = Scratch::new();
    let server = scratch.server(["x"]);
    for options in [&["list"][..], &["list", "--json"]] {
        let listed = scratch.pipetool(options).run("");
        if listed.code == Some(0) {
            assert!(String::from_utf8(listed.out).unwrap().contains(r"\\.\pipe\x"));
        } else {
            listed.code(1).out("").one_line(&["could not list pipes: "]);
        }
    }
    // Its one client is still to come.
    scratch.pipetool(["connect", "x"]).run("the first").ok();
    server.end().ok().out("the first");
}
