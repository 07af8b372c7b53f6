//! `corridorkey models plan`: the memory that sessions will need, before there are any.

use std::fmt::Write;

use corridorkey::error::{Error, Result};
use corridorkey::keyer::{Geometry, Resolution, Size, SizeRule};
use corridorkey::network::model::{Estimate, Own, Refiner};
use corridorkey::network::models::Models;
use corridorkey::network::options::MB;
use corridorkey::network::{Device, Model, Precision};
use serde_json::{Value, json};

use crate::args::PlanArguments;
use crate::report::{Failure, print_json, print_text};

/// Where sessions are planned for: a GPU has memory of its own.
const DEVICE: Device = Device::Cpu;

/// The plates that are planned for when no sizes are asked for.
const PLATES: [Size; 2] = [Size::new(1920, 1080), Size::new(3840, 2160)];

/// Resolutions that a node can be set to; Auto is one of them, whatever the plate.
const RESOLUTIONS: [Resolution; 5] = [
    Resolution::Long512,
    Resolution::Long1024,
    Resolution::Long1536,
    Resolution::Long2048,
    Resolution::Full,
];

/// Plans the model that is named, or every model there is. `budget` is what sessions may need, in
/// bytes.
pub(crate) fn run(models: &Models, arguments: &PlanArguments, budget: u64, json: bool) -> u8 {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    match &arguments.id {
        // A file that is missing or damaged has no size to count with.
        Some(id) => match models
            .find(id)
            .and_then(|model| model.look().map(|()| model))
        {
            Ok(model) => found.push(model),
            Err(error) => problems.push(Error::from(error)),
        },
        None => {
            let listing = models.list(&Model::look);
            found = listing.models;
            problems.extend(listing.problems.into_iter().map(Error::from));
        }
    }
    let mut plans = Vec::new();
    for model in found {
        match rows(&model, &arguments.size, budget) {
            Ok(rows) => plans.push((model, rows)),
            Err(error) => problems.push(error),
        }
    }
    if json {
        print_json(&report(&plans, &problems, budget));
    } else {
        print_text(&table(&plans, &problems, budget));
    }
    problems.first().map_or(0, Error::exit_code)
}

/// One session that could be.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    /// The plate and the node's setting; neither for a size that was asked for by itself.
    setting: Option<(Size, Resolution)>,
    /// What the network sees.
    network: Size,
    /// Tiles that it is worked in.
    tiles: usize,
    precision: Precision,
    /// The network of ours that computes it, if the runtime does not.
    own: Option<Own>,
    /// How it is worked so that it fits, if it can be, and what that needs.
    refiner: Refiner,
    memory: Estimate,
    /// What it needs with the refiner in strips, for models that have one of their own.
    strips: Option<Estimate>,
    /// Why there cannot be such a session.
    refusal: Option<Refusal>,
    /// The largest size of the same shape that there can be one for.
    largest: Option<Size>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// It needs more than the budget.
    Budget,
    /// The model takes no sides this long.
    Longest(usize),
}

/// All rows of a model: in the sizes asked for, or the usual ones.
fn rows(model: &Model, asked: &[Size], budget: u64) -> Result<Vec<Row>> {
    let rule = &model.size_rule;
    let mut sizes = Vec::new();
    if asked.is_empty() {
        for plate in PLATES {
            for resolution in RESOLUTIONS {
                let geometry = Geometry::new(plate, plate, rule, resolution)?;
                let setting = Some((plate, resolution));
                sizes.push((setting, geometry.content, geometry.network));
            }
        }
    }
    let side = |pixels: usize| pixels.max(rule.min).next_multiple_of(rule.multiple);
    for size in asked {
        let network = Size::new(side(size.width), side(size.height));
        sizes.push((None, *size, network));
    }
    let mut rows = Vec::new();
    for (setting, content, network) in sizes {
        let most = most(content, rule)?;
        for &precision in &model.precisions {
            let Size { width, height } = network;
            let tiles = model.layout(width, height, DEVICE, precision);
            let (refiner, memory) = model.within(width, height, DEVICE, precision, budget);
            let refusal = if network.long() > rule.max_long {
                Some(Refusal::Longest(rule.max_long))
            } else {
                (memory.total() > budget).then_some(Refusal::Budget)
            };
            let largest = model.largest_within(most.width, most.height, DEVICE, precision, budget);
            rows.push(Row {
                setting,
                network,
                tiles: tiles.map_or(1, |tiles| tiles.count()),
                own: model.own(DEVICE, precision),
                precision,
                refiner,
                memory,
                strips: model.in_strips(width, height, precision),
                refusal,
                largest: largest.map(|(width, height)| Size::new(width, height)),
            });
        }
    }
    Ok(rows)
}

