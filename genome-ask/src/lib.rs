//! Questions about annotated genomes, answered from the file and cited.
