//! The first things anybody types.

use assert_cmd::cargo::cargo_bin_cmd;

#[test]
fn help_and_version_go_to_stdout() {
    cargo_bin_cmd!("pipetool").arg("--version").assert().success().stdout(concat!(
        "pipetool ",
        env!("CARGO_PKG_VERSION"),
        "\n"
    ));
    for subcommand in ["serve", "connect"] {
        cargo_bin_cmd!("pipetool").args([subcommand, "--help"]).assert().success().stderr("");
    }
}

#[test]
fn a_mistake_is_exit_2_and_one_line() {
    for arguments in [&["serve"][..], &["connect", "x", "y"], &["connect", "--wait", "soon", "x"], &["bake", "x"]] {
        let output = cargo_bin_cmd!("pipetool").args(arguments).assert().code(2).stdout("").get_output().clone();
        assert_eq!(String::from_utf8(output.stderr).unwrap().lines().count(), 1, "{arguments:?}");
    }
}

#[test]
fn nothing_at_all_shows_the_help() {
    let output = cargo_bin_cmd!("pipetool").assert().code(2).get_output().clone();
    assert!(String::from_utf8(output.stderr).unwrap().contains("Usage: pipetool"));
}
