//! Models that no machine has the memory for: they are refused before anything of them is allocated.

use crate::cli::small::{TRAIN, refused};

#[test]
fn a_dnn_that_no_machine_can_hold_is_refused_with_the_setting() {
    let units = "model.hidden_units=[10000000, 10000000]";
    let args = [&TRAIN[..], &["--set", units]].concat();
    refused(&args, 2, "most of it is for the DNN's later maps (");
    refused(&args, 2, "lower `hidden_units`");
}

#[test]
fn tables_that_no_machine_can_hold_are_refused_with_their_largest_field() {
    let site = "{ name = \"site\", kind = \"categorical\", hash_buckets = 1000000000 }";
    let age = "{ name = \"age\", kind = \"numeric\" }";
    let fields = format!("data.fields=[{site}, {age}]");
    let width = "model.embedding_dim=100000";
    let small = ["model.name=dnn", "model.hidden_units=[1]"];
    let set = ["--set", &fields, width, small[0], small[1]];
    let args = [&TRAIN[..], &set].concat();
    refused(&args, 2, "most of it is for the tables (");
    refused(&args, 2, "`hash_buckets` (`site` has 100000000");
}
