//! How a word that is being typed may go on.

use crate::error::Result;
use crate::index::Index;
use crate::understand;

impl Index {
    /// Names of genes, locus tags, sequences and words of questions that begin with this, whatever the case; at most so many.
    ///
    /// # Errors
    ///
    /// The index is damaged.
    pub fn completions(&self, beginning: &str, most: usize) -> Result<Vec<String>> {
        let mut out = Vec::new();
        if beginning.is_empty() {
            return Ok(out);
        }
        let lower = beginning.to_lowercase();
        let end = format!("{lower}\u{10ffff}");
        // By the index of names, then as the file writes them.
        let sql = "SELECT DISTINCT coalesce((SELECT x FROM (SELECT f.gene AS x UNION ALL SELECT f.locus_tag UNION ALL SELECT l.name) \
                   WHERE lower(x) = n.fold LIMIT 1), n.fold) FROM names n JOIN features f ON f.id = n.feature \
                   LEFT JOIN loci l ON l.id = n.locus WHERE n.fold >= ?1 AND n.fold < ?2 AND n.rank < 3 ORDER BY n.rank, n.fold LIMIT ?3";
        let most_sql = i64::try_from(most).unwrap_or(i64::MAX);
        let found = || -> Result<Vec<String>> {
            let mut statement = self.db.prepare(sql)?;
            let names = statement.query_map(rusqlite::params![lower, end, most_sql], |row| row.get(0))?;
            let mut all = names.collect::<rusqlite::Result<Vec<String>>>()?;
            let mut statement =
                self.db.prepare("SELECT name FROM sequences WHERE lower(name) >= ?1 AND lower(name) < ?2 LIMIT ?3")?;
            let names = statement.query_map(rusqlite::params![lower, end, most_sql], |row| row.get(0))?;
            all.extend(names.collect::<rusqlite::Result<Vec<String>>>()?);
            Ok(all)
        };
        out.extend(understand::words_beginning(&lower).take(most).map(str::to_owned));
        out.extend(found().map_err(|e| e.in_index(self.path()))?);
        let mut seen = std::collections::HashSet::new();
        out.retain(|word| seen.insert(word.to_lowercase()));
        out.truncate(most);
        Ok(out)
    }
}
