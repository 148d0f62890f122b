use genome_ask::*;
fn main(){ for f in std::env::args().skip(1){ let t=std::time::Instant::now(); let i=Index::open(&[Source::discover(&f)],&Store::Folder("/tmp/w/idx-ask".into())).unwrap(); println!("{:?} {:?} {:#?}",t.elapsed(),i.was_built(),i.genomes().unwrap()); 
let t=std::time::Instant::now(); let i=Index::open(&[Source::discover(&f)],&Store::Folder("/tmp/w/idx-ask".into())).unwrap(); println!("reopen {:?} {:?}",t.elapsed(),i.was_built());
println!("{}", std::fs::read_to_string("/proc/self/status").unwrap().lines().find(|l|l.starts_with("VmHWM")).unwrap()); } }
