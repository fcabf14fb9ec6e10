//! The fuzz targets without a fuzzer: their seeds, and copies of them changed by chance.

#[path = "../../fuzz/src/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;

use tallyline_testkit::histories::Dice;
use tallyline_testkit::mutate;

/// Changed copies of each seed.
const COPIES: u64 = 200;

/// Break tried: fractions of money cut instead of rounded.
#[test]
fn seeds_and_changed_copies_of_them_pass_every_target() {
    for (name, check) in targets::ALL {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
        let mut seeds: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
        seeds.sort();
        assert!(seeds.len() >= 2, "{name} has no seeds");
        for (number, seed) in seeds.iter().enumerate() {
            let seed = fs::read(seed).unwrap();
            check(&seed);
            for copy in 0..COPIES {
                let mut dice = Dice::new(number as u64, copy);
                let mut bytes = seed.clone();
                for _ in 0..=dice.below(3) {
                    mutate::break_bytes(&mut bytes, &mut dice);
                }
                check(&bytes);
            }
        }
    }
}
