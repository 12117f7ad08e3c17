//! `impasto fit` and `impasto predict` on triangle meshes.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod common;

use common::{impasto, printed, refused};
use std::f64::consts::TAU;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// A small network, which learns in seconds.
const SMALL: &str = "--hidden 32 --epochs 2 --backend cpu";

/// A ring around (5, 0, 0) of radius 1, as thick as 0.4 from its middle, in quadrangles as OBJ; inside out if `flipped`.
fn ring(flipped: bool) -> String {
    const AROUND: [usize; 2] = [48, 24];
    let mut text = String::from("# a ring\no ring\n");
    for i in 0..AROUND[0] {
        for j in 0..AROUND[1] {
            let [a, b] =
                [i as f64 / AROUND[0] as f64, j as f64 / AROUND[1] as f64].map(|x| TAU * x);
            let radius = 1.0 + 0.4 * b.cos();
            let (x, y, z) = (5.0 + radius * a.cos(), radius * a.sin(), 0.4 * b.sin());
            writeln!(text, "v {x} {y} {z}").unwrap();
        }
    }
    let corner = |i: usize, j: usize| i % AROUND[0] * AROUND[1] + j % AROUND[1] + 1;
    for i in 0..AROUND[0] {
        for j in 0..AROUND[1] {
            let mut face = [corner(i, j), corner(i + 1, j), corner(i + 1, j + 1), corner(i, j + 1)];
            if flipped {
                face.reverse();
            }
            writeln!(text, "f {} {} {} {}", face[0], face[1], face[2], face[3]).unwrap();
        }
    }
    text
}

/// A cube of side 2 from (0, 0, 0) as STL; without its last triangle if `open`.
fn cube(open: bool) -> String {
    let mut text = String::from("solid cube\n");
    let mut triangles = Vec::new();
    for axis in 0..3 {
        for side in [0.0, 2.0] {
            let place = |u: f64, v: f64| {
                let mut place = [side; 3];
                (place[(axis + 1) % 3], place[(axis + 2) % 3]) = (u, v);
                place
            };
            let mut corners = [place(0.0, 0.0), place(2.0, 0.0), place(2.0, 2.0), place(0.0, 2.0)];
            if side == 0.0 {
                corners.reverse();
            }
            triangles.push([corners[0], corners[1], corners[2]]);
            triangles.push([corners[0], corners[2], corners[3]]);
        }
    }
    triangles.truncate(if open { 11 } else { 12 });
    for triangle in triangles {
        writeln!(text, "facet normal 0 0 0\nouter loop").unwrap();
        for [x, y, z] in triangle {
            writeln!(text, "vertex {x} {y} {z}").unwrap();
        }
        writeln!(text, "endloop\nendfacet").unwrap();
    }
    text + "endsolid cube\n"
}

/// The corners and the enclosed volume of an OBJ file of triangles.
fn mesh(path: &Path) -> (Vec<[f64; 3]>, f64) {
    let text = fs::read_to_string(path).unwrap();
    let numbers = |line: &str| -> [f64; 3] {
        let all: Vec<f64> = line.split(' ').skip(1).map(|word| word.parse().unwrap()).collect();
        all.try_into().unwrap()
    };
    let of = |kind: &str| text.lines().filter(|line| line.starts_with(kind)).map(numbers).collect();
    let (corners, faces): (Vec<[f64; 3]>, Vec<[f64; 3]>) = (of("v "), of("f "));
    let volume = faces.iter().map(|face| {
        let [a, b, c] = face.map(|corner| corners[corner as usize - 1]);
        let cross = |i: usize, j: usize| b[i] * c[j] - b[j] * c[i];
        (a[0] * cross(1, 2) + a[1] * cross(2, 0) + a[2] * cross(0, 1)) / 6.0
    });
    let volume = volume.sum();
    (corners, volume)
}

/// The number after `before` in a text.
fn number_after(text: &str, before: &str) -> f64 {
    let rest = text.split_once(before).expect(before).1;
    let end = rest.find(|c: char| !"0123456789.".contains(c)).unwrap_or(rest.len());
    rest[..end].parse().expect("a number")
}

#[test]
fn a_shape_is_learned_and_becomes_a_mesh() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("ring.obj"), ring(false)).unwrap();
    let lines = printed(folder, "fit ring.obj --epochs 3 --backend cpu --report r.json");
    assert!(
        lines.contains("shape ring.obj: 2,304 triangles, in a cube of side 3.5000 around (5.0")
    );
    assert!(number_after(&lines, "near the surface ") < 0.01, "{lines}");
    assert!(number_after(&lines, "inside or outside right ") > 98.0, "{lines}");
    let report = fs::read_to_string(folder.join("r.json")).unwrap();
    assert!(report.contains("\"sides_right\": 0.9"), "{report}");
    printed(folder, "predict ring.safetensors -o out.obj --resolution 64 --backend cpu");
    let (corners, volume) = mesh(&folder.join("out.obj"));
    // 2·π²·R·r², a little less since the mesh has edges.
    assert!((2.9..3.3).contains(&volume), "{volume}");
    for [x, y, z] in corners {
        let distance = ((x - 5.0).hypot(y) - 1.0).hypot(z) - 0.4;
        assert!(distance.abs() < 0.05, "({x}, {y}, {z}) is {distance} from the ring");
    }
    let piped = impasto(folder, "predict ring.safetensors --resolution 64 --quiet --backend cpu");
    assert_eq!(piped.stdout, fs::read(folder.join("out.obj")).unwrap());
    let info = printed(folder, "info ring.safetensors");
    assert!(info.contains("a cube of side 3.5000 around (5.0000, 0.0000, 0.0000)"), "{info}");
}

