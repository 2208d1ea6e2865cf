//! The trend chart: every value of a period as a mark, the limits as lines with their names.
//!
//! Marks differ in shape, not only in colour, and what is not usable is hollow. All of it also stands in the table
//! beside the chart, so the drawing has a title and a summary and nothing that only eyes can find.

use std::fmt::Write as _;
use std::ops::Range;

use hempuls_protocol::observation::{Decimal, Quantity};
use jiff::{Timestamp, ToSpan as _};
use maud::{Markup, PreEscaped, html};

use crate::http::console::moments::Moment;
use crate::http::console::values;
use crate::plan::{self, AtMoment};
use crate::store::records::Record;
use crate::wording::Lang;

/// From here on a value concerns somebody: upwards, or downwards.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Limit {
    /// Of which quantity.
    pub(crate) quantity: Quantity,
    /// From here on.
    pub(crate) from: Decimal,
}

/// The limits that are drawn, as a plan has them.
pub(crate) fn limits(plan: &AtMoment<'_>) -> Vec<Limit> {
    const DRAWN: [(plan::Limit, Quantity); 13] = [
        (plan::Limit::SystolicAbove, Quantity::Systolic),
        (plan::Limit::SystolicBelow, Quantity::Systolic),
        (plan::Limit::DiastolicAbove, Quantity::Diastolic),
        (plan::Limit::DiastolicBelow, Quantity::Diastolic),
        (plan::Limit::PulseAbove, Quantity::PulseRate),
        (plan::Limit::PulseBelow, Quantity::PulseRate),
        (plan::Limit::PulseAbove, Quantity::OximeterPulseRate),
        (plan::Limit::PulseBelow, Quantity::OximeterPulseRate),
        (plan::Limit::OxygenBelow, Quantity::OxygenSaturation),
        (plan::Limit::TemperatureAbove, Quantity::BodyTemperature),
        (plan::Limit::TemperatureBelow, Quantity::BodyTemperature),
        (plan::Limit::WeightAbove, Quantity::BodyWeight),
        (plan::Limit::WeightBelow, Quantity::BodyWeight),
    ];
    let drawn = DRAWN.into_iter().filter_map(|(limit, quantity)| {
        let plan::Tenths(tenths) = plan.limit(limit)?;
        let from = if tenths % 10 == 0 { Decimal::whole(tenths / 10) } else { Decimal::new(tenths, -1) };
        Some(Limit { quantity, from })
    });
    drawn.collect()
}

/// The drawing's width, in its own units.
const WIDTH: f64 = 760.0;
const LEFT: f64 = 8.0;
/// The scale's numbers stand to the right, by the newest values: what a phone shows first.
const RIGHT: f64 = 48.0;
/// Above each panel: its name.
const HEAD: f64 = 30.0;
/// Below each panel: the days.
const FEET: f64 = 26.0;
/// With more marks than this, systolic and diastolic are not joined by a line each: there would be only lines.
const TOO_MANY_TO_JOIN: usize = 300;

/// Draws what can be placed in time; `None` where nothing can.
pub(crate) fn draw(
    readings: &[Record],
    limits: &[Limit],
    period: &Range<Timestamp>,
    moment: &Moment,
) -> Option<Markup> {
    let panels: Vec<Panel> = PANELS.iter().filter_map(|kind| Panel::of(kind, readings, limits, period)).collect();
    if panels.is_empty() {
        return None;
    }
    let height: f64 = panels.iter().map(Panel::height).sum();
    let lang = moment.lang;
    let mut top = 0.0;
    let drawn: Vec<Markup> = panels
        .iter()
        .map(|panel| {
            let drawn = panel.draw(top, period, moment);
            top += panel.height();
            drawn
        })
        .collect();
    Some(html! {
        (key(&panels, lang))
        div.scroll #chart tabindex="0" role="region" aria-labelledby="chart-title" {
            svg.chart role="img" aria-labelledby="chart-title chart-desc" viewBox={ "0 0 " (WIDTH) " " (height) } {
                title #chart-title { (lang.pick("Mätvärden över tid", "Values over time")) }
                desc #chart-desc { @for panel in &panels { (panel.summary(lang)) " " } }
                @for panel in &drawn { (panel) }
            }
        }
    })
}

