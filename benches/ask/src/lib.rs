//! A genome to ask about where no real one is at hand: of the size of Escherichia coli's, from a seed.

use std::fmt::Write;

/// Genes of a whole genome.
pub const GENES: u64 = 4300;

const PRODUCTS: [&str; 12] = [
    "hypothetical protein",
    "ABC transporter ATP-binding protein",
    "LysR family transcriptional regulator",
    "30S ribosomal protein S12",
    "DNA polymerase III subunit alpha",
    "two-component system sensor histidine kinase",
    "lipopolysaccharide heptosyltransferase",
    "flagellar hook protein",
    "outer membrane porin",
    "glycine--tRNA ligase",
    "DUF1127 domain-containing protein",
    "siderophore receptor",
];

/// A GenBank record with so many genes, 1,070 bases each, on both strands.
pub fn genbank(genes: u64) -> String {
    let length = genes * 1070;
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut out = format!(
        "LOCUS       SEED {length} bp    DNA     circular BCT 01-JAN-2026\nACCESSION   SEED\nVERSION     SEED.1\n\
         FEATURES             Location/Qualifiers\n"
    );
    for i in 0..genes {
        let start = 1 + i * 1070;
        let aa = 40 + random() % 280;
        let end = start + aa * 3 + 2;
        let location =
            if random() % 2 == 0 { format!("{start}..{end}") } else { format!("complement({start}..{end})") };
        let name = format!("{}{}", ["abc", "dna", "lac", "rec", "fli"][(i % 5) as usize], i / 5);
        let protein: String = (0..aa).map(|_| b"ACDEFGHIKLMNPQRSTVWY"[(random() % 20) as usize] as char).collect();
        let head = format!("                     /gene=\"{name}\"\n                     /locus_tag=\"S_{i:05}\"\n");
        let product = PRODUCTS[(random() % PRODUCTS.len() as u64) as usize];
        let _ = write!(
            out,
            "     gene            {location}\n{head}     CDS             {location}\n{head}                     \
             /product=\"{product}\"\n                     /protein_id=\"P_{i:05}.1\"\n                     /translation=\"{protein}\"\n"
        );
    }
    out.push_str("ORIGIN\n");
    for line in 0..length.div_ceil(60) {
        let _ = write!(out, "{:>9}", line * 60 + 1);
        for block in 0..6 {
            out.push(' ');
            for at in 0..10 {
                if line * 60 + block * 10 + at < length {
                    out.push(b"acgt"[(random() % 4) as usize] as char);
                }
            }
        }
        out.push('\n');
    }
    out.push_str("//\n");
    out
}
