//! `impasto fit` and `impasto predict` on tables: good ones, ones that are written in other ways, and bad ones.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod common;

use common::{command, impasto, impasto_with, printed, refused, text};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Stdio;

/// Numbers in [0, 1) that are always the same.
fn numbers(mut state: u64) -> impl FnMut() -> f64 {
    move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1 << 24)
    }
}

/// A row: area, city, floors and price.
type House = (f64, &'static str, u32, f64);

fn houses(count: usize) -> Vec<House> {
    let mut random = numbers(1);
    let mut house = || {
        let (area, city) =
            (30.0 + 170.0 * random(), ["Oslo", "Rome", "Lima"][(3.0 * random()) as usize]);
        let floors = 1 + (5.0 * random()) as u32;
        let factor = if city == "Oslo" { 3.0 } else { 2.0 };
        (area, city, floors, 1000.0 * (factor * area + 20.0 * f64::from(floors) + 5.0 * random()))
    };
    (0..count).map(|_| house()).collect()
}

/// A table of houses with this line of names, each cell separated by `separator` and each line ended by `end`.
fn table(houses: &[House], separator: &str, end: &str) -> String {
    let mut table = ["area", "city", "floors", "price"].join(separator) + end;
    for (area, city, floors, price) in houses {
        let cells =
            [format!("{area:.1}"), (*city).into(), floors.to_string(), format!("{price:.0}")];
        write!(table, "{}{end}", cells.join(separator)).unwrap();
    }
    table
}

/// A class by the distance from a point.
fn rings(count: usize) -> String {
    let mut random = numbers(2);
    let mut table = String::from("x,y,kind\n");
    for _ in 0..count {
        let (x, y) = (2.0 * random() - 1.0, 2.0 * random() - 1.0);
        let kind = if x.hypot(y) < 0.6 { "inside" } else { "outside" };
        writeln!(table, "{x:.4},{y:.4},{kind}").unwrap();
    }
    table
}

/// The number after `before` in a text.
fn number_after(text: &str, before: &str) -> f64 {
    let rest = text.split_once(before).expect(before).1;
    let end = rest.find(|c: char| !"0123456789.-".contains(c)).unwrap_or(rest.len());
    rest[..end].parse().expect("a number")
}

fn folder_with(name: &str, contents: impl AsRef<[u8]>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), contents).unwrap();
    folder
}

/// The rows of a table of predictions, below its names.
fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines().skip(1).map(|line| line.split(',').collect()).collect()
}

