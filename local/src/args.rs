//! Command line of local mode. In: arguments. Out: a command with validated values.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use practice_cli::args::{Document, Format, Lesson, Place};
use practice_contract::{duration, parse_servers};

/// Learn, break and operate Kafka consumer groups on this machine, without a cluster: the operator's manifest as child processes.
#[derive(Debug, Parser)]
#[command(name = "practice-local", version, max_term_width = 120)]
pub struct Arguments {
    /// Directory of the practice: where `up` runs.
    #[arg(short = 'C', long = "directory", value_name = "DIR", global = true)]
    pub directory: Option<PathBuf>,
    /// Command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// Commands of local mode.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a manifest until Ctrl-C
    Up(Up),
    /// Show the practice as a tree: groups, consumers, assigned partitions and their lag
    Status,
    /// Show rebalances and their causes
    Journal {
        /// Show the rebalances of this group only.
        group: Option<String>,
        /// Number of rebalances to show, newest last.
        #[arg(long, default_value_t = 20)]
        last: usize,
    },
    /// Predict the changes of a manifest to the running practice, or as a new practice
    Plan {
        /// A file with one `ConsumerGroupPractice`.
        manifest: PathBuf,
        /// Kafka for the prediction when no practice runs here.
        #[arg(long, value_enum, default_value_t = Kind::Embedded)]
        kafka: Kind,
        /// Print the prediction as a document.
        #[arg(short, long, value_enum, value_name = "FORMAT")]
        output: Option<Format>,
    },
    /// Print the log of a consumer, the producer or a broker
    Logs {
        /// Follow the log.
        #[arg(short, long)]
        follow: bool,
        /// Number of last lines to print.
        #[arg(long, default_value_t = 50)]
        tail: usize,
        /// Name of the consumer, as in `status`.
        consumer: String,
    },
    /// Set the number of consumers of a group, or of a variant with `GROUP/VARIANT`
    Scale {
        /// Name of the group.
        group: String,
        /// Number of consumers, 0 to 100.
        replicas: u32,
    },
    /// Restart a consumer with SIGTERM: it leaves its group at once, and starts again
    Restart {
        /// Name of the consumer.
        consumer: String,
    },
    /// Kill a consumer with SIGKILL: its group detects it after the session timeout; it restarts after --restart-delay
    Kill {
        /// Name of the consumer.
        consumer: String,
    },
    /// Pause a consumer with SIGSTOP, like one that hangs
    Pause {
        /// Name of the consumer.
        consumer: String,
    },
    /// Resume a paused consumer with SIGCONT
    Resume {
        /// Name of the consumer.
        consumer: String,
    },
    /// Stop all consumers of a group; its committed offsets remain
    Stop {
        /// Name of the group.
        group: String,
    },
    /// Start a stopped group with as many consumers as before
    Start {
        /// Name of the group.
        group: String,
    },
    /// Send messages
    Send(Send),
    /// Show which consumer of each group has handled a message, when and how often
    Where {
        /// The message: `TOPIC/PARTITION@OFFSET`, as `send` prints it.
        #[arg(value_name = "TOPIC/PARTITION@OFFSET")]
        place: Place,
        /// Print a document.
        #[arg(short, long, value_enum, value_name = "FORMAT")]
        output: Option<Document>,
    },
    /// Work through a lesson: a step passes when Kafka and the consumers report that it has happened
    Lesson(LocalLesson),
    /// Stop or start a broker (with --kafka apache)
    Broker {
        /// Action on the broker.
        action: BrokerAction,
        /// Id of the broker.
        id: u32,
    },
    /// Child process: one consumer.
    #[command(hide = true)]
    Worker {
        /// Name in the process list.
        name: String,
    },
    /// Child process: the producer.
    #[command(hide = true)]
    Producer {
        /// Name in the process list.
        name: String,
    },
    /// Child process: the embedded broker.
    #[command(hide = true)]
    Embedded {
        /// Number of brokers to simulate.
        brokers: i32,
    },
    /// Child process: runs a program that would outlive its parent.
    #[command(hide = true)]
    Keeper {
        /// Program and arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
    /// Child process of a keeper: becomes the program.
    #[command(hide = true)]
    Kept {
        /// Process id of the keeper.
        keeper: u32,
        /// Program and arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
}

/// Arguments of `up`.
#[derive(Debug, Clone, Args)]
pub struct Up {
    /// A file with one `ConsumerGroupPractice`. Local mode applies it again whenever you save it.
    pub manifest: PathBuf,
    /// Kafka to start: `embedded` runs in memory and starts at once; `apache` is Apache Kafka and needs Java 17 or later.
    #[arg(long, value_enum, default_value_t = Kind::Embedded)]
    pub kafka: Kind,
    /// Number of brokers, 1 to 9. Default: 1 with apache; the largest replicationFactor with embedded.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=9), conflicts_with = "bootstrap")]
    pub brokers: Option<u32>,
    /// Use a running Kafka: `host:port`, or several separated by commas.
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "kafka", value_parser = servers)]
    pub bootstrap: Option<String>,
    /// Port of the live view; the producer uses the next one.
    #[arg(long, value_name = "N", default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..=65534))]
    pub port_base: u16,
    /// Address of the live view and the producer. With another address than 127.0.0.1, everyone who reaches it can send messages.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub listen: IpAddr,
    /// Delay before a killed or crashed consumer restarts.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    pub restart_delay: Duration,
}

/// Kind of Kafka to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Broker in memory.
    Embedded,
    /// Apache Kafka.
    Apache,
}

/// Action on a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BrokerAction {
    /// Stop the broker.
    Stop,
    /// Start the broker with its data.
    Start,
}

/// Arguments of `send`.
#[derive(Debug, Clone, Args)]
pub struct Send {
    /// Value of the messages.
    pub value: String,
    /// Topic to send to. Default: the practice's only topic.
    #[arg(short, long)]
    pub topic: Option<String>,
    /// Key; messages with the same key go to the same partition. Default: the key of the manifest.
    #[arg(short, long)]
    pub key: Option<String>,
    /// Partition to send to. Default: chosen by the key.
    #[arg(short, long)]
    pub partition: Option<i32>,
    /// Number of messages, 1 to 10000.
    #[arg(short = 'n', long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: u32,
    /// Follow the messages to the consumers of each group: who has handled them, when, and how often.
    #[arg(short, long)]
    pub follow: bool,
    /// Time to wait for the groups after the last acknowledgement.
    #[arg(long, value_name = "DURATION", default_value = "30s", requires = "follow", value_parser = duration::parse)]
    pub timeout: Duration,
    /// Print what was found out as a document.
    #[arg(short, long, value_enum, value_name = "FORMAT", requires = "follow")]
    pub output: Option<Document>,
}

/// Arguments of `lesson`.
#[derive(Debug, Clone, Args)]
pub struct LocalLesson {
    /// Those that the plugin has as well.
    #[command(flatten)]
    pub lesson: Lesson,
    /// Append every observation to this file, a JSON object with `step` and `observation` in each line.
    #[arg(long, value_name = "FILE", hide = true)]
    pub record: Option<PathBuf>,
    /// Kafka to start, unless the practice runs already. Default: what the lesson needs.
    #[arg(long, value_enum)]
    pub kafka: Option<Kind>,
    /// Port of the live view; the producer uses the next one.
    #[arg(long, value_name = "N", default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..=65534))]
    pub port_base: u16,
}

fn servers(text: &str) -> Result<String, String> {
    parse_servers(text).map_err(str::to_owned)
}
