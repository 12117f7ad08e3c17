//! Triangle meshes from OBJ and STL files, and distances to them.

use crate::shape::Shape;
use impasto::{Error, Result, input};
use parry3d::math::Vector;
use parry3d::query::PointQuery;
use parry3d::shape::{TriMesh, TriMeshFlags};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// How much larger the cube is than the mesh.
const MARGIN: f64 = 1.25;

/// The most bytes of a file: some 20 million triangles, which take several times as much memory.
const MOST_BYTES: u64 = 1 << 30;

/// The distance that an output of 1 is, in sides of the cube.
const SCALE: f64 = 0.1;

/// A mesh in a cube of side 1.
pub struct Mesh {
    triangles: TriMesh,
    /// The areas of the triangles, each added to those before it.
    areas: Vec<f64>,
    /// Edges that do not belong to two triangles of the same orientation.
    pub open_edges: usize,
}

impl Mesh {
    /// Reads a file: the mesh in its cube, and where the cube is.
    pub fn load(path: &Path) -> Result<(Self, Shape)> {
        let wrong = |reason: &str| Error::Data(format!("{}: {reason}", path.display()));
        let is_stl = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("stl"));
        let (places, triangles) = if is_stl { read_stl(path)? } else { read_obj(path)? };
        if triangles.is_empty() {
            return Err(wrong("it has no triangle"));
        }
        if !places.iter().flatten().all(|x| x.is_finite()) {
            return Err(wrong("it has a place that is no finite number"));
        }
        let ends = |axis: usize| {
            let corners = triangles.iter().flatten();
            corners.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), corner| {
                let x = f64::from(places[*corner as usize][axis]);
                (low.min(x), high.max(x))
            })
        };
        let ends: [(f64, f64); 3] = std::array::from_fn(ends);
        let size = ends.iter().map(|(low, high)| high - low).fold(0.0, f64::max);
        if size <= 0.0 {
            return Err(wrong("all its corners are in one place"));
        }
        let center = ends.map(|(low, high)| 0.5 * (low + high));
        let shape = Shape::new(center, size * MARGIN, SCALE);
        let corner = |place: &[f32; 3]| {
            let [x, y, z] = shape.to_cube(place.map(f64::from)).map(|x| x as f32);
            Vector::new(x, y, z)
        };
        let corners: Vec<Vector> = places.iter().map(corner).collect();
        let flags =
            TriMeshFlags::MERGE_DUPLICATE_VERTICES | TriMeshFlags::DELETE_DEGENERATE_TRIANGLES;
        let build = |corners, triangles, flags| {
            TriMesh::with_flags(corners, triangles, flags)
                .map_err(|error| wrong(&format!("no mesh: {error}")))
        };
        let merged = build(corners, triangles, flags)?;
        let mut triangles = merged.indices().to_vec();
        let corners = merged.vertices().to_vec();
        triangles.retain(|triangle| {
            let [a, b, c] = triangle.map(|corner| corners[corner as usize]);
            (b - a).cross(c - a).length() > 0.0
        });
        if triangles.is_empty() {
            return Err(wrong("all its triangles have no area"));
        }
        // A mesh that is inside out.
        if volume(&corners, &triangles) < 0.0 {
            for triangle in &mut triangles {
                triangle.swap(1, 2);
            }
        }
        let open_edges = open_edges(&triangles);
        let mesh = build(corners, triangles, TriMeshFlags::ORIENTED)?;
        let mut area = 0.0;
        let areas = mesh.triangles().map(|triangle| {
            area += f64::from(triangle.area());
            area
        });
        let areas = areas.collect();
        Ok((Self { triangles: mesh, areas, open_edges }, shape))
    }

    /// How many triangles it has.
    pub fn len(&self) -> usize {
        self.areas.len()
    }

    /// The signed distance of a place in the cube, below 0 inside.
    pub fn distance(&self, place: [f32; 3]) -> f32 {
        let place = Vector::new(place[0], place[1], place[2]);
        let found = self.triangles.project_local_point(place, false);
        let distance = (found.point - place).length();
        if found.is_inside { -distance } else { distance }
    }

    /// A place on the surface, chosen by three numbers in [0, 1), evenly over its area.
    pub fn surface(&self, [chosen, u, v]: [f64; 3]) -> [f32; 3] {
        let all = self.areas.last().copied().unwrap_or_default();
        let number = self.areas.partition_point(|area| *area <= chosen * all);
        let triangle = self.triangles.triangle(number.min(self.areas.len() - 1) as u32);
        // The square folded onto the triangle.
        let (u, v) = if u + v > 1.0 { (1.0 - u, 1.0 - v) } else { (u, v) };
        let along = (triangle.b - triangle.a) * u as f32 + (triangle.c - triangle.a) * v as f32;
        let place = triangle.a + along;
        [place.x, place.y, place.z]
    }
}

/// Places and triangles.
type Triangles = (Vec<[f32; 3]>, Vec<[u32; 3]>);