/// The largest size of this shape that the model takes, whatever it needs.
fn most(shape: Size, rule: &SizeRule) -> Result<Size> {
    // Full is the plate's own size up to the longest, and this plate is longer than any model's.
    let times = rule.max_long.div_ceil(shape.long().max(1));
    let plate = Size::new(shape.width * times, shape.height * times);
    Ok(Geometry::new(plate, plate, rule, Resolution::Full)?.network)
}

fn report(plans: &[(Model, Vec<Row>)], problems: &[Error], budget: u64) -> Value {
    let size = |size: Size| json!([size.width, size.height]);
    let row = |row: &Row| {
        json!({
            "plate": row.setting.map(|(plate, _)| size(plate)),
            "resolution": row.setting.map(|(_, resolution)| resolution.id()),
            "network": size(row.network),
            "tiles": row.tiles,
            "strips": row.refiner == Refiner::Strips,
            "precision": row.precision.id(),
            "processor": row.own.map(Own::id),
            "weights_bytes": row.memory.weights,
            "picture_bytes": row.memory.picture,
            "total_bytes": row.memory.total(),
            "strips_bytes": row.strips.map(Estimate::total),
            "fits": row.refusal.is_none(),
            "largest": row.largest.map(size),
        })
    };
    let plan = |(model, rows): &(Model, Vec<Row>)| {
        json!({
            "id": model.id,
            "version": model.version,
            "name": model.name,
            "max_long": model.size_rule.max_long,
            "plans": rows.iter().map(row).collect::<Vec<_>>(),
        })
    };
    json!({
        "device": DEVICE.id(),
        "budget_bytes": budget,
        "models": plans.iter().map(plan).collect::<Vec<_>>(),
        "problems": problems.iter().map(|error| Failure::from(error).json()).collect::<Vec<_>>(),
    })
}

fn table(plans: &[(Model, Vec<Row>)], problems: &[Error], budget: u64) -> String {
    // Writing to a String cannot fail.
    let mut text = String::new();
    let _ = writeln!(
        text,
        "memory of a session on the {}; sessions may need {} MB together (CORRIDORKEY_SESSION_MB)",
        DEVICE.name(),
        budget / MB
    );
    for (model, rows) in plans {
        let _ = writeln!(text, "\n{}  {}", model.full_id(), model.name);
        let mut lines = vec![HEAD.map(str::to_owned)];
        lines.extend(rows.iter().map(cells));
        align(&mut text, &lines);
    }
    for problem in problems {
        let _ = writeln!(text, "\nunusable: {problem}");
    }
    if plans.is_empty() && problems.is_empty() {
        let _ = writeln!(text, "\nthere are no models to plan");
    }
    text
}

const HEAD: [&str; 11] = [
    "plate",
    "resolution",
    "network",
    "tiles",
    "precision",
    "weights",
    "picture",
    "total",
    "in strips",
    "fits",
    "largest that fits",
];

fn cells(row: &Row) -> [String; HEAD.len()] {
    let size = |size: Size| format!("{} x {}", size.width, size.height);
    let megabytes = |bytes: u64| format!("{} MB", bytes.div_ceil(MB));
    let none = || "-".to_owned();
    [
        row.setting.map_or_else(none, |(plate, _)| size(plate)),
        row.setting
            .map_or_else(none, |(_, resolution)| resolution.id().to_owned()),
        size(row.network),
        match row.refiner {
            Refiner::Whole => row.tiles.to_string(),
            Refiner::Strips => "strips".into(),
        },
        row.precision.id().to_owned(),
        megabytes(row.memory.weights),
        megabytes(row.memory.picture),
        megabytes(row.memory.total()),
        row.strips
            .map_or_else(none, |strips| megabytes(strips.total())),
        match row.refusal {
            None => "yes".into(),
            Some(Refusal::Budget) => "no".into(),
            Some(Refusal::Longest(most)) => format!("no, sides to {most}"),
        },
        row.largest.map_or_else(|| "none".into(), size),
    ]
}

/// Writes lines with every column as wide as its longest cell.
fn align<const N: usize>(text: &mut String, lines: &[[String; N]]) {
    let mut widths = [0; N];
    for line in lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.len());
        }
    }
    for line in lines {
        let mut row = String::new();
        for (cell, width) in line.iter().zip(widths) {
            let _ = write!(row, "  {cell:<width$}");
        }
        let _ = writeln!(text, "{}", row.trim_end());
    }
}
