//! What can be typed. In: arguments. Out: a verb whose values are legal.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

/// Kafka consumer groups on Kubernetes: who reads what, how far behind, and why partitions moved.
#[derive(Debug, Parser)]
#[command(name = "kubectl-cgp", bin_name = "kubectl cgp", version, max_term_width = 120, after_help = AFTER)]
pub struct Arguments {
    /// For every verb.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

const AFTER: &str = "Exit codes: 0 done, 1 refused or a check that failed, 2 wrong usage, 3 not found, 4 the cluster does not answer.";

/// For every verb, before or after it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Common {
    /// The namespace. Default: the context's
    #[arg(short, long, global = true, value_name = "NAMESPACE", value_parser = kubernetes_name)]
    pub namespace: Option<String>,
    /// The context of the kubeconfig. Default: the current one
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// The kubeconfig. Default: $KUBECONFIG, then ~/.kube/config
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// No colours and nothing that changes in place; so does `NO_COLOR`
    #[arg(long, global = true, action = ArgAction::SetTrue)]
    pub no_color: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Shows who reads what: practice, groups, consumers, partitions with their lag
    Get(Get),
    /// Shows everything about a practice: conditions, topics, groups, members, rebalances, events
    Describe {
        /// The practice.
        #[arg(value_parser = kubernetes_name)]
        name: String,
    },
    /// Shows which rebalances there were and why
    Journal(Journal),
    /// Prints what all consumers say
    Logs(Logs),
    /// Says what a manifest will do before it is applied
    Plan(Plan),
    /// Sends messages with the practice's producer
    Send(Send),
    /// Checks cluster, operator and Kafka; what fails comes with a hint
    Check(Check),
    /// Opens the live picture of a practice
    View(View),
    /// Prints the version of this plugin and of the operator
    Version(Version),
    /// Prints a script that completes what is typed
    Completion {
        /// The shell; `kubectl`: for any shell that completes kubectl, as `kubectl_complete-cgp`
        shell: Shell,
    },
}

/// What is shown.
#[derive(Debug, Args)]
pub struct Get {
    /// The practice. Default: all of the namespace
    #[arg(value_parser = kubernetes_name)]
    pub name: Option<String>,
    /// Of all namespaces, whatever -n says
    #[arg(short = 'A', long, conflicts_with = "name")]
    pub all_namespaces: bool,
    /// Goes on, and shows what changes
    #[arg(short, long)]
    pub watch: bool,
    /// `json` and `yaml` are the objects themselves; `wide` is flat text with the columns of kafka-consumer-groups.sh and POD
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub output: Option<Output>,
}

/// How something is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// The object.
    Json,
    /// The object.
    Yaml,
    /// Flat text.
    Wide,
}

/// How something is shown that is no table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Document {
    /// As JSON.
    Json,
    /// As YAML.
    Yaml,
}

/// What is checked.
#[derive(Debug, Args)]
pub struct Check {
    /// Practices of all namespaces, whatever -n says
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Where the operator is; default: wherever one is found
    #[arg(long, value_name = "NAMESPACE", value_parser = kubernetes_name)]
    pub operator_namespace: Option<String>,
    /// Every question with its verdict, as a document
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub output: Option<Document>,
}

/// Whose version.
#[derive(Debug, Args)]
pub struct Version {
    /// Where the operator is; default: wherever one is found
    #[arg(long, value_name = "NAMESPACE", value_parser = kubernetes_name)]
    pub operator_namespace: Option<String>,
    /// As a document
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub output: Option<Document>,
}

/// Which rebalances.
#[derive(Debug, Args)]
pub struct Journal {
    /// The practice
    #[arg(value_parser = kubernetes_name)]
    pub name: String,
    /// Of one group
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,
    /// How many of the last ones
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub last: u32,
    /// `json` and `yaml` are `{rebalances, earlier}`, the newest last; `wide` has a line for each, never wrapped, with its number and full time
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub output: Option<Output>,
}

/// Whose words.
#[derive(Debug, Args)]
pub struct Logs {
    /// The practice
    #[arg(value_parser = kubernetes_name)]
    pub name: String,
    /// Of one group
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,
    /// Goes on printing, also of consumers that come later
    #[arg(short, long)]
    pub follow: bool,
    /// How many of the last lines of each consumer
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub tail: u32,
}

/// Which manifest.
#[derive(Debug, Args)]
pub struct Plan {
    /// The manifest; `-` is standard input. What is of another kind is left out
    #[arg(short, long, value_name = "FILE")]
    pub filename: PathBuf,
    /// As if nothing of it were there: asks no cluster
    #[arg(long)]
    pub from_nothing: bool,
    /// The prediction as a document
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub output: Option<Format>,
}

