//! What Kafka's own `ConsumerGroupCommand` prints of groups, as values: the independent truth that ours is compared with.
//! In: a way to run a class of Kafka's, and the groups' names. Out: a row for each line. `-` is `None`.

/// The class that `kafka-consumer-groups.sh` runs.
pub const CONSUMER_GROUP_COMMAND: &str =
    "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";

/// A partition of a group that is owned or has a committed offset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offsets {
    /// The `group.id`.
    pub group: String,
    /// Topic and number of the partition.
    pub partition: (String, i32),
    /// CURRENT-OFFSET.
    pub committed: Option<i64>,
    /// LOG-END-OFFSET.
    pub end: Option<i64>,
    /// LAG.
    pub lag: Option<i64>,
    /// Member id and client id of its owner.
    pub owner: Option<(String, String)>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// The `group.id`.
    pub group: String,
    /// CONSUMER-ID.
    pub member_id: String,
    /// CLIENT-ID.
    pub client_id: String,
    /// #PARTITIONS.
    pub partitions: usize,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct State {
    /// The `group.id`.
    pub group: String,
    /// STATE.
    pub state: String,
    /// GROUP-EPOCH, of KIP-848 groups.
    pub epoch: Option<i64>,
    /// #MEMBERS.
    pub members: usize,
}

/// Partitions of these groups, each of which is there. `tool` runs a class of Kafka's with arguments.
pub async fn offsets(
    tool: impl AsyncFn(&str, &[&str]) -> String,
    bootstrap: &str,
    groups: &[String],
) -> Vec<Offsets> {
    let output = describe(tool, bootstrap, groups, &[]).await;
    let mut rows: Vec<Offsets> = lines(&output, groups).map(|line| line.offsets()).collect();
    rows.sort();
    rows
}

/// Members of these groups, each of which is there.
pub async fn members(
    tool: impl AsyncFn(&str, &[&str]) -> String,
    bootstrap: &str,
    groups: &[String],
) -> Vec<Member> {
    let output = describe(tool, bootstrap, groups, &["--members"]).await;
    let member = |line: Line<'_>| Member {
        group: line.text("GROUP"),
        member_id: line.text("CONSUMER-ID"),
        client_id: line.text("CLIENT-ID"),
        partitions: line
            .number("#PARTITIONS")
            .unwrap_or_else(|| panic!("no number in {line:?}")),
    };
    let mut rows: Vec<Member> = lines(&output, groups).map(member).collect();
    rows.sort();
    rows
}

/// States of these groups, each of which is there.
pub async fn states(
    tool: impl AsyncFn(&str, &[&str]) -> String,
    bootstrap: &str,
    groups: &[String],
) -> Vec<State> {
    let output = describe(tool, bootstrap, groups, &["--state", "--verbose"]).await;
    let state = |line: Line<'_>| State {
        group: line.text("GROUP"),
        state: line.text("STATE"),
        epoch: line.number("GROUP-EPOCH"),
        members: line
            .number("#MEMBERS")
            .unwrap_or_else(|| panic!("no number in {line:?}")),
    };
    let mut rows: Vec<State> = lines(&output, groups).map(state).collect();
    rows.sort();
    rows
}

async fn describe(
    tool: impl AsyncFn(&str, &[&str]) -> String,
    bootstrap: &str,
    groups: &[String],
    what: &[&str],
) -> String {
    let named = groups.iter().flat_map(|group| ["--group", group.as_str()]);
    let args = ["--bootstrap-server", bootstrap, "--describe"]
        .into_iter()
        .chain(what.iter().copied())
        .chain(named);
    tool(CONSUMER_GROUP_COMMAND, &args.collect::<Vec<_>>()).await
}

/// A line of one of its tables. Cells hold no spaces, but one may be blank: the first is counted from the left, all others from
/// the right.
#[derive(Debug)]
struct Line<'a> {
    heads: Vec<&'a str>,
    cells: Vec<&'a str>,
}

