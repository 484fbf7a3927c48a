//! What loops do: probes see what the source tells when it counts itself.

use crate::harness;

use crate::harness::{Programs, debug_interpreters, difference, instrument, interpreters, told};
use equip_core::isa::WhileCondition;

#[test]
fn loops_do_what_the_source_counts() {
    let mut counts = Vec::new();
    for one in interpreters().iter().chain(debug_interpreters()) {
        let programs = Programs::of_folders(one, &["tests/loops"], |_| true);
        let (folder, names) = (programs.folder.path(), &programs.names);
        let plain = told(one, folder, "loops.py", "plain", names);
        let options = ["--plugin", "events", "--set", "events.what='loops'"];
        instrument(one, folder, &options);
        let probed = told(one, folder, "loops.py", "probed", names);
        let path = one.path.display();
        assert_eq!(plain.matches(" ended normally").count(), names.len());
        assert!(plain == probed, "{path}: {}", difference(&plain, &probed));
        let count = |event: &str| plain.matches(event).count();
        println!(
            "{path}: {} heads, {} back edges, {} exits",
            count(" head "),
            count(" back "),
            count(" exit ")
        );
        counts.push(plain);
    }
    // They are the program's, whatever the version.
    assert!(counts.windows(2).all(|pair| pair[0] == pair[1]));
}

/// Where an endless loop begins with another one nothing in the bytecode of the older versions tells which of them is meant.
#[test]
fn endless_loops_with_one_head_are_one() {
    let source = "\
def endless(n):
    while True:
        while True:
            n += 1
            if n % 2:
                break
        if n > 6:
            return
endless(0)
";
    for one in interpreters() {
        let folder = harness::scratch();
        std::fs::write(folder.path().join("endless.py"), source).unwrap();
        let options = ["--plugin", "events", "--set", "events.what='loops'"];
        instrument(one, folder.path(), &options);
        let names = ["endless".to_owned()];
        let probed = told(one, folder.path(), "loops.py", "probed", &names);
        let of = |event: &str| probed.matches(event).count();
        // Four rounds of the outer, seven of the inner one.
        let wanted = match one.isa.while_condition {
            WhileCondition::Repeated => (7, 6, 0),
            WhileCondition::Once => (4 + 7, 3 + 3, 0),
        };
        assert_eq!((of(" head "), of(" back "), of(" exit ")), wanted);
    }
}