/// A document's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// JSON; of several an array.
    Json,
    /// YAML; of several as many documents.
    Yaml,
}

/// What is sent.
#[derive(Debug, Args)]
pub struct Send {
    /// The practice
    #[arg(value_parser = kubernetes_name)]
    pub name: String,
    /// The topic
    #[arg(short, long, value_name = "TOPIC")]
    pub topic: String,
    /// What the messages say
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub value: String,
    /// The key; messages of one key go to one partition. Default: as the manifest says
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub key: Option<String>,
    /// The partition. Default: by the key
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub partition: Option<i32>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub count: u32,
    /// At most so many a second. Default: as fast as they are acknowledged, one after the other
    #[arg(long, value_name = "R", value_parser = rate)]
    pub rate: Option<f64>,
    /// What the producer answers to each message, a document each
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub output: Option<Document>,
}

/// Which picture.
#[derive(Debug, Args)]
pub struct View {
    /// The practice
    #[arg(value_parser = kubernetes_name)]
    pub name: String,
    /// The port on this machine. Default: a free one
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub port: u16,
    /// Prints the address and opens nothing
    #[arg(long)]
    pub no_open: bool,
    /// Where the operator is; default: in the practice's namespace, else wherever one watches all
    #[arg(long, value_name = "NAMESPACE", value_parser = kubernetes_name)]
    pub operator_namespace: Option<String>,
}

/// A shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU bash.
    Bash,
    /// Z shell.
    Zsh,
    /// fish.
    Fish,
    /// What kubectl runs to complete a plugin.
    Kubectl,
}

/// A name in Kubernetes: it becomes part of a path, so nothing else gets through (RFC 1123).
///
/// # Errors
/// What such names are made of.
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
        Err("names in Kubernetes are made of a-z, 0-9, - and .".to_owned())
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.01..=100_000.0).contains(&rate) => Ok(rate),
        _ => Err("write messages per second, 0.01 to 100000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_namespace_stands_before_or_after_the_verb() {
        for line in [
            "cgp -n a get p",
            "cgp get -n a p",
            "cgp get p --namespace a",
            "cgp --namespace=a get p",
        ] {
            let arguments = Arguments::try_parse_from(line.split(' ')).expect(line);
            assert_eq!(arguments.common.namespace.as_deref(), Some("a"), "{line}");
            assert!(
                matches!(arguments.verb, Verb::Get(Get { name: Some(name), .. }) if name == "p"),
                "{line}"
            );
        }
    }

    #[test]
    fn all_namespaces_win_over_one() {
        for line in [
            "cgp get -A -n a",
            "cgp -n a get -A",
            "cgp get -n a -A",
            "cgp --namespace a get --all-namespaces",
        ] {
            let arguments = Arguments::try_parse_from(line.split(' ')).expect(line);
            assert!(
                matches!(
                    arguments.verb,
                    Verb::Get(Get {
                        all_namespaces: true,
                        ..
                    })
                ),
                "{line}"
            );
        }
        for line in ["cgp check -A -n a", "cgp -n a check -A"] {
            let arguments = Arguments::try_parse_from(line.split(' ')).expect(line);
            assert!(
                matches!(
                    arguments.verb,
                    Verb::Check(Check {
                        all_namespaces: true,
                        ..
                    })
                ),
                "{line}"
            );
        }
    }

    #[test]
    fn a_format_is_asked_for_in_the_same_way_everywhere() {
        for verb in [
            "get",
            "journal p",
            "check",
            "version",
            "send p --topic t --value v",
        ] {
            for line in [
                format!("cgp {verb} -o json"),
                format!("cgp {verb} --output=yaml"),
                format!("cgp {verb} -oyaml"),
            ] {
                assert!(Arguments::try_parse_from(line.split(' ')).is_ok(), "{line}");
            }
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for line in [
            "cgp",
            "cgp get ../secrets",
            "cgp get -n a/b",
            "cgp get p -A",
            "cgp -n a get p -A",
            "cgp send p --topic t",
            "cgp send p --topic t --value v --rate 0",
            "cgp send p --topic t --value v --partition -1",
            "cgp get -o table",
            "cgp plan",
            "cgp plan manifest.yaml",
            "cgp plan -f manifest.yaml -o wide",
            "cgp journal p -o table",
            "cgp check -o wide",
            "cgp version -o wide",
            "cgp send p --topic t --value v -o wide",
            "cgp describe p -A",
            "cgp completion tcsh",
        ] {
            assert!(
                Arguments::try_parse_from(line.split(' ')).is_err(),
                "{line}"
            );
        }
    }
}