#[test]
fn a_number_is_learned_and_predicted() {
    let all = houses(400);
    let folder = folder_with("houses.csv", table(&all[..300], ",", "\n"));
    let folder = folder.path();
    let said = printed(folder, "fit houses.csv --target price --backend cpu");
    for line in [
        "table houses.csv: 300 rows\n",
        "regression of price (numbers; --task classification predicts classes)\n",
        "from area, city (3 values), floors\n",
        "240 rows to learn from, 60 to validate with\n",
        "on 60 validation rows:\n",
        "saved houses.safetensors; impasto predict houses.safetensors NEW.csv predicts with it\n",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(number_after(&said, "price: R² ") > 0.98, "{said}");
    // The error has the unit of the target: the noise alone has about 1,400.
    let error = number_after(&said, "mean absolute error ");
    assert!((500.0..15_000.0).contains(&error), "{said}");

    // Rows that it has not seen, with columns in another order, one that it does not need, and another separator.
    let mut new = String::from("floors;note;area;city\r\n");
    for (area, city, floors, _) in &all[300..] {
        write!(new, "{floors};\"a; b\";{area:.1};{city}\r\n").unwrap();
    }
    fs::write(folder.join("new.csv"), &new).unwrap();
    let said = printed(folder, "predict houses.safetensors new.csv -o predicted.csv --backend cpu");
    assert!(said.starts_with("cpu engine"), "{said}");
    let predicted = fs::read_to_string(folder.join("predicted.csv")).unwrap();
    assert!(predicted.starts_with("price\n"), "{predicted}");
    let predicted = rows(&predicted);
    assert_eq!(predicted.len(), 100);
    let errors = all[300..].iter().zip(&predicted);
    let errors = errors.map(|((.., price), row)| (price - row[0].parse::<f64>().unwrap()).abs());
    assert!(errors.sum::<f64>() / 100.0 < 15_000.0);

    // To standard output, from standard input: the same, without other lines.
    let piped =
        impasto_with(folder, "predict houses.safetensors - --backend cpu --quiet", new.as_bytes());
    assert_eq!(text(&piped.stderr), "");
    assert_eq!(piped.stdout, fs::read(folder.join("predicted.csv")).unwrap());
}

#[test]
fn classes_are_learned_and_predicted() {
    let folder = folder_with("rings.csv", rings(600));
    let folder = folder.path();
    let said = printed(folder, "fit rings.csv --target kind --backend cpu --save net.safetensors");
    assert!(said.contains("classification of kind, 2 classes (texts)\n"), "{said}");
    assert!(number_after(&said, "accuracy ") > 90.0, "{said}");
    assert!(said.contains("true ↓ predicted →  inside  outside\n"), "{said}");
    fs::write(folder.join("new.csv"), "y,x\n0,0\n0.9,0.9\n-1,1\n").unwrap();
    let arguments = "predict net.safetensors new.csv --quiet --backend cpu";
    assert_eq!(printed(folder, arguments), "kind\ninside\noutside\noutside\n");
    let said = printed(folder, &format!("{arguments} --probabilities"));
    assert!(said.starts_with("kind,probability of inside,probability of outside\ninside,"));
    for row in rows(&said) {
        let [inside, outside] = [1, 2].map(|column: usize| row[column].parse::<f64>().unwrap());
        assert!((inside + outside - 1.0).abs() < 1e-5, "{said}");
        assert_eq!(row[0] == "inside", inside > outside);
    }
}

/// Identifiers keep their zeros, as inputs and as classes.
#[test]
fn numbers_with_leading_zeros_are_values_of_their_own() {
    let mut table = String::from("kind,code\n");
    for row in 0..60 {
        let code = ["007", "7", "a"][row % 3];
        writeln!(table, "{code},{code}").unwrap();
    }
    let folder = folder_with("t.csv", table);
    let folder = folder.path();
    let said = printed(folder, "fit t.csv --target code --backend cpu");
    assert!(said.contains("from kind (3 values)\n"), "{said}");
    fs::write(folder.join("new.csv"), "kind\n7\n007\n7.0\na\n").unwrap();
    let said = printed(folder, "predict t.safetensors new.csv --quiet --backend cpu");
    assert_eq!(said, "code\n7\n007\n7\na\n");
}

#[test]
fn the_task_is_chosen_by_the_cells_and_can_be_changed() {
    let mut random = numbers(3);
    let mut wine = String::from("alcohol,acid,quality\n");
    for _ in 0..80 {
        let (alcohol, acid) = (random(), random());
        writeln!(wine, "{alcohol},{acid},{}", (3.0 + 4.0 * alcohol * acid).round()).unwrap();
    }
    let folder = folder_with("wine.csv", wine);
    let folder = folder.path();
    let fit = "fit wine.csv --target quality --epochs 20 --backend cpu";
    let said = printed(folder, fit);
    let why =
        "classification of quality, 4 classes (whole numbers; --task regression predicts numbers)";
    assert!(said.contains(why), "{said}");
    let said = printed(folder, &format!("{fit} --task regression"));
    assert!(said.contains("regression of quality\n") && said.contains("quality: R² "), "{said}");
    let said = printed(folder, "fit wine.csv --target alcohol,acid --epochs 20 --backend cpu");
    assert!(said.contains("regression of alcohol, acid\n"), "{said}");
    assert!(said.contains("  alcohol: R² ") && said.contains("  acid: R² "), "{said}");
    fs::write(folder.join("new.csv"), "quality\n5\n3\n").unwrap();
    let said = printed(folder, "predict wine.safetensors new.csv --quiet --backend cpu");
    assert!(said.starts_with("alcohol,acid\n") && said.lines().count() == 3, "{said}");
    let said = refused(folder, &format!("{fit} --task classification --target acid"));
    assert!(said.contains("takes one target"), "{said}");
}

#[test]
fn the_same_seed_gives_the_same_file() {
    let folder = folder_with("houses.csv", table(&houses(60), ",", "\n"));
    let folder = folder.path();
    let saved = |seed: u32, name: &str| {
        let options = "--target price --epochs 5 --quiet --backend cpu";
        printed(folder, &format!("fit houses.csv {options} --seed {seed} --save {name}"));
        fs::read(folder.join(name)).unwrap()
    };
    let first = saved(1, "a.safetensors");
    assert_eq!(first, saved(1, "b.safetensors"));
    assert_ne!(first, saved(2, "c.safetensors"));
}

/// Tables that are written in other ways are the same table, to the bit.
#[test]
fn dialects_are_recognized() {
    let houses = houses(40);
    let plain = table(&houses, ",", "\n");
    let folder = folder_with("houses.csv", &plain);
    let folder = folder.path();
    let options = "--target price --epochs 3 --quiet --backend cpu --save a.safetensors";
    printed(folder, &format!("fit houses.csv {options}"));
    let expected = fs::read(folder.join("a.safetensors")).unwrap();
    let quoted = plain.replace("Oslo", "\"Oslo\"").replace("area", "\"area\"");
    let comma = table(&houses, ";", "\n").replace('.', ",");
    for (name, contents, more) in [
        ("crlf", table(&houses, ",", "\r\n"), ""),
        ("byte order mark", format!("\u{feff}{plain}"), ""),
        ("semicolons", table(&houses, ";", "\n"), ""),
        ("decimal commas", comma, ""),
        ("tabs", table(&houses, "\t", "\n"), ""),
        ("spaces", table(&houses, " , ", " \n"), ""),
        ("quotes", quoted, ""),
        ("blank lines", plain.replace('\n', "\n\n"), ""),
        ("no last line end", plain.trim_end().into(), ""),
        ("named separator", table(&houses, "^", "\n"), "--delimiter ^"),
    ] {
        fs::write(folder.join("houses.csv"), contents).unwrap();
        printed(folder, &format!("fit houses.csv {options} {more}"));
        assert!(fs::read(folder.join("a.safetensors")).unwrap() == expected, "{name}");
    }
    // Without names, columns have numbers.
    let nameless = plain.split_once('\n').unwrap().1;
    let output = impasto_with(
        folder,
        "fit - --no-header --target 4 --ignore 2 --epochs 3 --backend cpu",
        nameless.as_bytes(),
    );
    assert!(output.status.success());
    assert!(text(&output.stdout).contains(
        "regression of 4 (numbers; --task classification predicts classes)\nfrom 1, 3\n"
    ));
    let said = impasto_with(
        folder,
        "predict table.safetensors - --no-header --backend cpu --quiet",
        b"50,,3\n",
    );
    assert!(text(&said.stdout).starts_with("4\n"), "{}", text(&said.stderr));
    // The network on standard output, and the lines on standard error.
    let piped = impasto(
        folder,
        &options
            .replace("a.safetensors", "-")
            .replace("--target", "fit houses.csv --delimiter ^ --target"),
    );
    assert!(piped.stdout == expected, "{}", text(&piped.stderr));
}

#[test]
fn missing_cells_and_columns_that_say_nothing_are_noted() {
    let mut table = String::from("a,b,c,d,e,y\n");
    for row in 0..40 {
        let a = if row == 7 { "NA".into() } else { row.to_string() };
        let b = if row == 8 { "" } else { ["red", "blue"][row % 2] };
        let y = if row == 9 { "NaN".into() } else { format!("{}.5", 3 * row) };
        // One text, and missing cells.
        let e = if row % 3 == 0 { "yes" } else { "" };
        writeln!(table, "{a},{b},same,{},{e},{y}", row % 5).unwrap();
    }
    let folder = folder_with("t.csv", table);
    let folder = folder.path();
    let said = printed(folder, "fit t.csv --target y --epochs 3 --backend cpu");
    for note in [
        "note: 1 row without a target left out, the first in line 11\n",
        "note: the same in every row and left out: c\n",
        "note: column 'a': 1 of 39 cells missing, counted as its mean, ",
        "note: column 'b': 1 of 39 cells missing, counted as none of its values\n",
        "note: column 'e': 26 of 39 cells missing, counted as none of its values\n",
        "from a, b (2 values), d, e (1 value)\n",
    ] {
        assert!(said.contains(note), "{note}: {said}");
    }
    fs::write(folder.join("new.csv"), "a,b,d,e\n,green,1,yes\n3,,2,yes\n").unwrap();
    let said = printed(folder, "predict t.safetensors new.csv -o p.csv --backend cpu");
    assert!(said.contains("note: 2 missing cells: "), "{said}");
    assert!(said.contains("note: 1 text that the network was not trained on: "), "{said}");
    assert_eq!(rows(&fs::read_to_string(folder.join("p.csv")).unwrap()).len(), 2);
}

/// Each refusal is one line that says what is wrong and where, and nothing is written.
#[test]
fn bad_tables_are_refused() {
    let table_of = |rows: u32, text: fn(u32) -> String| {
        let lines = (0..rows).map(|row| format!("{row},{},{row}.5", text(row)));
        [String::from("a,b,y")].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
    };
    let [many, names] = [150, 40].map(|rows| table_of(rows, |row| format!("name{row}")));
    let target = |row: i32| if row == 30 { "-inf".to_string() } else { (row * 3).to_string() };
    let rows = (0..60).map(|row| format!("{row},{}\n", target(row)));
    let stray = ["x,y\n".to_string()].into_iter().chain(rows).collect::<String>();
    let words = table_of(150, |_| "a".into()) + "\noops,a,1\n";
    let cases: [(&[u8], &str, &str); 28] = [
        (b"", "--target y", "t.csv: the file is empty"),
        (b"\n\n", "--target y", "t.csv is empty"),
        (b"x,y\n", "--target y", "t.csv has no row with a target: at least 2 are needed"),
        (b"x,y\n1,2\n", "--target y", "t.csv has 1 row with a target"),
        (b"x,y\n1,2\n3\n", "--target y", "t.csv, line 3: a row of 1 cell in a table of 2 columns"),
        (b"x,y\n1,2\n3,4,5\n", "--target y", "line 3: a row of 3 cells"),
        (
            b"x,y\n1,2\n\"3,4\n5,6\n",
            "--target y",
            "t.csv, line 3: a cell begins with a quote (\") that is not closed",
        ),
        (b"x,\"y\n1,2\n3,4\n", "--target y", "t.csv, line 1: a cell begins with a quote"),
        (b"x,y\n1,2\n3,4\n", "", "which column is to be predicted? Add --target and one of x, y"),
        (b"x,y\n1,2\n3,4\n", "--target z", "t.csv has no column 'z': it has x, y"),
        (b"x,y\n1,2\n3,4\n", "--target y --ignore w", "t.csv has no column 'w': it has x, y"),
        (b"1,2\n3,4\n5,6\n", "--target y", "if the first line is a row, add --no-header"),
        (b"x,y\n1,2\n3,4\n", "--target y,y", "--target names 'y' twice"),
        (b"x,y\n1,2\n3,4\n", "--target y --ignore y", "'y' is a target and is ignored"),
        (b"x,y\n1,2\n3,4\n", "--target y --ignore x", "t.csv has no column to predict from"),
        (b"x,y\n1,NaN\n3,\n5,?\n", "--target y", "has no row with a target"),
        (
            b"x,y\n1,2\n3,2\n",
            "--target y",
            "the target 'y' is 2 in every row: there is nothing to learn",
        ),
        (b"x,y\n1,a\n3,a\n", "--target y", "the target 'y' is a in every row"),
        (b"x,y\n7,1\n7,2\n", "--target y", "all columns but the target are the same in every row"),
        (b"x,x,y\n1,2,3\n", "--target y", "the columns 1 and 2 are both called 'x': rename one"),
        (b"x,y\n1,caf\xe9\n", "--target y", "t.csv, line 2, column 2: the cell is not UTF-8"),
        (b"x\xe9,y\n1,2\n", "--target y", "line 1, column 1: the cell is not UTF-8"),
        (b"\xff\xfex\0,\0", "--target y", "it is UTF-16: save it as UTF-8"),
        (
            b"PK\x03\x04rest",
            "--target y",
            "it is a spreadsheet or another archive: export it as CSV",
        ),
        (
            many.as_bytes(),
            "--target y",
            "t.csv, line 2, column 'b': 'name0' is no number, and the column has more than 100 different values: leave it out with --ignore 'b'",
        ),
        (names.as_bytes(), "--target y", "the column 'b' has 40 different texts in 40 rows"),
        (stray.as_bytes(), "--target y", "line 32, column 'y': '-inf' is no number: correct it"),
        (words.as_bytes(), "--target y", "line 152, column 'a': 'oops' is no number"),
    ];
    for (table, arguments, message) in cases {
        let folder = folder_with("t.csv", table);
        let said = refused(folder.path(), &format!("fit t.csv {arguments} --backend cpu"));
        assert!(said.contains(message), "{message}: {said}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{message}");
    }
}

#[test]
fn bad_options_are_refused() {
    let folder = folder_with("t.csv", table(&houses(30), ",", "\n"));
    let folder = folder.path();
    for (arguments, message) in [
        ("missing.csv --target y", "cannot read missing.csv"),
        ("t.csv --target price --split 1", "at least 0 and below 1"),
        ("t.csv --target price --split 0.99", "leaves none to learn from"),
        ("t.csv --target price --epochs 0", "0 epochs: training needs at least 1"),
        ("t.csv --target price --batch 0", "a batch of 0 samples"),
        ("t.csv --target price --learning-rate -1", "a learning rate of -1"),
        ("t.csv --target price --save no/where.safetensors", "there is no folder no"),
        ("t.csv --target price --save - --report -", "cannot both go to standard output"),
        ("t.csv --target price --save t.csv", "t.csv would be both the data and the network"),
        ("t.csv --target price --save a --report a", "would be both the network and the report"),
        ("t.csv --target city --task regression", "line 2, column 'city': '"),
        ("t.csv --target city,price", "a target of classes must be the only one"),
    ] {
        let said = refused(folder, &format!("fit {arguments} --backend cpu"));
        assert!(said.contains(message), "{message}: {said}");
        assert_eq!(fs::read_dir(folder).unwrap().count(), 1, "{message}");
    }
    for mistake in ["--delimiter ::", "--time 5", "--task guess", "--activation sinus"] {
        let output = impasto(folder, &format!("fit t.csv --target price {mistake}"));
        assert_eq!(output.status.code(), Some(2), "{mistake}");
    }
}

#[test]
fn bad_tables_to_predict_are_refused_and_leave_no_file() {
    let folder = folder_with("t.csv", table(&houses(40), ",", "\n"));
    let folder = folder.path();
    printed(folder, "fit t.csv --target price --epochs 2 --quiet --backend cpu");
    let picture =
        "paint logo.png --hidden 2x4 --epochs 1 --quiet --backend cpu --save p.safetensors";
    write_picture(&folder.join("logo.png"));
    printed(folder, picture);
    for (table, message) in [
        (
            "area,floors\n1,2\n",
            "new.csv lacks the column city, which the network needs: it has area, floors",
        ),
        ("price\n1\n", "new.csv lacks the columns area, city, floors, which the network needs"),
        ("area,city,floors\n1,Oslo\n", "new.csv, line 2: a row of 2 cells"),
        (
            "area,city,floors\n1,Oslo,2\nbig,Oslo,2\n",
            "new.csv, line 3, column 'area': 'big' is no number",
        ),
        ("area,city,floors\n1e300,Oslo,2\n", "line 2, column 'area': '1e300' is out of range"),
        ("", "new.csv: the file is empty"),
    ] {
        fs::write(folder.join("new.csv"), table).unwrap();
        let said = refused(folder, "predict t.safetensors new.csv -o p.csv --backend cpu");
        assert!(said.contains(message), "{message}: {said}");
        assert!(!folder.join("p.csv").exists(), "{message}");
    }
    fs::write(folder.join("new.csv"), "area,city,floors\n1,Oslo,2\n").unwrap();
    let said = refused(folder, "predict t.safetensors new.csv --probabilities --backend cpu");
    assert!(said.contains("--probabilities is for classes"), "{said}");
    let said = refused(folder, "predict t.safetensors new.csv -o ./new.csv --backend cpu");
    assert!(said.contains("new.csv would be both the data and the output"), "{said}");
    let said = refused(folder, "predict p.safetensors new.csv --backend cpu");
    assert!(said.contains("paints a picture or a video: impasto repaint paints it"), "{said}");
    let network = impasto::Network::builder(1).output(1, impasto::Activation::Identity).build();
    let video = network.unwrap().encode_with([("video", "{}")]).unwrap();
    fs::write(folder.join("v.safetensors"), video).unwrap();
    let said = refused(folder, "predict v.safetensors new.csv --backend cpu");
    assert!(said.contains("paints a picture or a video: impasto repaint paints it"), "{said}");
    let said = refused(folder, "predict new.csv new.csv --backend cpu");
    assert!(said.contains("not a network this version can read"), "{said}");
    let parts = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(parts.into_iter().all(|name| !name.to_string_lossy().ends_with(".part")));
}

/// Writes a small picture.
fn write_picture(path: &Path) {
    impasto::Picture::new(4, 4, 3, 255, vec![100; 48]).unwrap().save(path).unwrap();
}

/// More rows than are predicted at once.
#[test]
fn a_long_table_is_predicted_in_blocks() {
    let all = houses(10_000);
    let folder = folder_with("t.csv", table(&all[..50], ",", "\n"));
    let folder = folder.path();
    printed(folder, "fit t.csv --target price --epochs 2 --quiet --backend cpu");
    fs::write(folder.join("new.csv"), table(&all, ",", "\n")).unwrap();
    let long = printed(folder, "predict t.safetensors new.csv --quiet --backend cpu");
    assert_eq!(rows(&long).len(), 10_000);
    fs::write(folder.join("new.csv"), table(&all[9_000..], ",", "\n")).unwrap();
    let last = printed(folder, "predict t.safetensors new.csv --quiet --backend cpu");
    assert_eq!(rows(&last), rows(&long)[9_000..]);
}

#[test]
fn the_report_has_the_run() {
    let folder = folder_with("t.csv", rings(100));
    let folder = folder.path();
    printed(
        folder,
        "fit t.csv --target kind --epochs 4 --patience 0 --seed 3 --report r.json --quiet --backend cpu",
    );
    let report = fs::read_to_string(folder.join("r.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["data"]["task"], "classification");
    assert_eq!(report["data"]["inputs"], serde_json::json!(["x", "y"]));
    assert_eq!(report["training"]["samples"], 80);
    assert_eq!(report["training"]["validation_samples"], 20);
    assert_eq!(report["training"]["ending"], "finished");
    assert_eq!(report["history"].as_array().unwrap().len(), 4);
    assert_eq!(report["seed"], 3);
    let confusion = report["result"]["confusion"].as_array().unwrap();
    let counts = confusion.iter().flat_map(|row| row.as_array().unwrap());
    assert_eq!(counts.map(|count| count.as_u64().unwrap()).sum::<u64>(), 20);
}

/// What was learned is kept.
#[cfg(unix)]
#[test]
fn a_signal_ends_training_early() {
    let folder = folder_with("t.csv", table(&houses(500), ",", "\n"));
    let folder = folder.path();
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let arguments = "fit t.csv --target price --epochs 100000000 --patience 0 --backend cpu";
        let mut child = command(folder, arguments).stdout(Stdio::piped()).spawn().expect("started");
        // It listens for signals before it opens its progress.
        std::thread::sleep(std::time::Duration::from_millis(1500));
        let number = child.id().to_string();
        let kill = std::process::Command::new("kill").args(["-s", name, &number]).status();
        assert!(kill.unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(code));
        let said = std::io::read_to_string(child.stdout.take().unwrap()).unwrap();
        assert!(said.contains("of 100,000,000 epochs until interrupted"), "{said}");
        assert!(number_after(&said, "R² ") > 0.5, "{said}");
        fs::remove_file(folder.join("t.safetensors")).unwrap();
    }
}
