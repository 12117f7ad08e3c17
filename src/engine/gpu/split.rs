//! What `fused_step_split` is written with: its sizes for one network, and the lines that its template
//! repeats.
//!
//! Registers cannot be indexed, so each of a lane's terms has lines of its own.

use super::layout::Layout;
use super::shape::Shape;
use crate::template::Function;
use std::fmt::Write;

/// The most terms that are read at a time below the first layer's and the last layer's sums, whose
/// parameters do not wait in registers.
const MOST_AT_ONCE: usize = 4;

/// The most vectors of sums and parameters in the registers of an invocation. (With 25, Mesa 25 spills for
/// RDNA 3.)
const MOST_VECTORS: usize = 24;

/// How the lanes of a group share the sums of a network.
pub(super) struct Split {
    /// Lanes that share sums.
    lanes: usize,
    /// Samples of a tile.
    rows: usize,
    /// Terms of a lane above level 0, whose parameters are read a layer ahead, and the fewest rows of
    /// parameters that a layer has there.
    terms: usize,
    fewest: usize,
    /// Of the way back: turns in which a lane takes four neighboring terms, turns after that in which it
    /// takes one, and the fewest columns of parameters that a layer has there.
    fours: usize,
    singles: usize,
    fewest_back: usize,
    /// The terms of the first layer's sums, in turns of so many a lane.
    first: Turns,
    /// The same of the last layer's, on the way back.
    last: Turns,
    /// Vectors of values in a tile: of level 0, and of another level.
    level_0: usize,
    level: usize,
    /// Vectors in a row of a tile of deltas: an odd number, so that the rows start in different banks.
    delta_fours: usize,
}

/// The turns of a loop over the terms of a sum.
struct Turns {
    /// Terms, with zeros behind.
    terms: usize,
    /// Terms of a lane in one turn.
    at_once: usize,
}

impl Turns {
    fn new(terms: usize, lanes: usize) -> Self {
        let each = terms.div_ceil(lanes).max(1);
        let at_once = each.div_ceil(each.div_ceil(MOST_AT_ONCE));
        Self { terms: terms.next_multiple_of(at_once * lanes), at_once }
    }
}

impl Split {
    pub(super) fn new(layout: &Layout, shape: Shape) -> Self {
        let (lanes, rows) = (shape.lanes as usize, shape.rows as usize);
        let (layers, widths) = (layout.layers(), &layout.widths);
        let terms = (1..layers).map(|layer| layout.depth(layer)).max().unwrap_or(0);
        let terms = terms.div_ceil(lanes);
        let fewest = layout.pitches[1..layers].iter().copied().min().unwrap_or(0);
        // The last layer's sums on the way back have a loop of their own.
        let levels = 2..layers.max(2);
        let most_back = widths[levels.clone()].iter().copied().max().unwrap_or(0);
        let fewest_back = layout.pitches[levels].iter().copied().min().unwrap_or(0);
        let rest = most_back % (4 * lanes);
        let (fours, singles) = match (most_back / (4 * lanes), rest.div_ceil(lanes)) {
            (fours, singles @ ..3) => (fours, singles),
            (fours, _) => (fours + 1, 0),
        };
        let first = Turns::new(layout.depth(0), lanes);
        let last = Turns::new(widths[layers], lanes);
        let columns = 4 * shape.groups as usize;
        let level_0 = stride(rows) * first.terms.max(layout.pitches[0]);
        let level = stride(rows) * columns.max(terms * lanes);
        let back = (4 * fours + singles) * lanes;
        let delta_fours = (columns.max(back).max(last.terms) / 4) | 1;
        Self {
            lanes,
            rows,
            terms,
            fewest,
            fours,
            singles,
            fewest_back,
            first,
            last,
            level_0,
            level,
            delta_fours,
        }
    }

    /// Vectors of values in a workgroup's memory.
    fn tile(&self) -> usize {
        self.level_0 + 2 * self.level
    }

    /// Bytes of a workgroup's memory.
    pub(super) fn memory(&self) -> usize {
        let deltas = 2 * self.rows * self.delta_fours;
        4 * (in_tile(self.rows) * self.tile() + 4 * deltas + 2 * self.rows)
    }

    /// Whether an invocation has registers for its sums and the parameters that wait there.
    pub(super) fn has_registers(&self) -> bool {
        self.rows + self.terms.max(4 * self.fours + self.singles) <= MOST_VECTORS
    }

    /// Turns of the loops over the terms of the first layer's sums, and of the last layer's on the way
    /// back.
    pub(super) fn turns(&self) -> [usize; 2] {
        [&self.first, &self.last].map(|turns| turns.terms / (turns.at_once * self.lanes))
    }

    /// Neighboring columns that a lane has of a layer's outputs, of one sample.
    fn own(&self) -> usize {
        4 * self.rows / self.lanes
    }

