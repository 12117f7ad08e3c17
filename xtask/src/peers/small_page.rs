//! The sections of `BENCHMARKS.md` about small networks.

use super::format::{count, table};
use super::page::{DASH, OURS, busy, left_out, repeat, restriction, times, title};
use super::results::{Entry, Small, SmallWork};
use super::statistics::ratio;

/// What each row is of.
type Cell<'a> = &'a dyn Fn(&SmallWork, &Entry) -> Option<String>;

/// The section of a class of machine.
pub fn part(small: &Small) -> String {
    let entries = || small.works.iter().flat_map(|work| &work.entries);
    let ours = entries().find(|entry| OURS.contains(&entry.contestant.as_str()));
    let mut part = format!(
        "\n## Small networks on {}\n\nTraining steps, Adam, mean squared error,\non {}.\n\n",
        small.class(),
        small.setting.describe()
    );
    part += &restriction(small.vectors.as_deref());
    if let Some(ours) = ours {
        let rows = small.rows(&|work, entry| {
            let us = work.entry(&ours.contestant).filter(|us| us.learned)?;
            let is_other = entry.contestant != us.contestant;
            ratio(&entry.rounds(), &us.rounds()).as_ref().filter(|_| is_other).map(times)
        });
        let rows: Vec<_> = rows.into_iter().filter(|row| row[0] != title(ours)).collect();
        if !rows.is_empty() {
            let first = format!("{} is so many times as fast as", title(ours));
            part += &(table(&small.header(&first), &rows) + "\n");
            part += "Above 1 Impasto is faster, below 1 slower. In parentheses: the least and the most of \
                     the rounds.\n";
        }
    }
    part += &busy(entries());
    let steps = |work: &SmallWork, entry: &Entry| Some(count(work.steps as f64 / entry.seconds()?));
    part += &["\n", &table(&small.header("steps a second, median"), &small.rows(&steps))].concat();
    let losses = |_: &SmallWork, entry: &Entry| {
        Some(format!("{:.4} → {:.4}", entry.first_loss, entry.final_loss))
    };
    part += &["\n", &table(&small.header("loss, first → last"), &small.rows(&losses))].concat();
    part += &left_out(&small.left_out);
    part + &method(small)
}

/// How it was measured.
fn method(small: &Small) -> String {
    format!(
        "\nExclusive or is learned with tanh, and its four samples are in each step. The other network learns the\n\
         pixels of the picture with ReLU, in a new order in each epoch. As above, contestants take turns in each of\n\
         {} rounds, a figure is a median, and a contestant whose loss stays above half of the best constant's is\n\
         not counted.\n\n{}",
        small.rounds,
        repeat(&small.setting)
    )
}

impl SmallWork {
    fn entry(&self, contestant: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.contestant == contestant)
    }
}

impl Small {
    fn header(&self, first: &str) -> Vec<String> {
        std::iter::once(first.into())
            .chain(self.works.iter().map(|work| work.name.clone()))
            .collect()
    }

    /// A row for each contestant, a cell for each network.
    fn rows(&self, cell: Cell) -> Vec<Vec<String>> {
        let mut contestants: Vec<&Entry> = Vec::new();
        for entry in self.works.iter().flat_map(|work| &work.entries) {
            if contestants.iter().all(|known| known.contestant != entry.contestant) {
                contestants.push(entry);
            }
        }
        let row = |first: &Entry| {
            let cells = self.works.iter().map(|work| {
                let entry = work.entry(&first.contestant).filter(|entry| entry.learned);
                entry.and_then(|entry| cell(work, entry)).unwrap_or_else(|| DASH.into())
            });
            std::iter::once(title(first)).chain(cells).collect()
        };
        contestants.into_iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::machine::Setting;
    use crate::peers::results::LeftOut;

    fn entry(contestant: &str, seconds: f64) -> Entry {
        Entry {
            contestant: contestant.into(),
            version: contestant.to_uppercase(),
            device: "CPU, 2 threads, AVX2".into(),
            gpu: false,
            batch: 4,
            first_epoch_s: 1.0,
            first_loss: 0.25,
            epoch_s: vec![vec![seconds]; 3],
            epochs: 9,
            final_loss: 0.001,
            learned: true,
        }
    }

    fn small() -> Small {
        let work = |name: &str, steps, entries| SmallWork {
            name: name.into(),
            steps,
            constant_loss: 0.25,
            entries,
        };
        Small {
            setting: Setting::default(),
            rounds: 3,
            vectors: None,
            works: vec![
                work("2-3-1", 1, vec![entry("impasto-cpu", 2e-6), entry("pytorch", 2e-4)]),
                work("2-32-32-3", 50, vec![entry("impasto-cpu", 1e-3)]),
            ],
            left_out: vec![LeftOut { contestant: "candle".into(), reason: "no network".into() }],
        }
    }

    #[test]
    fn the_section_has_steps_a_second_and_ratios() {
        let part = part(&small());
        for expected in [
            "## Small networks on AVX2\n",
            "| IMPASTO-CPU, CPU engine | 500,000 | 50,000 |",
            "| PYTORCH, CPU, fused Adam | 5,000 | – |",
            "| PYTORCH, CPU, fused Adam | **100×** (100–100) | – |",
            "- candle: no network",
        ] {
            assert!(part.contains(expected), "{expected}\n{part}");
        }
        assert!(!part.contains("was busy"));
    }

    #[test]
    fn a_contestant_that_does_not_learn_is_not_counted() {
        let mut small = small();
        small.works[0].entries[1].learned = false;
        let part = part(&small);
        assert!(part.contains("| PYTORCH, CPU, fused Adam | – | – |"), "{part}");
    }
}
