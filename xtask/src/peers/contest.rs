//! The contest: every contestant at every work, in turns.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::contestant::Contestant;
use super::protocol::{Answer, Job};
use super::results::{Entry, Product};
use super::roster::{Member, Roster};
use super::schedule;
use super::statistics::median;
use super::vectors::Vectors;
use super::work::Work;

/// Between two turns.
const PAUSE: Duration = Duration::from_millis(250);

/// Tests whether a contestant has learned, on its way through the steps in which it should.
const TESTS: usize = 16;

/// Rows and columns of the matrices whose product measures the machine's rate.
const PRODUCT_SIZE: usize = 4096;

/// A contestant at one work, with what it has shown so far.
struct Seat {
    member: usize,
    work: usize,
    gpu: bool,
    contestant: Contestant,
    job: Job,
    first: Answer,
    last: Answer,
    /// The spans of each round.
    rounds: Vec<Vec<f64>>,
    epochs: usize,
}

impl Seat {
    /// Seconds an epoch, as far as is known.
    fn epoch_s(&self) -> f64 {
        median(&self.last.epoch_s).unwrap_or(self.first.first_epoch_s)
    }

    /// Whether its loss is well below the loss of the best constant color.
    fn learned(&self, constant_loss: f64) -> bool {
        self.last.final_loss < constant_loss / 2.0
    }

    fn turn(&mut self, warm_up: usize, turn: schedule::Turn) -> Result<&Answer> {
        self.job = Job { warm_up, spans: turn.spans, epochs: turn.epochs, ..self.job.clone() };
        self.last = self.contestant.turn(&self.job)?;
        self.epochs += warm_up + turn.spans * turn.epochs;
        Ok(&self.last)
    }

    fn entry(&self, constant_loss: f64) -> Entry {
        Entry {
            contestant: self.first.contestant.clone(),
            version: self.first.version.clone(),
            device: self.first.device.clone(),
            gpu: self.gpu,
            batch: self.first.batch,
            first_epoch_s: self.first.first_epoch_s,
            first_loss: self.first.first_loss,
            epoch_s: self.rounds.clone(),
            epochs: self.epochs,
            final_loss: self.last.final_loss,
            learned: self.learned(constant_loss),
        }
    }
}

/// The contestants, their work, and the time.
pub struct Contest<'a> {
    pub roster: Roster,
    works: &'a [Work],
    /// A folder for temporary files.
    folder: &'a Path,
    threads: usize,
    vectors: Option<Vectors>,
    seats: Vec<Seat>,
    product: Option<(Contestant, Job, String)>,
    /// Seconds of a matrix product in each round.
    product_s: Vec<f64>,
    start: Instant,
}

impl<'a> Contest<'a> {
    pub fn new(
        roster: Roster,
        works: &'a [Work],
        folder: &'a Path,
        threads: usize,
        vectors: Option<Vectors>,
    ) -> Self {
        Self {
            roster,
            works,
            folder,
            threads,
            vectors,
            seats: Vec::new(),
            product: None,
            product_s: Vec::new(),
            start: Instant::now(),
        }
    }

    /// Starts every contestant at each work and lets it train a few epochs. `mine` are options of Impasto's.
    pub fn open(&mut self, mine: &BTreeMap<String, serde_json::Value>) {
        let members = self.roster.members.len();
        for (work, member) in
            (0..self.works.len()).flat_map(|work| (0..members).map(move |member| (work, member)))
        {
            let one = &self.roster.members[member];
            let name = one.name;
            let mut job = self.works[work].job.clone();
            if name.starts_with("impasto-") {
                job.options.clone_from(mine);
            }
            match self.start(one, &job) {
                Ok((contestant, first)) => {
                    let seat = Seat {
                        member,
                        work,
                        gpu: one.gpu,
                        contestant,
                        epochs: 1 + job.warm_up + job.spans * job.epochs,
                        job,
                        last: first.clone(),
                        first,
                        rounds: Vec::new(),
                    };
                    println!(
                        "{}, {}, on {}: first epoch {:.2} s, then {:.3e} s",
                        seat.first.version,
                        self.works[work].name,
                        seat.first.device,
                        seat.first.first_epoch_s,
                        seat.epoch_s()
                    );
                    self.seats.push(seat);
                }
                Err(error) => self.leave_out(name, work, &error),
            }
        }
    }

    /// Whether nothing can be measured.
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    fn leave_out(&mut self, name: &str, work: usize, error: &anyhow::Error) {
        self.roster.leave_out(&format!("{name} at {}", self.works[work].name), error);
    }

    /// What each contestant showed at a work.
    pub fn entries(&self, work: usize) -> Vec<Entry> {
        let seats = self.seats.iter().filter(|seat| seat.work == work);
        seats.map(|seat| seat.entry(self.works[work].constant_loss)).collect()
    }

