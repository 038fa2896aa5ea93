//! What a user may type or pipe in, in every form, on its way to every framing: no panic, and what is
//! pending is what was made.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pipetool::framing::{Form, Translator};

const FORMS: [&str; 8] = ["lines", "whole", "base64", "hex", "nul", "u16be", "varint", "netstring"];

fn form(which: u8) -> Form {
    match usize::from(which) % (FORMS.len() + 1) {
        kept if kept == FORMS.len() => Form::Kept,
        named => FORMS[named].parse().unwrap(),
    }
}

fuzz_target!(|data: &[u8]| {
    let [input, output, cut, bytes @ ..] = data else { return };
    let mut translator = Translator::new(form(*input), form(*output), 4096).showing(true).without_bom(cut % 2 == 0);
    let mut going = bytes.chunks(usize::from(*cut) + 1).all(|piece| translator.push(piece).is_ok());
    going = going && translator.finish().is_ok();
    let mut seen: u64 = 0;
    while translator.take_seen().is_some() {
        seen += 1;
    }
    assert!(seen == translator.count() || !going);
    let mut left = translator.undelivered();
    while let Some(pending) = translator.pending() {
        let count = pending.len();
        translator.delivered(count);
        left -= count;
    }
    assert_eq!((left, translator.undelivered()), (0, 0));
});
