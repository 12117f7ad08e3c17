//! The order of the turns, and their length.

/// A measured span takes about this long, where an epoch is not longer and the time allows it.
const LONGEST_TURN: f64 = 3.0;

/// And at least about this long: a span of one step would be mostly that of starting it.
const SHORTEST_SPAN: f64 = 0.05;

/// Spans in a turn.
const SPANS: usize = 3;

/// The most epochs in a span. An epoch of a small network takes microseconds, and each is remembered.
const MOST_EPOCHS: usize = 200_000;

/// The order of `count` contestants in a round, from 0. Each round begins with another one and
/// every second round runs backwards, so that no contestant always follows the same one.
pub fn order(round: usize, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    if count > 0 {
        order.rotate_left(round % count);
    }
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

/// The measurements of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Measured spans.
    pub spans: usize,
    /// Epochs in each.
    pub epochs: usize,
}

/// The turn of a contestant whose epoch takes `epoch_s`, where a turn may take `seconds`: three
/// spans if possible, then as many epochs in each as there is time for; never less than one epoch, and as many
/// short ones as take a moment.
pub fn turn(epoch_s: f64, seconds: f64) -> Turn {
    let epoch_s = epoch_s.max(1e-9);
    let least = (SHORTEST_SPAN / epoch_s) as usize;
    let epochs = seconds.min(LONGEST_TURN) / epoch_s;
    let spans = (epochs as usize).clamp(1, SPANS);
    Turn { spans, epochs: ((epochs / spans as f64) as usize).max(least).clamp(1, MOST_EPOCHS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contestant_has_one_turn_in_each_round() {
        for round in 0..8 {
            let mut order = order(round, 5);
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2, 3, 4]);
        }
        assert!(order(3, 0).is_empty());
    }

    #[test]
    fn rounds_alternate() {
        assert_eq!(order(0, 3), [0, 1, 2]);
        assert_eq!(order(1, 3), [0, 2, 1]);
        assert_eq!(order(2, 3), [2, 0, 1]);
        assert_eq!(order(3, 3), [2, 1, 0]);
    }

    #[test]
    fn no_contestant_always_follows_the_same_one() {
        // The contestants right before contestant 0, over the rounds.
        let before: std::collections::BTreeSet<usize> = (0..5)
            .filter_map(|round| {
                let order = order(round, 5);
                let place = order.iter().position(|&contestant| contestant == 0)?;
                Some(order[place.checked_sub(1)?])
            })
            .collect();
        assert!(before.len() > 1, "{before:?}");
    }

    #[test]
    fn a_turn_fits_its_time() {
        assert_eq!(turn(0.1, 1.0), Turn { spans: 3, epochs: 3 });
        assert_eq!(turn(0.4, 1.0), Turn { spans: 2, epochs: 1 });
        // A slow one is measured all the same, and time is not wasted on a quick one.
        assert_eq!(turn(20.0, 1.0), Turn { spans: 1, epochs: 1 });
        assert_eq!(turn(0.1, 60.0), Turn { spans: 3, epochs: 10 });
        // One of microseconds is measured for a moment, and not for ever.
        assert_eq!(turn(1e-3, 0.0), Turn { spans: 1, epochs: 50 });
        assert_eq!(turn(1e-6, 60.0), Turn { spans: 3, epochs: 200_000 });
    }
}