/// The lines about these groups, each below its head.
fn lines<'a>(output: &'a str, groups: &'a [String]) -> impl Iterator<Item = Line<'a>> {
    let mut heads = Vec::new();
    output.lines().filter_map(move |line| {
        let cells: Vec<&str> = line.split_whitespace().collect();
        match cells.first() {
            Some(&"GROUP") => heads = cells,
            Some(first) if groups.iter().any(|group| group == first) => {
                return Some(Line {
                    heads: heads.clone(),
                    cells,
                });
            }
            _ => {}
        }
        None
    })
}

impl Line<'_> {
    fn cell(&self, head: &str) -> &str {
        let at = self.heads.iter().position(|name| *name == head);
        let place = match at {
            Some(0) => Some(0),
            at => at.and_then(|at| (self.cells.len() + at).checked_sub(self.heads.len())),
        };
        place
            .and_then(|place| self.cells.get(place))
            .copied()
            .unwrap_or_else(|| panic!("no {head} in {self:?}"))
    }

    fn text(&self, head: &str) -> String {
        self.cell(head).to_owned()
    }

    /// `None` where there is `-`.
    fn number<T: std::str::FromStr>(&self, head: &str) -> Option<T> {
        let cell = self.cell(head);
        let number = cell.parse().ok();
        assert!(
            number.is_some() || cell == "-",
            "{head} is {cell} in {self:?}"
        );
        number
    }

    fn offsets(&self) -> Offsets {
        let owner = (self.text("CONSUMER-ID"), self.text("CLIENT-ID"));
        let partition = self
            .number("PARTITION")
            .unwrap_or_else(|| panic!("no partition in {self:?}"));
        Offsets {
            group: self.text("GROUP"),
            partition: (self.text("TOPIC"), partition),
            committed: self.number("CURRENT-OFFSET"),
            end: self.number("LOG-END-OFFSET"),
            lag: self.number("LAG"),
            owner: Some(owner).filter(|(member, _)| member != "-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_several_groups_are_read_line_by_line() {
        let output = "
Consumer group 'empty' has no active members.

GROUP           TOPIC           PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG             CONSUMER-ID     HOST            CLIENT-ID
empty           orders          1          4               9               5               -               -               -

GROUP           TOPIC           PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG             CONSUMER-ID     HOST            CLIENT-ID
full            orders          0          -               7               -               c-1             /127.0.0.1      c
";
        let groups = ["empty", "full"].map(str::to_owned);
        let rows: Vec<Offsets> = lines(output, &groups).map(|line| line.offsets()).collect();
        let row = |group: &str, number, committed, end, lag, owner: Option<(&str, &str)>| Offsets {
            group: group.to_owned(),
            partition: ("orders".to_owned(), number),
            committed,
            end: Some(end),
            lag,
            owner: owner.map(|(member, client)| (member.to_owned(), client.to_owned())),
        };
        let expected = [
            row("empty", 1, Some(4), 9, Some(5), None),
            row("full", 0, None, 7, None, Some(("c-1", "c"))),
        ];
        assert_eq!(rows, expected);
        assert_eq!(lines(output, &groups[1..]).count(), 1);
    }

    #[test]
    fn a_blank_cell_moves_no_other() {
        let output = "
GROUP  COORDINATOR (ID)    ASSIGNMENT-STRATEGY  STATE   GROUP-EPOCH  TARGET-ASSIGNMENT-EPOCH  #MEMBERS
full   127.0.0.1:4242 (1)  uniform              Stable  3            3                        2
empty  127.0.0.1:4242 (1)                       Empty   -            -                        0
";
        let groups = ["empty", "full"].map(str::to_owned);
        let read = |line: Line<'_>| {
            (
                line.text("GROUP"),
                line.text("STATE"),
                line.number::<i64>("GROUP-EPOCH"),
            )
        };
        let rows: Vec<_> = lines(output, &groups).map(read).collect();
        let expected = [
            ("full".to_owned(), "Stable".to_owned(), Some(3)),
            ("empty".into(), "Empty".into(), None),
        ];
        assert_eq!(rows, expected);
    }
}
