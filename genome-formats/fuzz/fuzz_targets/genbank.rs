#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| genome_formats_fuzz::check(genome_formats::Format::Genbank, data));
