//! Everything that a peer can say in a transfer, over any bytes: no panic, no length beyond what is allowed, and what
//! was understood is said again in the same bytes, as far as they mean anything.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pipetool::transfer::wire::{Answer, End, HEAD_SIZE, HELLO_SIZE, Hello, Item, MOST_DATA, Record, may_be_hello};

/// A stream of records, as they would be taken from a pipe.
fn records(mut bytes: &[u8]) {
    while let Some((head, rest)) = bytes.split_first_chunk::<HEAD_SIZE>() {
        let Ok((record, length)) = Record::parse(head) else { return };
        assert!(length <= MOST_DATA);
        assert_eq!(record.head(length), *head);
        let Some((body, rest)) = rest.split_at_checked(length) else { return };
        understand(record, body);
        bytes = rest;
    }
}

fn understand(record: Record, body: &[u8]) {
    match record {
        Record::Item => {
            // Fields that say of themselves that they are not known may hold anything: once said, they do not.
            let Ok(item) = Item::parse(body) else { return };
            assert_eq!(Item::parse(&item.bytes()), Ok(item));
        }
        Record::End => {
            let Ok(end) = End::parse(body) else { return };
            assert_eq!(end.bytes(), *body);
        }
        Record::Answer => {
            let Ok(answer) = Answer::parse(body) else { return };
            Answer::parse(&answer.bytes()).unwrap();
        }
        _ => {}
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Some((hello, rest)) = bytes.split_first_chunk::<HELLO_SIZE>()
        && let Ok(parsed) = Hello::parse(hello)
    {
        assert!(may_be_hello(hello));
        assert_eq!(Hello::parse(&parsed.bytes()), Ok(parsed));
        records(rest);
    }
    records(bytes);
});