fn read_obj(path: &Path) -> Result<Triangles> {
    let options = tobj::LoadOptions { triangulate: true, ..tobj::LoadOptions::default() };
    let mut reader = BufReader::new(open(path)?.0);
    // Materials are not needed.
    let no_materials = |_: &Path| Ok(<(Vec<tobj::Material>, _)>::default());
    let (models, _) = tobj::load_obj_buf(&mut reader, &options, no_materials)
        .map_err(|error| Error::Data(format!("{}: {}", path.display(), reason(error))))?;
    let (mut places, mut triangles) = (Vec::new(), Vec::new());
    for model in models {
        let first = places.len() as u32;
        places.extend(model.mesh.positions.as_chunks::<3>().0);
        let corners = model.mesh.indices.as_chunks::<3>().0.iter();
        triangles.extend(corners.map(|corners| corners.map(|corner| first + corner)));
    }
    let is_known = |corner: &u32| (*corner as usize) < places.len();
    if triangles.iter().flatten().all(is_known) {
        return Ok((places, triangles));
    }
    Err(Error::Data(format!("{}: a face has a corner that is not there", path.display())))
}

/// Opens a mesh. Returns it with its length.
fn open(path: &Path) -> Result<(File, u64)> {
    let (file, length) = input::open(path)?;
    if length > MOST_BYTES {
        return Err(Error::Data(format!(
            "{}: it has {length} bytes, more than {MOST_BYTES}: simplify the mesh",
            path.display()
        )));
    }
    Ok((file, length))
}

/// What is wrong with an OBJ file.
fn reason(error: tobj::LoadError) -> String {
    use tobj::LoadError;
    let what = match error {
        LoadError::PositionParseError => "a line v has no place",
        LoadError::NormalParseError => "a line vn has no normal",
        LoadError::TexcoordParseError => "a line vt has no place in a texture",
        LoadError::FaceParseError => "a line f has no corners",
        LoadError::FaceVertexOutOfBounds => "a face has a corner that is not there",
        LoadError::ReadError => "a line is no text",
        _ => "it has a line that cannot be read",
    };
    format!("no OBJ file that can be read: {what}: save it again as OBJ")
}

/// The bytes of an STL file before its triangles.
const STL_HEADER: u64 = 84;

/// The bytes in which an STL file of text ends.
const STL_END: u64 = 4096;

/// Whether an STL file that starts with these bytes and has so many is text. Binary ones may start with the same word.
fn is_text(head: &[u8], length: u64) -> bool {
    let triangles = head.get(80..).and_then(<[u8]>::first_chunk);
    let binary = triangles.map(|bytes| STL_HEADER + 50 * u64::from(u32::from_le_bytes(*bytes)));
    head.trim_ascii_start().starts_with(b"solid") && binary != Some(length)
}

/// What a binary STL file lacks that starts with these bytes and has so many.
fn cut(head: &[u8], length: u64) -> Option<String> {
    if head.trim_ascii_start().starts_with(b"solid") {
        return None;
    }
    let triangles = head.get(80..).and_then(<[u8]>::first_chunk);
    let Some(triangles) = triangles.map(|bytes| u64::from(u32::from_le_bytes(*bytes))) else {
        return Some("it is no STL file: it has fewer than 84 bytes".into());
    };
    let there = (length - STL_HEADER) / 50;
    (there < triangles).then(|| {
        format!(
            "it is no STL file, or was cut short: it says that it has {triangles} triangles, and has bytes for {there}"
        )
    })
}

fn read_stl(path: &Path) -> Result<Triangles> {
    let wrong = |reason: &str| Error::Data(format!("{}: {reason}", path.display()));
    let unreadable = |source| Error::File { action: "read", path: path.into(), source };
    let (file, length) = open(path)?;
    let mut reader = BufReader::new(file);
    let mut head = Vec::new();
    reader.by_ref().take(STL_HEADER).read_to_end(&mut head).map_err(unreadable)?;
    let is_text = is_text(&head, length);
    reader.seek(SeekFrom::Start(length.saturating_sub(STL_END))).map_err(unreadable)?;
    let mut end = Vec::new();
    reader.by_ref().take(STL_END).read_to_end(&mut end).map_err(unreadable)?;
    if is_text && !end.to_ascii_lowercase().windows(8).any(|word| word == b"endsolid") {
        return Err(wrong(
            "it was cut short: it does not end with endsolid: get a complete copy of it",
        ));
    }
    reader.rewind().map_err(unreadable)?;
    if let Some(reason) = cut(&head, length) {
        return Err(wrong(&reason));
    }
    let mesh = stl_io::read_stl(&mut reader).map_err(|error| {
        if error.raw_os_error().is_some() {
            return unreadable(error);
        }
        wrong("it is no STL file that can be read, or was cut short: save it as binary STL or OBJ")
    })?;
    let places = mesh.vertices.iter().map(|place| place.0).collect();
    let triangles = mesh.faces.iter().map(|face| face.vertices.map(|corner| corner as u32));
    Ok((places, triangles.collect()))
}

/// Six times the volume that the triangles enclose, above 0 if their corners go round counterclockwise seen from outside.
fn volume(corners: &[Vector], triangles: &[[u32; 3]]) -> f64 {
    let volumes = triangles.iter().map(|triangle| {
        let [a, b, c] = triangle.map(|corner| corners[corner as usize]);
        f64::from(a.dot(b.cross(c)))
    });
    volumes.sum()
}

/// How many edges do not belong to two triangles of the same orientation.
fn open_edges(triangles: &[[u32; 3]]) -> usize {
    let mut edges: HashMap<(u32, u32), i32> = HashMap::new();
    for [a, b, c] in triangles {
        for (from, to) in [(a, b), (b, c), (c, a)] {
            *edges.entry((*from.min(to), *from.max(to))).or_default() +=
                if from < to { 1 } else { -1 };
        }
    }
    edges.values().filter(|count| **count != 0).count()
}