    pub(super) fn constants(&self) -> String {
        let mut text = String::new();
        let constants = [
            ("OWN", self.own()),
            ("STRIDE", stride(self.rows)),
            ("TILE", self.tile()),
            ("LEVEL_0", self.level_0),
            ("LEVEL", self.level),
            ("DELTA_FOURS", self.delta_fours),
            ("FIRST_TERMS", self.first.terms),
            ("FIRST_AT_ONCE", self.first.at_once),
            ("LAST_TERMS", self.last.terms),
            ("LAST_AT_ONCE", self.last.at_once),
        ];
        for (name, value) in constants {
            let _ = writeln!(text, "const {name}: u32 = {value}u;");
        }
        text
    }

    pub(super) fn is_whole(&self) -> bool {
        self.own() == 4
    }

    /// `needed`: the slope of an output that is stored.
    pub(super) fn texts(&self) -> Vec<(&'static str, String)> {
        let (own_type, swizzle, four) = match self.own() {
            4 => ("vec4<f32>", "", "own"),
            2 => ("vec2<f32>", ".xy", "vec4<f32>(own, own)"),
            _ => ("f32", ".x", "vec4<f32>(own)"),
        };
        let needed = match self.own() {
            1 => "values[needed_of(LAYERS, row) + j]",
            _ => "values[(needed_of(LAYERS, row) + j) / OWN][j % OWN]",
        };
        let sums: Vec<String> = (0..self.rows).map(|row| format!("sum_{row}")).collect();
        vec![
            ("own_type", own_type.into()),
            ("own", format!("four{swizzle}")),
            ("own_slopes", format!("slopes{swizzle}")),
            ("needed_four", four.into()),
            ("needed", needed.into()),
            ("tile_type", format!("vec{}<f32>", in_tile(self.rows))),
            ("in_tile", in_tile(self.rows).to_string()),
            ("sums", sums.join(", ")),
            ("add_up", self.add_up()),
        ]
    }

    pub(super) fn ranges(&self) -> Vec<(char, u32)> {
        let ranges = [
            ('r', self.rows),
            ('t', self.terms),
            ('b', self.fours),
            ('c', self.singles),
            ('f', self.first.at_once),
            ('l', self.last.at_once),
            ('o', self.own()),
            ('e', 4 / self.own()),
            ('i', 4),
        ];
        ranges.map(|(letter, count)| (letter, count as u32)).to_vec()
    }

    /// The function that adds the sums of the lanes of a group up and leaves each lane its own columns.
    fn add_up(&self) -> String {
        let parameters = (0..self.rows).map(|row| format!(", s_{row}: vec4<f32>"));
        let parameters = parameters.collect::<String>();
        let mut text = format!("fn add_up(lane: u32{parameters}) -> vec4<f32> {{\n");
        let mut left: Vec<String> = (0..self.rows).map(|row| format!("s_{row}")).collect();
        let mut columns = 4;
        let mut bit = self.lanes / 2;
        // A lane gives away the half of its samples, or then of its columns, that the other lane keeps.
        while bit > 0 {
            let _ = writeln!(text, "    let upper_{bit} = (lane & {bit}u) != 0u;");
            let pairs: Vec<[String; 2]> = if left.len() > 1 {
                let (lower, upper) = left.split_at(left.len() / 2);
                lower.iter().zip(upper).map(|(a, b)| [a.clone(), b.clone()]).collect()
            } else {
                columns /= 2;
                let halves = if columns == 2 { ["xy", "zw"] } else { ["x", "y"] };
                vec![halves.map(|half| format!("{}.{half}", left[0]))]
            };
            left = Vec::new();
            for (i, [a, b]) in pairs.iter().enumerate() {
                let sum = format!("s_{bit}_{i}");
                let _ = writeln!(
                    text,
                    "    let {sum} = select({a}, {b}, upper_{bit}) + \
                     subgroupShuffleXor(select({b}, {a}, upper_{bit}), {bit}u);"
                );
                left.push(sum);
            }
            bit /= 2;
        }
        let four = match columns {
            4 => left[0].clone(),
            2 => format!("vec4<f32>({}, 0.0, 0.0)", left[0]),
            _ => format!("vec4<f32>({}, 0.0, 0.0, 0.0)", left[0]),
        };
        text + &format!("    return {four};\n}}")
    }

    /// The reads of a term's values, which are at `place` in the tile.
    fn read_values(&self, term: usize, place: &str) -> String {
        let read = |vector| format!("let x_{term}_{vector} = tile[{place} + {vector}u]; ");
        (0..self.rows / in_tile(self.rows)).map(read).collect()
    }

    /// The products of a term, whose parameters are `four`.
    fn products(&self, term: usize, four: &str) -> String {
        let width = in_tile(self.rows);
        let product = |row| {
            let (vector, i) = (row / width, row % width);
            format!("sum_{row} += x_{term}_{vector}[{i}] * {four}; ")
        };
        (0..self.rows).map(product).collect()
    }

