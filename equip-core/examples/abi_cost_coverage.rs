//! What the stable ABI costs `coverage`: run by `bench/abi.py`.

#[path = "abi_cost/compare.rs"]
mod compare;

fn main() {
    compare::main::<coverage::Coverage>();
}
