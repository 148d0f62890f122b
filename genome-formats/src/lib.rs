//! Streams genome files (FASTA, GenBank, labelled CSV) into typed records, with errors that say where.
