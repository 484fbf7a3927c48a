//! Reads every `.pyc` below the given folders, writes it again, decodes and assembles every code
//! object, counts what differs by one byte, and what the verifier complains about.
//!
//!     cargo run --release -p equip-core --example roundtrip_sweep -- DIR...
use std::time::{Duration, Instant};

use equip_core::{body, pyc::PycFile, verify::verify};

fn main() {
    let (mut files, mut codes, mut bad_files, mut bad_codes, mut bytes) = (0, 0, 0, 0, 0);
    let [mut parsing, mut writing, mut decoding, mut judging] = [Duration::ZERO; 4];
    let mut complaints = 0;
    for dir in std::env::args().skip(1) {
        for entry in walkdir::WalkDir::new(dir)
            .sort_by_file_name()
            .into_iter()
            .flatten()
        {
            if entry.path().extension().is_none_or(|e| e != "pyc") {
                continue;
            }
            let data = std::fs::read(entry.path()).expect("readable");
            let begin = Instant::now();
            let mut pyc = match PycFile::parse(&data) {
                Ok(pyc) => pyc,
                Err(error) => {
                    println!("{}: {error}", entry.path().display());
                    bad_files += 1;
                    continue;
                }
            };
            parsing += begin.elapsed();
            files += 1;
            bytes += data.len();
            let begin = Instant::now();
            let written = pyc.to_bytes();
            writing += begin.elapsed();
            if written != data[..data.len() - pyc.trailer.len()] {
                println!("{}: written differently", entry.path().display());
                bad_files += 1;
            }
            let ids = pyc.code_objects();
            let begin = Instant::now();
            for complaint in verify(&pyc, &ids) {
                complaints += 1;
                println!("{}: {complaint}", entry.path().display());
            }
            judging += begin.elapsed();
            for id in ids {
                let begin = Instant::now();
                let code = pyc.objects.code(id).expect("a code object").clone();
                let result = body::decode(pyc.isa, &pyc.objects, &code).and_then(|body| {
                    let depths = body::depths(&body)?;
                    Ok((body::assemble(body, &code, &mut pyc.objects)?, depths.max))
                });
                decoding += begin.elapsed();
                codes += 1;
                let name = code.qualname(&pyc.objects);
                match result {
                    Ok((new, max)) => {
                        let same = new.code == code.code
                            && new.linetable == code.linetable
                            && new.exceptiontable == code.exceptiontable
                            && new.consts == code.consts
                            && new.names == code.names
                            && max <= code.stacksize;
                        if !same {
                            bad_codes += 1;
                            println!(
                                "{}: {name}: code {} lines {} handlers {} depth {max} of {}",
                                entry.path().display(),
                                new.code == code.code,
                                new.linetable == code.linetable,
                                new.exceptiontable == code.exceptiontable,
                                code.stacksize
                            );
                        }
                    }
                    Err(error) => {
                        bad_codes += 1;
                        println!("{}: {name}: {error}", entry.path().display());
                    }
                }
            }
        }
    }
    println!(
        "{files} files, {codes} code objects, {bytes} bytes; differ: {bad_files} files, {bad_codes} code objects; \
         complaints: {complaints}; parse {parsing:?}, write {writing:?}, \
         decode + depths + assemble {decoding:?}, verify {judging:?}"
    );
}
