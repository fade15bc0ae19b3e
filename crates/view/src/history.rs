//! Lag of groups over the last five minutes. Pure. In: lags with their times. Out: points of a line. Of consecutive equal lags
//! only the first and the last point are kept: the line is the same, and a calm group costs two points.

use std::collections::{BTreeMap, VecDeque};

/// Length of the history, in milliseconds.
pub(crate) const SPAN: i64 = 5 * 60 * 1_000;

type Point = (i64, Option<i64>);

/// The lines of one practice.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines(BTreeMap<String, VecDeque<Point>>);

impl Lines {
    /// Adds the current lag of every group, and drops the lines of other groups. Out: the points added.
    pub(crate) fn add<'a>(
        &mut self,
        lags: impl IntoIterator<Item = (&'a str, Option<i64>)>,
        now: i64,
    ) -> BTreeMap<String, Vec<Point>> {
        let mut former = std::mem::take(&mut self.0);
        let mut added = BTreeMap::new();
        for (group, lag) in lags {
            let mut line = former.remove(group).unwrap_or_default();
            push(&mut line, (now, lag));
            self.0.insert(group.to_owned(), line);
            added.insert(group.to_owned(), vec![(now, lag)]);
        }
        added
    }

    /// Moves all points after the clock was set back by `by` milliseconds: their ages stay.
    pub(crate) fn set_back(&mut self, by: i64) {
        self.0
            .values_mut()
            .flatten()
            .for_each(|point| point.0 -= by);
    }

    /// All points, oldest first.
    pub(crate) fn points(&self) -> BTreeMap<String, Vec<Point>> {
        self.0
            .iter()
            .map(|(group, line)| (group.clone(), line.iter().copied().collect()))
            .collect()
    }
}

fn push(line: &mut VecDeque<Point>, point: Point) {
    let oldest = point.0 - SPAN;
    while line.get(1).is_some_and(|next| next.0 <= oldest) {
        line.pop_front();
    }
    if line.front().is_some_and(|first| first.0 < oldest) {
        match line.len() {
            1 => line.clear(),
            _ => line[0].0 = oldest, // the line continues to the edge
        }
    }
    let len = line.len();
    if len >= 2 && line[len - 1].1 == point.1 && line[len - 2].1 == point.1 {
        line.pop_back();
    }
    line.push_back(point);
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: i64 = 2_000;

    fn line(points: &[(i64, Option<i64>)]) -> Vec<Point> {
        let mut lines = Lines::default();
        for (time, lag) in points {
            lines.add([("g", *lag)], *time);
        }
        lines.points().remove("g").expect("it was added")
    }

    #[test]
    fn equal_lags_in_a_row_are_two_points() {
        assert_eq!(
            line(&[
                (0, Some(1)),
                (2, Some(1)),
                (4, Some(1)),
                (6, Some(5)),
                (8, None),
                (10, None),
                (12, None)
            ]),
            [
                (0, Some(1)),
                (4, Some(1)),
                (6, Some(5)),
                (8, None),
                (12, None)
            ]
        );
    }

    #[test]
    fn points_older_than_five_minutes_are_dropped() {
        let steps: Vec<_> = (0..200).map(|n| (n * STEP, Some(n))).collect();
        let kept = line(&steps);
        assert_eq!((kept[0], kept.len()), ((199 * STEP - SPAN, Some(49)), 151));
        let calm: Vec<_> = (0..200).map(|n| (n * STEP, Some(7))).collect();
        assert_eq!(
            line(&calm),
            [(199 * STEP - SPAN, Some(7)), (199 * STEP, Some(7))]
        );
        assert_eq!(
            line(&[(0, Some(1)), (SPAN + 1, Some(2))]),
            [(SPAN + 1, Some(2))],
            "no point in between"
        );
    }

    #[test]
    fn a_line_continues_when_the_clock_is_set_back() {
        let mut lines = Lines::default();
        lines.add([("g", Some(1))], 3_600_000);
        lines.add([("g", Some(2))], 3_600_000 + STEP);
        lines.set_back(3_600_000);
        lines.add([("g", Some(3))], 2 * STEP);
        assert_eq!(
            lines.points()["g"],
            [(0, Some(1)), (STEP, Some(2)), (2 * STEP, Some(3))]
        );
    }

    #[test]
    fn a_group_that_is_gone_has_no_line() {
        let mut lines = Lines::default();
        lines.add([("a", Some(1)), ("b", Some(2))], 0);
        let added = lines.add([("b", Some(3))], STEP);
        assert_eq!(added, [("b".to_owned(), vec![(STEP, Some(3))])].into());
        assert_eq!(lines.points().keys().collect::<Vec<_>>(), ["b"]);
    }
}
