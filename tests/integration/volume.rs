//! Much, both ways, and nothing lost of it.

use std::io::{Read, Write};
use std::process::Stdio;

use crate::harness::{Scratch, noise};

/// 1 GiB each way at once, compared by checksum.
#[test]
fn a_gibibyte_each_way_at_once() {
    const BLOCK: usize = 1 << 20;
    const BLOCKS: u32 = 1024;
    let scratch = Scratch::new();
    let start = |role: &str, seed: u64| {
        let mut side = scratch.pipetool([role, "x"]).open_stdin().stdout(Stdio::piped()).start_raw();
        let (mut stdin, mut stdout) = (side.stdin.take().unwrap(), side.stdout.take().unwrap());
        let sent = std::thread::spawn(move || {
            let mut block = noise(seed, BLOCK);
            let mut sum = crc32fast::Hasher::new();
            for number in 0..BLOCKS {
                block[..4].copy_from_slice(&number.to_le_bytes());
                sum.update(&block);
                stdin.write_all(&block).unwrap();
            }
            sum.finalize()
        });
        let received = std::thread::spawn(move || {
            let mut block = vec![0; BLOCK];
            let (mut sum, mut count) = (crc32fast::Hasher::new(), 0);
            loop {
                match stdout.read(&mut block).unwrap() {
                    0 => return (sum.finalize(), count),
                    read => {
                        sum.update(&block[..read]);
                        count += read;
                    }
                }
            }
        });
        (side, sent, received)
    };
    let (mut server, from_server, at_server) = start("serve", 1);
    let (mut client, from_client, at_client) = start("connect", 2);
    let whole = BLOCK * BLOCKS as usize;
    assert_eq!(at_client.join().unwrap(), (from_server.join().unwrap(), whole));
    assert_eq!(at_server.join().unwrap(), (from_client.join().unwrap(), whole));
    assert!(server.wait().unwrap().success() && client.wait().unwrap().success());
}
