//! A map that keeps the entries used last.

use std::collections::HashMap;
use std::hash::Hash;

/// The entries that were used last, at most so many.
pub(super) struct Recent<K, V> {
    most: usize,
    /// Grows with every use.
    clock: u64,
    /// Each with the time of its last use.
    entries: HashMap<K, (u64, V)>,
}

impl<K: Clone + Eq + Hash, V: Clone> Recent<K, V> {
    pub(super) fn new(most: usize) -> Self {
        Self { most, clock: 0, entries: HashMap::new() }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        self.clock += 1;
        let (used, value) = self.entries.get_mut(key)?;
        *used = self.clock;
        Some(value.clone())
    }

    /// Adds an entry, in the place of the one whose last use is the longest ago if the map is full.
    pub(super) fn insert(&mut self, key: K, value: V) {
        self.clock += 1;
        let full = self.entries.len() >= self.most && !self.entries.contains_key(&key);
        let oldest = self.entries.iter().min_by_key(|(_, (used, _))| *used);
        if let (true, Some((oldest, _))) = (full, oldest) {
            let oldest = oldest.clone();
            self.entries.remove(&oldest);
        }
        self.entries.insert(key, (self.clock, value));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_the_longest_time_goes() {
        let mut recent = Recent::new(3);
        for key in ["a", "b", "c"] {
            recent.insert(key, key.len());
        }
        assert_eq!(recent.get(&"a"), Some(1));
        recent.insert("d", 4);
        assert_eq!(recent.get(&"b"), None, "the others were used later");
        assert_eq!(["a", "c", "d"].map(|key| recent.get(&key)), [Some(1), Some(1), Some(4)]);
        recent.insert("a", 5);
        assert_eq!((recent.len(), recent.get(&"c"), recent.get(&"a")), (3, Some(1), Some(5)));
    }
}
