//! Command line of the plugin. In: arguments. Out: a verb with validated values.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use practice_contract::duration;

/// Learn, break and operate Kafka consumer groups on Kubernetes: assignments, lag, rebalances and their causes.
#[derive(Debug, Parser)]
#[command(name = "kubectl-cgp", bin_name = "kubectl cgp", version, max_term_width = 120, after_help = AFTER)]
pub struct Arguments {
    /// Flags that every verb accepts.
    #[command(flatten)]
    pub common: Common,
    /// Verb to run.
    #[command(subcommand)]
    pub verb: Verb,
}

const AFTER: &str = "Exit codes: 0 success, 1 request refused or check failed, 2 usage error, 3 not found, 4 cluster does not answer.";

/// Flags that every verb accepts, before or after it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Common {
    /// Namespace. Default: namespace of the context
    #[arg(short, long, global = true, value_name = "NAMESPACE", value_parser = kubernetes_name)]
    pub namespace: Option<String>,
    /// Context of the kubeconfig. Default: the current context
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// Kubeconfig file. Default: $KUBECONFIG, then ~/.kube/config
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Disable colours and redrawing in place; `NO_COLOR` does the same
    #[arg(long, global = true, action = ArgAction::SetTrue)]
    pub no_color: bool,
}

/// Verbs of the plugin.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show practices as a tree: groups, consumers, assigned partitions and their lag
    Get(Get),
    /// Show details of a practice: conditions, topics, groups, members, rebalances, events
    Describe {
        /// Name of the practice
        #[arg(value_parser = kubernetes_name)]
        name: String,
    },
    /// Show the rebalances of a practice and their causes
    Journal(Journal),
    /// Print the logs of all consumers of a practice
    Logs(Logs),
    /// Predict the changes that a manifest makes, before you apply it
    Plan(Plan),
    /// Send messages with the practice's producer
    Send(Send),
    /// Show which consumer of each group has handled a message, when and how often
    Where(Where),
    /// Work through a lesson: a step passes when Kafka and the consumers report that it has happened
    Lesson(Lesson),
    /// Check the cluster, the operator and Kafka; each failed check has a hint
    Check(Check),
    /// Open the live view of a practice
    View(View),
    /// Print the versions of this plugin and of the operator
    Version(Version),
    /// Print a completion script for a shell
    Completion {
        /// Shell; `kubectl` prints the script that kubectl runs as `kubectl_complete-cgp`, in any shell
        shell: Shell,
    },
}

/// Arguments of `get`.
#[derive(Debug, Args)]
pub struct Get {
    /// Name of the practice. Default: all practices of the namespace
    #[arg(value_parser = kubernetes_name)]
    pub name: Option<String>,
    /// Show practices of all namespaces; overrides -n
    #[arg(short = 'A', long, conflicts_with = "name")]
    pub all_namespaces: bool,
    /// Watch, and show changes until interrupted
    #[arg(short, long)]
    pub watch: bool,
    /// `json` and `yaml` print the objects; `wide` prints flat text with the columns of kafka-consumer-groups.sh, and POD
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub output: Option<Output>,
}

/// Output formats of a verb that can also print flat text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// JSON document.
    Json,
    /// YAML document.
    Yaml,
    /// Flat text, a row a line.
    Wide,
}

/// Output formats of a verb that prints documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Document {
    /// JSON document.
    Json,
    /// YAML document.
    Yaml,
}

/// Arguments of `lesson`, here and in local mode.
#[derive(Debug, Clone, Args)]
pub struct Lesson {
    /// Number of the lesson, as in --list
    #[arg(required_unless_present = "list")]
    pub number: Option<usize>,
    /// List the lessons
    #[arg(long, conflicts_with = "number")]
    pub list: bool,
    /// Begin with this step
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub step: u32,
    /// Show a hint with each step
    #[arg(long)]
    pub hint: bool,
    /// Begin with new topics, when the practice of the lesson exists already
    #[arg(long)]
    pub again: bool,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Check practices of all namespaces; overrides -n
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Namespace of the operator. Default: search all namespaces
    #[arg(long, value_name = "NAMESPACE", value_parser = kubernetes_name)]
    pub operator_namespace: Option<String>,
    /// Print every check with its result as a document
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub output: Option<Document>,
}

/// Arguments of `version`.
#[derive(Debug, Args)]
pub struct Version {
    /// Namespace of the operator. Default: search all namespaces
    #[arg(long, value_name = "NAMESPACE", value_parser = kubernetes_name)]
    pub operator_namespace: Option<String>,
    /// Print a document
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub output: Option<Document>,
}