    /// The products of one term on the way back, whose deltas are at `place` in each row.
    fn single_products(&self, place: &str, four: &str) -> String {
        let product = |row: usize| {
            let delta = format!("delta_tile[{place} + {}u][lane % 4u]", row * self.delta_fours);
            format!("sum_{row} += {delta} * {four};")
        };
        (0..self.rows).map(product).collect::<Vec<_>>().join(" ")
    }

    /// The products of four terms on the way back.
    fn four_products(&self, turn: usize) -> String {
        let read = |row: usize| {
            let place = row * self.delta_fours + turn * self.lanes;
            format!("let d_{turn}_{row} = delta_tile[start + lane + {place}u]; ")
        };
        let product = |u: usize, row: usize| {
            let column = [0, 1, 2, 3].map(|i| format!("four_{turn}_{i}[{u}]")).join(", ");
            format!("sum_{row} += d_{turn}_{row}[{u}] * vec4<f32>({column}); ")
        };
        let rows = 0..self.rows;
        let products = (0..4).flat_map(|u| rows.clone().map(move |row| product(u, row)));
        rows.clone().map(read).chain(products).collect()
    }

    /// What the lines for each term are.
    pub(super) fn functions(&self) -> Vec<Function<'_>> {
        let lanes = self.lanes;
        // A row of the parameters, or its last one, where some layer has no more.
        let read = move |t: usize| match t * lanes {
            first if first + lanes <= self.fewest => {
                format!("parameters[next_at + {first}u * next_stride]")
            }
            first => format!(
                "parameters[next_at + (min(lane + {first}u, pitch_of(next) - 1u) - lane) * next_stride]"
            ),
        };
        // A column of a row, or four of them, or the last one, where some layer has no more.
        let column = move |first: usize, count: usize, lane: &str| {
            let place = format!("{lane} + {}u", first / 4);
            if first + count <= self.fewest_back {
                place
            } else {
                format!("min({place}, below_stride - 1u)")
            }
        };
        let singles = move |c: usize| (4 * self.fours + c) * lanes;
        let in_tile = move |f: usize| format!("start + {}u", f * lanes * stride(self.rows));
        vec![
            function("read", move |[t]| read(t)),
            function("products", move |[t]| {
                // The values of a term are read before the products of the one before.
                let first = if t == 0 { self.read_values(0, &in_tile(0)) } else { String::new() };
                let is_last = t + 1 == self.terms;
                let next =
                    if is_last { String::new() } else { self.read_values(t + 1, &in_tile(t + 1)) };
                [first, next, self.products(t, &format!("w_{t}"))].concat()
            }),
            function("first_products", move |[f]| {
                self.read_values(f, &in_tile(f)) + &self.products(f, &format!("first_{f}"))
            }),
            function("four_products", move |[b]| self.four_products(b)),
            function("read_four", move |[b, i]| {
                let column = column(4 * b * lanes, 4 * lanes, "lane");
                format!("parameters[below_at + {i}u * below_stride + {column}]")
            }),
            function("single_products", move |[c]| {
                let place = format!("start + lane / 4u + {}u", singles(c) / 4);
                self.single_products(&place, &format!("single_{c}"))
            }),
            function("read_single", move |[c]| {
                single_at(
                    &format!("below_at + {}", column(singles(c), lanes, "lane / 4u")),
                    "below_stride",
                )
            }),
            function("read_last", move |[l]| {
                single_at(&format!("at + {}u", l * lanes / 4), "stride")
            }),
            function("last_products", move |[l]| {
                self.single_products(&format!("start + {}u", l * lanes / 4), &format!("last_{l}"))
            }),
            function("own_part", move |[e]| {
                let parts = match self.own() {
                    4 => [""; 4],
                    2 => [".xy", ".zw", "", ""],
                    _ => [".x", ".y", ".z", ".w"],
                };
                format!("four{}", parts.get(e).copied().unwrap_or_default())
            }),
        ]
    }
}

/// Four rows of one column of the parameters, which is that of the lane among the four at `place`.
fn single_at(place: &str, stride: &str) -> String {
    let row = |i: u32| format!("parameters[{place} + {i}u * {stride}][lane % 4u]");
    format!("vec4<f32>({})", [0, 1, 2, 3].map(row).join(", "))
}

/// A function of a template of `N` numbers.
fn function<'a, const N: usize>(
    name: &'static str,
    text: impl Fn([usize; N]) -> String + 'a,
) -> Function<'a> {
    let text = move |numbers: &[u32]| {
        let numbers: Result<[u32; N], _> = numbers.try_into();
        numbers
            .map_or_else(|_| String::new(), |numbers| text(numbers.map(|number| number as usize)))
    };
    Function { name, arguments: N, text: Box::new(text) }
}

/// Samples in a vector of a tile of values.
fn in_tile(rows: usize) -> usize {
    rows.min(4)
}

/// Vectors from one column of a tile of values to the next: an odd number, so that neighboring columns start in
/// different banks.
fn stride(rows: usize) -> usize {
    (rows / in_tile(rows)) | 1
}