    fn start(&self, member: &Member, job: &Job) -> Result<(Contestant, Answer)> {
        let cache =
            tempfile::tempdir_in(self.folder).context("cannot create a temporary folder")?.keep();
        let mut command = member.command(self.threads, self.vectors, &cache);
        let mut contestant = Contestant::start(member.name, &mut command)?;
        let first = contestant.turn(job)?;
        Ok((contestant, first))
    }

    /// Starts what measures the rate of matrix products.
    pub fn open_product(&mut self, mut job: Job) {
        let Some(member) = &self.roster.product else { return };
        job.options.insert("size".into(), PRODUCT_SIZE.into());
        match self.start(member, &job) {
            Ok((contestant, first)) => self.product = Some((contestant, job, first.version)),
            Err(error) => self.roster.leave_out("the matrix product", &error),
        }
    }

    /// The rounds. `seconds` is for all since the start.
    pub fn rounds(&mut self, rounds: usize, seconds: f64) {
        let left = (seconds - self.start.elapsed().as_secs_f64()).max(0.0);
        let turn_s = left / (rounds * self.seats.len()).max(1) as f64 - PAUSE.as_secs_f64();
        for round in 0..rounds {
            for work in 0..self.works.len() {
                print_now(format_args!(
                    "round {} of {rounds}, {}:",
                    round + 1,
                    self.works[work].name
                ));
                for number in schedule::order(round, self.roster.members.len()) {
                    let seat = self
                        .seats
                        .iter()
                        .position(|seat| seat.member == number && seat.work == work);
                    if let Some(seat) = seat {
                        self.measure(seat, turn_s.max(0.0));
                    }
                }
                println!();
            }
            self.measure_product();
        }
    }

    /// One turn of one seat. A contestant that fails leaves.
    fn measure(&mut self, number: usize, seconds: f64) {
        std::thread::sleep(PAUSE);
        let seat = &mut self.seats[number];
        let turn = schedule::turn(seat.epoch_s(), seconds);
        // What the others left in the caches is not its fault, but a slow one has no time for that.
        let warm_up = usize::from(turn.spans > 1);
        match seat.turn(warm_up, turn) {
            Ok(answer) => {
                let spans = answer.epoch_s.clone();
                let middle = median(&spans).unwrap_or_default();
                print_now(format_args!(" {} {middle:.3e} s;", seat.first.contestant));
                seat.rounds.push(spans);
            }
            Err(error) => {
                println!();
                let seat = self.seats.remove(number);
                self.leave_out(&seat.first.contestant, seat.work, &error);
            }
        }
    }

    fn measure_product(&mut self) {
        let Some((contestant, job, _)) = &mut self.product else { return };
        std::thread::sleep(PAUSE);
        *job = Job { warm_up: 0, spans: 3, epochs: 1, ..job.clone() };
        match contestant.turn(job) {
            Ok(answer) => {
                self.product_s.extend(median(&answer.epoch_s));
            }
            Err(error) => {
                self.product = None;
                self.roster.leave_out("the matrix product", &error);
            }
        }
    }

    /// Has those that have not learned yet train on until they have, or have had enough steps for
    /// it.
    pub fn prove(&mut self) {
        let mut failed = Vec::new();
        for (number, seat) in self.seats.iter_mut().enumerate() {
            let work = &self.works[seat.work];
            let steps = work.steps();
            let few = work.learning_steps.div_ceil(TESTS * steps);
            let few = schedule::Turn { spans: 1, epochs: few };
            while !seat.learned(work.constant_loss) && seat.epochs * steps < work.learning_steps {
                let name = &seat.first.contestant;
                println!("{name} trains on, unmeasured, at {}", work.name);
                if let Err(error) = seat.turn(0, few) {
                    failed.push((number, error));
                    break;
                }
            }
        }
        for (number, error) in failed.into_iter().rev() {
            let seat = self.seats.remove(number);
            self.leave_out(&seat.first.contestant, seat.work, &error);
        }
    }

    /// The machine's rate of matrix products, where it was measured.
    pub fn product_rate(&self) -> Option<Product> {
        let (_, _, version) = self.product.as_ref()?;
        let operations = 2.0 * (PRODUCT_SIZE as f64).powi(3);
        let rounds: Vec<f64> = self.product_s.iter().map(|seconds| operations / seconds).collect();
        Some(Product {
            version: version.clone(),
            size: PRODUCT_SIZE,
            flop_per_second: rounds.iter().copied().reduce(f64::max)?,
            rounds,
        })
    }
}

/// Prints a part of a line at once.
fn print_now(text: std::fmt::Arguments) {
    print!("{text}");
    // Progress that cannot be shown is no reason to stop.
    let _ = std::io::stdout().flush();
}
