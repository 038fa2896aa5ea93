//! Every decoder of framings, over any bytes cut anyhow: no panic, no more out than in, the same messages
//! as if all had come at once, and what was decoded can be encoded and decoded again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pipetool::framing::{Decoder, Framing, NAMES};

const ELSEWHERE: [&str; 5] = ["u32le@6+4", "u32le@4", "u16le@14-16", "u32be@1-4", "u24le+1"];
const LARGEST: usize = 4096;

fn decoded(framing: Framing, pieces: &mut dyn Iterator<Item = &[u8]>) -> (Vec<Vec<u8>>, bool) {
    let (mut decoder, mut messages) = (Decoder::new(framing, LARGEST), Vec::new());
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next() {
                Ok(Some(message)) => messages.push(message.to_vec()),
                Ok(None) => break,
                Err(_) => return (messages, false),
            }
        }
    }
    match decoder.finish() {
        Ok(last) => messages.extend(last.map(<[u8]>::to_vec)),
        Err(_) => return (messages, false),
    }
    assert_eq!(decoder.next(), Ok(None));
    assert_eq!(decoder.finish(), Ok(None));
    (messages, true)
}

fuzz_target!(|data: &[u8]| {
    let [which, cut, bytes @ ..] = data else { return };
    let place = usize::from(*which) % (NAMES.len() + ELSEWHERE.len());
    let framing: Framing = NAMES.iter().chain(&ELSEWHERE).nth(place).unwrap().parse().unwrap();
    let (messages, whole) = decoded(framing, &mut bytes.chunks(usize::from(*cut) + 1));
    assert!(messages.iter().map(Vec::len).sum::<usize>() <= bytes.len());
    assert!(messages.iter().all(|message| message.len() <= LARGEST));
    let at_once = decoded(framing, &mut std::iter::once(bytes));
    if whole {
        assert_eq!((&messages, whole), (&at_once.0, at_once.1));
    }
    let mut wire = Vec::new();
    let kept: Vec<_> = messages.into_iter().filter(|message| framing.encode(message, &mut wire).is_ok()).collect();
    assert_eq!(decoded(framing, &mut wire.chunks(usize::from(*cut) + 1)), (kept, true));
});