/// Which marks stand for what.
fn key(panels: &[Panel], lang: Lang) -> Markup {
    let any_hollow =
        panels.iter().flat_map(|panel| &panel.series).any(|series| series.points.iter().any(|p| !p.usable));
    html! {
        p.key {
            @for series in panels.iter().flat_map(|panel| &panel.series) {
                span { (sample(series.kind.shape, series.kind.class)) " " (values::quantity(series.kind.quantity, lang))
                    @if series.kind.quantity == Quantity::OximeterPulseRate { (lang.pick(", från oximetern", ", from the oximeter")) }
                }
            }
            @if any_hollow {
                span { (sample(Shape::Dot, "s1 hollow")) " " (lang.pick("Ofylld: ej användbart värde", "Hollow: value not usable")) }
            }
        }
    }
}

fn sample(shape: Shape, class: &str) -> Markup {
    let mut path = String::new();
    shape.mark(&mut path, 8.0, 8.0);
    html! {
        (PreEscaped(format!(
            r#"<svg class="chart-key" viewBox="0 0 16 16" aria-hidden="true" focusable="false"><path class="point {class}" d="{path}"/></svg>"#
        )))
    }
}

/// What is drawn together, on one scale.
struct PanelKind {
    sv: &'static str,
    en: &'static str,
    unit: &'static str,
    height: f64,
    /// No scale ends above this.
    at_most: f64,
    /// What the scale shows at least.
    at_least: (f64, f64),
    series: &'static [SeriesKind],
}

struct SeriesKind {
    quantity: Quantity,
    class: &'static str,
    shape: Shape,
}

#[derive(Copy, Clone, PartialEq, Eq)]
enum Shape {
    Down,
    Up,
    Diamond,
    Dot,
    Square,
}

const PANELS: &[PanelKind] = &[
    PanelKind {
        sv: "Blodtryck",
        en: "Blood pressure",
        unit: "mmHg",
        height: 250.0,
        at_most: f64::INFINITY,
        at_least: (60.0, 160.0),
        series: &[
            SeriesKind { quantity: Quantity::Systolic, class: "s1", shape: Shape::Down },
            SeriesKind { quantity: Quantity::Diastolic, class: "s2", shape: Shape::Up },
        ],
    },
    PanelKind {
        sv: "Puls",
        en: "Pulse",
        unit: "/min",
        height: 130.0,
        at_most: f64::INFINITY,
        at_least: (50.0, 100.0),
        series: &[
            SeriesKind { quantity: Quantity::PulseRate, class: "s3", shape: Shape::Diamond },
            SeriesKind { quantity: Quantity::OximeterPulseRate, class: "s1", shape: Shape::Dot },
            SeriesKind { quantity: Quantity::HeartRate, class: "s2", shape: Shape::Square },
        ],
    },
    PanelKind {
        sv: "Syremättnad",
        en: "Oxygen saturation",
        unit: "%",
        height: 130.0,
        at_most: 100.0,
        at_least: (90.0, 100.0),
        series: &[SeriesKind { quantity: Quantity::OxygenSaturation, class: "s1", shape: Shape::Dot }],
    },
    PanelKind {
        sv: "Temperatur",
        en: "Temperature",
        unit: "°C",
        height: 130.0,
        at_most: f64::INFINITY,
        at_least: (36.0, 38.0),
        series: &[SeriesKind { quantity: Quantity::BodyTemperature, class: "s2", shape: Shape::Dot }],
    },
    PanelKind {
        sv: "Vikt",
        en: "Weight",
        unit: "kg",
        height: 130.0,
        at_most: f64::INFINITY,
        at_least: (f64::INFINITY, f64::NEG_INFINITY),
        series: &[SeriesKind { quantity: Quantity::BodyWeight, class: "s1", shape: Shape::Square }],
    },
];

struct Panel {
    kind: &'static PanelKind,
    series: Vec<Series>,
    limits: Vec<(Limit, f64)>,
    low: f64,
    high: f64,
    step: f64,
}

struct Series {
    kind: &'static SeriesKind,
    points: Vec<Point>,
}

struct Point {
    at_ms: i64,
    value: f64,
    exact: Decimal,
    usable: bool,
}

impl Panel {
    fn of(kind: &'static PanelKind, readings: &[Record], limits: &[Limit], period: &Range<Timestamp>) -> Option<Self> {
        let series: Vec<Series> = kind.series.iter().filter_map(|kind| Series::of(kind, readings, period)).collect();
        if series.is_empty() {
            return None;
        }
        let limits: Vec<(Limit, f64)> = limits
            .iter()
            .filter(|limit| series.iter().any(|series| series.kind.quantity == limit.quantity))
            .filter_map(|limit| Some((*limit, worth(&limit.from)?)))
            .collect();
        let usable =
            series.iter().flat_map(|series| &series.points).filter(|point| point.usable).map(|point| point.value);
        let shown = usable.chain(limits.iter().map(|(_, at)| *at)).chain([kind.at_least.0, kind.at_least.1]);
        let (low, high) = shown
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        let step = step(high - low);
        let (low, high) = ((low / step - 0.2).floor() * step, ((high / step + 0.2).ceil() * step).min(kind.at_most));
        Some(Self { kind, series, limits, low, high, step })
    }