/// The surface alone decides what is inside, not the order of its corners.
#[test]
fn a_mesh_that_is_inside_out_is_turned() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut files = Vec::new();
    for (name, flipped) in [("a", false), ("b", true)] {
        fs::write(folder.join(format!("{name}.obj")), ring(flipped)).unwrap();
        let lines = printed(folder, &format!("fit {name}.obj {SMALL}"));
        assert!(number_after(&lines, "inside or outside right ") > 95.0, "{lines}");
        files.push(number_after(&lines, "mean error "));
    }
    assert!((files[0] - files[1]).abs() < 0.2 * files[0], "{files:?}");
}

#[test]
fn stl_is_read_and_holes_are_noted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("cube.stl"), cube(false)).unwrap();
    let lines = printed(folder, &format!("fit cube.stl {SMALL}"));
    assert!(
        lines.contains("shape cube.stl: 12 triangles, in a cube of side 2.5000 around (1.0000")
    );
    assert!(!lines.contains("not shared"), "{lines}");
    printed(folder, "predict cube.safetensors -o out.obj --resolution 32 --backend cpu");
    assert!((7.0..9.0).contains(&mesh(&folder.join("out.obj")).1));
    fs::write(folder.join("open.STL"), cube(true)).unwrap();
    let lines = printed(folder, &format!("fit open.STL {SMALL}"));
    assert!(lines.contains("note: 3 edges not shared by two triangles"), "{lines}");
}

#[test]
fn bad_shapes_and_options_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, text, message) in [
        ("empty.obj", "", "empty.obj: the file is empty"),
        ("points.obj", "v 0 0 0\nv 1 0 0\n", "points.obj: it has no triangle"),
        (
            "wrong.obj",
            "v 0 0 zero\n",
            "wrong.obj: no OBJ file that can be read: a line v has no place",
        ),
        ("corner.obj", "v 0 0 0\nv 1 0 0\nf 1 2 9\n", "corner.obj: "),
        (
            "line.obj",
            "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n",
            "line.obj: all its triangles have no area",
        ),
        (
            "point.obj",
            "v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n",
            "point.obj: all its corners are in one place",
        ),
        ("infinite.obj", "v inf 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "no finite number"),
        ("empty.stl", "", "empty.stl: the file is empty"),
        ("text.stl", "no shape", "text.stl: it is no STL file: it has fewer than 84 bytes"),
        (
            "solid.stl",
            "solid a\nfacet normal 0 0",
            "solid.stl: it was cut short: it does not end with endsolid",
        ),
    ] {
        fs::write(folder.join(name), text).unwrap();
        let error = refused(folder, &format!("fit {name} --backend cpu"));
        assert!(error.contains(message), "{message}: {error}");
    }
    let binary = [&[0; 80][..], &12_u32.to_le_bytes(), &[0; 12 * 50 - 1]].concat();
    fs::write(folder.join("cut.stl"), binary).unwrap();
    let error = refused(folder, "fit cut.stl --backend cpu");
    assert!(error.contains("it says that it has 12 triangles, and has bytes for 11"), "{error}");
    let text = cube(false);
    let half = text.find("facet normal 0 0 0\nouter").unwrap() + 400;
    let half = half + text[half..].find("facet normal").unwrap();
    fs::write(folder.join("half.stl"), &text[..half]).unwrap();
    let error = refused(folder, "fit half.stl --backend cpu");
    assert!(error.contains("half.stl: it was cut short: it does not end with endsolid"), "{error}");
    fs::write(folder.join("cube.stl"), text).unwrap();
    let error = refused(folder, "fit cube.stl --target x");
    assert!(error.contains("--target is for tables, and cube.stl is a shape"), "{error}");
    printed(folder, &format!("fit cube.stl {SMALL} --quiet"));
    for resolution in ["7", "513"] {
        let error = refused(folder, &format!("predict cube.safetensors --resolution {resolution}"));
        assert!(error.contains("it is at least 8 and at most 512"), "{error}");
    }
    let error = refused(folder, "predict cube.safetensors cube.stl");
    assert!(error.contains("is a shape, which takes no table"), "{error}");
}
