//! Charts as SVG, in `target/bench`: panels one above the other, each with named lines.

use std::{error::Error, fs};

use plotters::{
    coord::ranged1d::{AsRangedCoord, ValueFormatter},
    prelude::*,
};
use tests::template::root;

const WIDTH: u32 = 800;
const PANEL: u32 = 400;

pub(crate) struct Panel {
    pub(crate) title: String,
    /// Names of the axes.
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
    pub(crate) lines: Vec<Line>,
}

pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) color: RGBColor,
    pub(crate) points: Vec<(f64, f64)>,
    /// Dots instead of a line.
    pub(crate) dots: bool,
}

impl Line {
    pub(crate) fn new(name: impl Into<String>, color: RGBColor, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), color, points, dots: false }
    }

    /// Upright, through a whole panel whose other lines reach `top`.
    pub(crate) fn upright(name: impl Into<String>, color: RGBColor, x: f64, top: f64) -> Self {
        Self::new(name, color, vec![(x, 0.0), (x, top)])
    }
}

/// The highest point of some lines.
pub(crate) fn top(lines: &[Line]) -> f64 {
    lines.iter().flat_map(|line| &line.points).map(|(_, y)| *y).fold(0.0, f64::max)
}

/// Draws the panels over the same range of x, and tells where.
pub(crate) fn draw<X>(name: &str, range: &X, panels: &[Panel])
where
    X: AsRangedCoord<Value = f64> + Clone,
    X::CoordDescType: ValueFormatter<f64>,
{
    let file = root().join("target/bench").join(name);
    fs::create_dir_all(root().join("target/bench")).unwrap();
    let height = PANEL * u32::try_from(panels.len()).unwrap();
    let areas = SVGBackend::new(&file, (WIDTH, height)).into_drawing_area().split_evenly((panels.len(), 1));
    for (area, panel) in areas.iter().zip(panels) {
        draw_panel(area, range.clone(), panel).unwrap();
    }
    println!("\ndrawn: target/bench/{name}");
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw_panel<'a, X>(area: &Area<'a>, range: X, panel: &Panel) -> Result<(), Box<dyn Error + 'a>>
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64>,
{
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .caption(&panel.title, ("sans-serif", 14))
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(range, 0.0..1.1 * top(&panel.lines).max(0.1))?;
    chart.configure_mesh().x_desc(panel.x).y_desc(panel.y).draw()?;
    for line in &panel.lines {
        let (points, color) = (line.points.iter().copied(), line.color);
        let drawn = if line.dots {
            chart.draw_series(points.map(|point| Circle::new(point, 4, color.filled())))?
        } else {
            chart.draw_series(LineSeries::new(points, color))?
        };
        drawn.label(&line.name).legend(move |(x, y)| Rectangle::new([(x, y - 1), (x + 18, y + 1)], color.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(BLACK)
        .label_font(("sans-serif", 12))
        .draw()?;
    Ok(area.present()?)
}