    fn height(&self) -> f64 {
        HEAD + self.kind.height + FEET
    }

    fn draw(&self, top: f64, period: &Range<Timestamp>, moment: &Moment) -> Markup {
        let lang = moment.lang;
        let (upper, lower) = (top + HEAD, top + HEAD + self.kind.height);
        let x = |at_ms: i64| place(at_ms, period);
        let y = |value: f64| {
            let share = (value.clamp(self.low, self.high) - self.low) / (self.high - self.low);
            lower - share * self.kind.height
        };
        let lines = (0..)
            .map(|n| self.low + f64::from(n) * self.step)
            .take_while(|value| *value <= self.high + self.step / 2.0);
        let right = WIDTH - RIGHT;
        html! {
            text.name x=(right) text-anchor="end" y=(round(upper - 12.0)) { (lang.pick(self.kind.sv, self.kind.en)) ", " (self.kind.unit) }
            @for value in lines {
                line.grid x1=(LEFT) x2=(right) y1=(round(y(value))) y2=(round(y(value))) {}
                text x=(right + 8.0) y=(round(y(value) + 4.5)) { (scale_number(value, self.step, lang)) }
            }
            @for (at, name) in days(period, moment) {
                line.grid x1=(round(x(at))) x2=(round(x(at))) y1=(round(upper)) y2=(round(lower)) {}
                text x=(round(x(at))) y=(round(lower + 18.0)) text-anchor="middle" { (name) }
            }
            @if let Some(joined) = self.joins(&x, &y) { path.pair d=(joined) {} }
            @for series in &self.series {
                @for usable in [true, false] {
                    @if let Some(path) = series.path(usable, &x, &y) {
                        path class={ "point " (series.kind.class) @if !usable { " hollow" } } d=(path) {}
                    }
                }
            }
            @for (limit, at) in &self.limits {
                line.limit x1=(LEFT) x2=(right) y1=(round(y(*at))) y2=(round(y(*at))) {}
                text.limit-name x=(right - 6.0) text-anchor="end" y=(round(y(*at) - 5.0)) { (limit_name(limit, lang)) }
            }
        }
    }

    /// Lines from each systolic to its diastolic pressure.
    fn joins(&self, x: &impl Fn(i64) -> f64, y: &impl Fn(f64) -> f64) -> Option<String> {
        let [systolic, diastolic] = self.series.as_slice() else {
            return None;
        };
        let of_one_cuff = systolic.kind.quantity == Quantity::Systolic;
        if !of_one_cuff || systolic.points.len() != diastolic.points.len() || systolic.points.len() > TOO_MANY_TO_JOIN {
            return None;
        }
        let mut path = String::new();
        for (above, below) in systolic.points.iter().zip(&diastolic.points) {
            write!(path, "M{} {}V{}", round(x(above.at_ms)), round(y(above.value)), round(y(below.value))).ok()?;
        }
        Some(path)
    }

    /// What the panel shows, for those who hear it.
    fn summary(&self, lang: Lang) -> String {
        let mut told = String::new();
        for series in &self.series {
            let usable: Vec<&Point> = series.points.iter().filter(|point| point.usable).collect();
            let name = values::quantity(series.kind.quantity, lang);
            let (Some(newest), Some(lowest), Some(highest)) = (
                usable.iter().max_by_key(|point| point.at_ms),
                usable.iter().min_by(|a, b| a.exact.compare(&b.exact)),
                usable.iter().max_by(|a, b| a.exact.compare(&b.exact)),
            ) else {
                let _ = write!(told, "{name}: {}. ", lang.pick("inga användbara värden", "no usable values"));
                continue;
            };
            let number = |point: &Point| values::decimal(&point.exact, lang);
            let (count, unit) = (usable.len(), self.kind.unit);
            let (lowest, highest, newest) = (number(lowest), number(highest), number(newest));
            let _ = match lang {
                Lang::Sv => write!(told, "{name}: {count} värden, {lowest} till {highest} {unit}, senast {newest}. "),
                Lang::En => write!(told, "{name}: {count} values, {lowest} to {highest} {unit}, latest {newest}. "),
            };
        }
        for (limit, _) in &self.limits {
            let _ = write!(told, "{}. ", limit_name(limit, lang));
        }
        told.truncate(told.trim_end().len());
        told
    }
}