/// Arguments of `journal`.
#[derive(Debug, Args)]
pub struct Journal {
    /// Name of the practice
    #[arg(value_parser = kubernetes_name)]
    pub name: String,
    /// Show the rebalances of this group only
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,
    /// Number of rebalances to show, newest last
    #[arg(long, value_name = "N", default_value_t = 20, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub last: u32,
    /// `json` and `yaml` print `{rebalances, earlier}`, newest last; `wide` prints one unwrapped line a rebalance, with number and full time
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub output: Option<Output>,
}

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// Name of the practice
    #[arg(value_parser = kubernetes_name)]
    pub name: String,
    /// Show the logs of this group's consumers only
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,
    /// Follow the logs, including those of consumers that start later
    #[arg(short, long)]
    pub follow: bool,
    /// Number of last lines to print of each consumer, -1 for all
    #[arg(long, value_name = "N", default_value_t = 20, allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-1..=100_000))]
    pub tail: i32,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct Plan {
    /// Manifest; `-` reads standard input. Objects of other kinds are skipped
    #[arg(short, long, value_name = "FILE")]
    pub filename: PathBuf,
    /// Predict as if the practice did not exist, without contacting a cluster
    #[arg(long)]
    pub from_nothing: bool,
    /// Print the prediction as a document
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub output: Option<Format>,
}

/// Document formats for a list of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// JSON; several documents become an array.
    Json,
    /// YAML; several documents are separated by `---`.
    Yaml,
}

/// Arguments of `send`.
#[derive(Debug, Args)]
pub struct Send {
    /// Name of the practice
    #[arg(value_parser = kubernetes_name)]
    pub name: String,
    /// Topic to send to
    #[arg(short, long, value_name = "TOPIC")]
    pub topic: String,
    /// Value of the messages
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub value: String,
    /// Key; messages with the same key go to the same partition. Default: the key of the manifest
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub key: Option<String>,
    /// Partition to send to. Default: chosen by the key
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(0..))]
    pub partition: Option<i32>,
    /// Number of messages
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub count: u32,
    /// Messages per second at most. Default: no limit; each message waits for the acknowledgement of the one before
    #[arg(long, value_name = "R", allow_negative_numbers = true, value_parser = rate)]
    pub rate: Option<f64>,
    /// Follow the messages to the consumers of each group: who has handled them, when, and how often. At most 10000 messages
    #[arg(short, long)]
    pub follow: bool,
    /// Time to wait for the groups after the last acknowledgement
    #[arg(long, value_name = "DURATION", default_value = "30s", requires = "follow", value_parser = duration::parse)]
    pub timeout: Duration,
    /// Print the producer's answer to each message as a document; with --follow one document about all of them
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub output: Option<Document>,
}

/// Most messages that are followed: a consumer remembers the last 100,000 that it has handled.
pub const MOST_FOLLOWED: u32 = 10_000;

/// Arguments of `where`.
#[derive(Debug, Args)]
pub struct Where {
    /// Name of the practice
    #[arg(value_parser = kubernetes_name)]
    pub name: String,
    /// The message: `TOPIC/PARTITION@OFFSET`, as `send` prints it
    #[arg(value_name = "TOPIC/PARTITION@OFFSET")]
    pub place: Place,
    /// Print a document
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub output: Option<Document>,
}

/// Where a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its topic.
    pub topic: String,
    /// Its partition, from 0.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const LEGAL: &str = "write TOPIC/PARTITION@OFFSET, such as my-topic/2@17";
        let (topic, rest) = text.rsplit_once('/').ok_or(LEGAL)?;
        let (partition, offset) = rest.split_once('@').ok_or(LEGAL)?;
        // a topic's name: it becomes part of a URL
        let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        if topic.is_empty() || !topic.chars().all(is_legal) {
            return Err(LEGAL);
        }
        if !is_number(partition) || !is_number(offset) {
            return Err(LEGAL);
        }
        Ok(Self {
            topic: topic.to_owned(),
            partition: partition.parse().map_err(|_| LEGAL)?,
            offset: offset.parse().map_err(|_| LEGAL)?,
        })
    }
}

/// Arguments of `view`.
#[derive(Debug, Args)]
pub struct View {
    /// Name of the practice
    #[arg(value_parser = kubernetes_name)]
    pub name: String,
    /// Local port. Default: a free port
    #[arg(
        long,
        value_name = "PORT",
        allow_negative_numbers = true,
        default_value_t = 0,
        hide_default_value = true
    )]
    pub port: u16,
    /// Print the address without opening a browser
    #[arg(long)]
    pub no_open: bool,
    /// Namespace of the operator. Default: the practice's namespace, then an operator that watches all namespaces
    #[arg(long, value_name = "NAMESPACE", value_parser = kubernetes_name)]
    pub operator_namespace: Option<String>,
}

/// Shells with a completion script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU bash.
    Bash,
    /// Z shell.
    Zsh,
    /// fish.
    Fish,
    /// Script that kubectl runs to complete a plugin.
    Kubectl,
}

/// Validates a Kubernetes name (RFC 1123), because it becomes part of a URL path.
///
/// # Errors
/// The characters that are allowed.
pub fn kubernetes_name(text: &str) -> Result<String, String> {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let is_edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let legal = text.len() <= 253
        && text.chars().all(is_inner)
        && is_edge(text.chars().next())
        && is_edge(text.chars().next_back());
    if legal {
        Ok(text.to_owned())
    } else {
        Err("use a-z, 0-9, - and . only; start and end with a letter or digit".to_owned())
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.01..=100_000.0).contains(&rate) => Ok(rate),
        _ => Err("write messages per second, 0.01 to 100000".to_owned()),
    }
}

#[cfg(test)]
mod tests;
