//! Is this the training that PEFT does? Runs a recorded case again and prints what came out as one JSON object on one line;
//! with a second folder, leaves the trained adapter there as it is saved.
//!
//! ```text
//! cargo run -p examples --example replay_trace -- testdata/peft/lora_bert
//! ```

use std::path::Path;
use std::process::ExitCode;

use genome_train::replay::{replay, replay_into};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let found = match &arguments[..] {
        [case] => replay(Path::new(case)),
        [case, out] => replay_into(Path::new(case), Path::new(out)),
        _ => {
            eprintln!("usage: replay_trace CASE_DIR [OUT_DIR]");
            return ExitCode::from(2);
        }
    };
    let found = found.map_err(|e| e.to_string());
    match found.and_then(|found| serde_json::to_string(&found).map_err(|e| e.to_string())) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("replay_trace: {error}");
            ExitCode::from(2)
        }
    }
}
