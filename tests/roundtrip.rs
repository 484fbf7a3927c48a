//! Reading and writing, decoding and assembling give back what was there, byte by byte; the
//! verifier complains about nothing that CPython's compiler makes.

use crate::harness;
use equip_core::body;
use equip_core::pyc::PycFile;
use equip_core::verify::verify;

#[test]
fn every_file_and_code_object_comes_out_as_it_went_in() {
    for python in harness::interpreters() {
        let folder = harness::scratch();
        let files = harness::compiled_library(python, folder.path());
        let mut codes = 0;
        for file in &files {
            let data = std::fs::read(file).unwrap();
            let mut pyc = PycFile::parse(&data).unwrap();
            assert!(
                pyc.to_bytes() == data,
                "{}: written differently",
                file.display()
            );
            let ids = pyc.code_objects();
            let complaints = verify(&pyc, &ids);
            assert!(
                complaints.is_empty(),
                "{}: {}",
                file.display(),
                complaints[0]
            );
            for id in ids {
                let code = pyc.objects.code(id).unwrap().clone();
                let name = code.qualname(&pyc.objects).into_owned();
                let decoded = body::decode(pyc.isa, &pyc.objects, &code)
                    .unwrap_or_else(|e| panic!("{name}: {e}"));
                let depths = body::depths(&decoded).unwrap_or_else(|e| panic!("{name}: {e}"));
                assert!(
                    depths.max <= code.stacksize,
                    "{name}: depth {} of {}",
                    depths.max,
                    code.stacksize
                );
                let new = body::assemble(decoded, &code, &mut pyc.objects).unwrap();
                assert_eq!(new.code, code.code, "{name}: instructions");
                assert_eq!(new.linetable, code.linetable, "{name}: location table");
                assert_eq!(
                    new.exceptiontable, code.exceptiontable,
                    "{name}: exception table"
                );
                codes += 1;
            }
        }
        println!(
            "CPython {}: {} files, {codes} code objects, 0 differ, 0 complaints",
            python.isa.version,
            files.len()
        );
        assert!(files.len() > 30 && codes > 1000);
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error_and_no_panic() {
    for python in harness::interpreters() {
        let source = "'doc'\nimport os as o\ndef f(a, *b, c=1.5, **d):\n    try:\n        return [a, b'x', 2**70, 3j]\n    finally:\n        print({1, 'é'})\n";
        let data = harness::compile(python, source, "cut.py");
        for len in 0..data.len() {
            assert!(
                PycFile::parse(&data[..len]).is_err(),
                "{len} bytes of {}",
                data.len()
            );
        }
    }
}

#[test]
fn damaged_bytes_never_panic() {
    for python in harness::interpreters() {
        let source = "class A:\n    def f(self, x):\n        for i in x:\n            try:\n                yield i\n            except ValueError:\n                pass\nb = [A, (1, 2, (3,))]\n";
        let data = harness::compile(python, source, "damaged.py");
        // A fixed generator: the same damage on every machine.
        let mut state = 0x2545_F491_4F6C_DD1Du64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        for _ in 0..4000 {
            let mut bad = data.clone();
            for _ in 0..1 + random(3) {
                let at = 16 + random(data.len() - 16);
                bad[at] = random(256) as u8;
            }
            let Ok(mut pyc) = PycFile::parse(&bad) else {
                continue;
            };
            let _ = equip_core::declaration::declarations(&pyc).keys();
            let codes = pyc.code_objects();
            let _ = verify(&pyc, &codes);
            for id in codes {
                let code = pyc.objects.code(id).unwrap().clone();
                let mut listing = String::new();
                let _ = equip_core::listing::disassemble(&pyc, id, &mut listing);
                if let Ok(body) = body::decode(pyc.isa, &pyc.objects, &code) {
                    let _ = body::depths(&body);
                    let _ = body::assemble(body, &code, &mut pyc.objects);
                }
            }
            let _ = pyc.to_bytes();
        }
    }
}