impl Series {
    fn of(kind: &'static SeriesKind, readings: &[Record], period: &Range<Timestamp>) -> Option<Self> {
        let within = period.start.as_millisecond()..period.end.as_millisecond();
        let points: Vec<Point> = readings
            .iter()
            .filter_map(|reading| {
                let at_ms = reading.measured_ms.filter(|at| within.contains(at))?;
                let observation = reading.value(kind.quantity)?;
                let exact = observation.normalised()?;
                Some(Point { at_ms, value: worth(&exact)?, exact, usable: observation.usable })
            })
            .collect();
        (!points.is_empty()).then_some(Self { kind, points })
    }

    fn path(&self, usable: bool, x: &impl Fn(i64) -> f64, y: &impl Fn(f64) -> f64) -> Option<String> {
        let mut path = String::new();
        for point in self.points.iter().filter(|point| point.usable == usable) {
            self.kind.shape.mark(&mut path, x(point.at_ms), y(point.value));
        }
        (!path.is_empty()).then_some(path)
    }
}

impl Shape {
    /// Adds a mark to a path.
    fn mark(self, path: &mut String, x: f64, y: f64) {
        let (x, y) = (round(x), round(y));
        let written = match self {
            Self::Down => write!(path, "M{} {}h8l-4 7z", x - 4.0, y - 3.0),
            Self::Up => write!(path, "M{} {}h8l-4-7z", x - 4.0, y + 3.0),
            Self::Diamond => write!(path, "M{x} {}l4 4-4 4-4-4z", y - 4.0),
            Self::Dot => write!(path, "M{} {y}a3 3 0 1 0 6 0a3 3 0 1 0-6 0", x - 3.0),
            Self::Square => write!(path, "M{} {}h6v6h-6z", x - 3.0, y - 3.0),
        };
        written.expect("writing to memory cannot fail");
    }
}

/// `Gräns: övertryck 180`
fn limit_name(limit: &Limit, lang: Lang) -> String {
    let quantity = values::quantity(limit.quantity, lang).to_lowercase();
    format!("{} {quantity} {}", lang.pick("Gräns", "Limit"), values::decimal(&limit.from, lang))
}

/// Where a moment lies from left to right.
fn place(at_ms: i64, period: &Range<Timestamp>) -> f64 {
    let length = (period.end.as_millisecond() - period.start.as_millisecond()).max(1);
    let share = (at_ms - period.start.as_millisecond()) as f64 / length as f64;
    LEFT + share * (WIDTH - LEFT - RIGHT)
}

/// The midnights to draw, with their names, about seven of them.
fn days(period: &Range<Timestamp>, moment: &Moment) -> Vec<(i64, String)> {
    let (first, last) = (period.start.to_zoned(moment.zone.clone()), period.end.to_zoned(moment.zone.clone()));
    let length = first.date().until(last.date()).map_or(1, |span| span.get_days()).max(1);
    let every = [1, 2, 5, 10, 15, 30].into_iter().find(|every| length / every <= 8).unwrap_or(60);
    let mut days = Vec::new();
    let mut day = last.date();
    while day > first.date() {
        if let Ok(midnight) = day.to_zoned(moment.zone.clone()) {
            let at = midnight.timestamp();
            let x = place(at.as_millisecond(), period);
            if x > LEFT + 20.0 && x < WIDTH - RIGHT - 20.0 {
                days.push((at.as_millisecond(), moment.short_day(day)));
            }
        }
        match day.checked_sub(every.days()) {
            Ok(before) => day = before,
            Err(_) => break,
        }
    }
    days
}

/// A step between lines that people count in, with five lines or so.
fn step(length: f64) -> f64 {
    let steps = [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];
    steps.into_iter().find(|step| length / step <= 6.0).unwrap_or(1_000.0)
}

fn scale_number(value: f64, step: f64, lang: Lang) -> String {
    let number = if step < 1.0 { format!("{value:.1}") } else { format!("{value:.0}") };
    lang.pick(number.replace('.', ","), number)
}

/// What a number is worth, for drawing only.
fn worth(number: &Decimal) -> Option<f64> {
    format!("{}e{}", number.mantissa, number.exponent).parse().ok().filter(|worth: &f64| worth.is_finite())
}

/// Whole units are finer than a pixel at most sizes, and keep the page light.
fn round(length: f64) -> f64 {
    length.round()
}
