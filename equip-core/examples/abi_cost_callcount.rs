//! What the stable ABI costs `callcount`: run by `bench/abi.py`.

#[path = "abi_cost/compare.rs"]
mod compare;

fn main() {
    compare::main::<callcount::CallCount>();
}
