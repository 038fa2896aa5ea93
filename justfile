# What a developer types. `just` alone lists it.

_list:
    @just --list --unsorted

# The program, as users get it
build:
    cargo build --release --locked

# All tests, or those whose names hold a word: `just test transfers::`
test *words:
    cargo test --locked {{words}}

# Format and lints, as .ci/run wants them
lint:
    cargo fmt --check
    cargo clippy --locked --all-targets -- -D warnings

# Write completions/ and man/ anew, after a change of an option or a help text
bless:
    BLESS=1 cargo test --locked --test integration generated::

# How fast it is beside others: `just bench --only transfer`
bench *arguments:
    benches/compare {{arguments}}

# Throw bytes at what reads a peer's bytes, for a minute: decode, stdio or transfer
fuzz target="decode" seconds="60":
    cargo +nightly fuzz run {{target}} -- -max_total_time={{seconds}}

# Licences, duplicates and sources of the dependencies
deny:
    .ci/dependencies

# A Debian package, below target/debian/ (cargo install cargo-deb)
deb:
    cargo deb --locked

# Everything that decides whether a change lands (Debian 12, as root: it installs what it tests with)
ci:
    .ci/run
