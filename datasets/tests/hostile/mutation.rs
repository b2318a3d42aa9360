//! Damage to bytes, decided by a seed.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Words that the formats know, numbers at their borders, and what hostile files are made of.
const WORDS: [&[u8]; 24] = [
    b"-1",
    b"0",
    b"1e308",
    b"1e999",
    b"NaN",
    b"18446744073709551615",
    b"18446744073709551616",
    b"null",
    b"[]",
    b"{}",
    b"[[[[[[[[",
    b"<a>",
    b"</object>",
    b"<bndbox>",
    b"&lt;&#0;&#x10FFFF;&b;",
    b"<!DOCTYPE a [<!ENTITY b \"c\">]>",
    b"../../etc/passwd",
    b"/etc/passwd",
    b"\xEF\xBB\xBF",
    b"\xFF\xFF\xFF\xFF",
    b"\x00\x00\x00\x00",
    b"\x7F\xFF\xFF\xFF",
    b"\xFF\xD9",
    b"\r\n",
];
/// Where a mutated input may grow to.
const LONGEST: usize = 1 << 16;

/// The seed's bytes, changed in one to eight places: bits turned, numbers and words put in, pieces moved, doubled or cut.
pub fn mutated(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut bytes = bytes.to_vec();
    for _ in 0..rng.random_range(1..=8) {
        let at = rng.random_range(0..=bytes.len());
        let end = (at + rng.random_range(0..=64)).min(bytes.len());
        match rng.random_range(0..8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = rng.random(),
            2 => drop(bytes.drain(at..end)),
            3 => bytes.truncate(at),
            4 => {
                let piece = bytes[at..end].to_vec();
                let times = rng.random_range(1..=4);
                bytes.splice(at..at, piece.repeat(times));
            }
            5 => {
                let word = WORDS[rng.random_range(0..WORDS.len())];
                bytes.splice(at..at, word.iter().copied());
            }
            6 => {
                let word = WORDS[rng.random_range(0..WORDS.len())];
                let over = (at + word.len()).min(bytes.len());
                bytes.splice(at..over, word.iter().copied());
            }
            7 => {
                let piece: Vec<u8> = bytes.drain(at..end).collect();
                let to = rng.random_range(0..=bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => {}
        }
    }
    bytes.truncate(LONGEST);
    bytes
}
