//! Lines over time as SVG, their legend beside them.

use maud::html;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 300.0;
/// Around the plot: room for the labels of the axes, and for the legend.
const MARGIN: f64 = 60.0;
const LEGEND: f64 = 280.0;

pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) color: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

/// From zero to the highest point, with gridlines at these heights and times.
pub(crate) fn svg(title: &str, lines: &[Line], heights: &[u32], seconds: &[u32]) -> String {
    let most = |of: fn(&(f64, f64)) -> f64| lines.iter().flat_map(|line| &line.points).map(of).fold(1.0, f64::max);
    let (right, top) = (most(|(x, _)| *x), 1.05 * most(|(_, y)| *y));
    let x = |seconds: f64| MARGIN + WIDTH * seconds / right;
    let y = |height: f64| MARGIN + HEIGHT * (1.0 - height / top);
    let (end, bottom) = (x(right), y(0.0));
    let path = |line: &Line| {
        let points = line.points.iter().map(|(at, height)| format!("{:.1},{:.1}", x(*at), y(*height)));
        points.collect::<Vec<_>>().join(" ")
    };
    let picture = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {} {}", end + LEGEND, bottom + MARGIN))
            font-family="sans-serif" font-size="13" {
            rect width="100%" height="100%" fill="white" {}
            text x=(MARGIN) y="30" font-size="15" { (title) }
            @for height in heights.iter().filter(|height| f64::from(**height) <= top) {
                @let at = y(f64::from(*height));
                line x1=(MARGIN) x2=(end) y1=(at) y2=(at) stroke="#dddddd" {}
                text x=(MARGIN - 8.0) y=(at + 4.0) text-anchor="end" { (height) }
            }
            @for second in seconds.iter().filter(|second| f64::from(**second) <= right) {
                text x=(x(f64::from(*second))) y=(bottom + 18.0) text-anchor="middle" { (second) }
            }
            text x=(f64::midpoint(MARGIN, end)) y=(bottom + 40.0) text-anchor="middle" { "seconds" }
            @for (number, line) in (0u32..).zip(lines) {
                @let at = MARGIN + 24.0 * f64::from(number);
                polyline points=(path(line)) fill="none" stroke=(line.color) stroke-width="2" {}
                line x1=(end + 20.0) x2=(end + 44.0) y1=(at) y2=(at) stroke=(line.color) stroke-width="3" {}
                text x=(end + 52.0) y=(at + 4.0) { (line.name) }
            }
        }
    };
    picture.into_string()
}
