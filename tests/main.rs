//! What equip promises, tried on every interpreter that is found. All tests are in one binary: it is linked once, and
//! none waits for those of another file.

mod analysis;
mod authors;
mod behaviour;
mod book;
mod branches;
mod call_graph;
mod calls;
mod cfg;
mod cli;
mod compat;
mod counts;
mod coverage;
mod coverage_report;
mod damage;
mod declarations;
mod examples;
mod exits;
mod expressions;
mod harness;
mod isa;
mod lines;
mod loops;
mod new_plugin;
mod pipelines;
mod plugins;
mod roundtrip;
mod runtime;
mod select;
mod snippets;
mod suite;
mod tracer;
mod values;
mod verify;
mod views;
