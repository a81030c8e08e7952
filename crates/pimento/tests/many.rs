//! A thousand processes in capability mode, each with a monitor, and a thousand under one: they work at the same time, and
//! nothing is left of them.

#[path = "../examples/many.rs"]
#[allow(dead_code)]
mod many;

#[test]
fn a_thousand_processes_work_under_a_thousand_monitors_and_under_one() {
    many::crowd("monitors", 1000, 0).unwrap();
    many::crowd("processes", 1, 999).unwrap();
}
