//! What can be typed. In: arguments. Out: a command whose values are legal.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use practice_cli::args::Format;
use practice_contract::{duration, parse_servers};

/// Kafka consumer groups on this machine, without a cluster: the manifest that the operator would run, as child processes.
#[derive(Debug, Parser)]
#[command(name = "practice-local", version, max_term_width = 120)]
pub struct Arguments {
    /// The directory where `up` was started, or is to be.
    #[arg(short = 'C', long = "directory", value_name = "DIR", global = true)]
    pub directory: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs a manifest until Ctrl-C
    Up(Up),
    /// Shows who reads what: groups, consumers, partitions with their lag
    Status,
    /// Shows which rebalances there were and why
    Journal {
        /// Of one group.
        group: Option<String>,
        /// How many of the last ones.
        #[arg(long, default_value_t = 20)]
        last: usize,
    },
    /// Says what a manifest will do: to the practice that runs here, or from nothing
    Plan {
        /// A file with one `ConsumerGroupPractice`.
        manifest: PathBuf,
        /// The Kafka that it would run on, when none runs here.
        #[arg(long, value_enum, default_value_t = Kind::Embedded)]
        kafka: Kind,
        /// The prediction as a document.
        #[arg(short, long, value_enum, value_name = "FORMAT")]
        output: Option<Format>,
    },
    /// Prints what a consumer (or the producer, or a broker) said
    Logs {
        /// Goes on printing.
        #[arg(short, long)]
        follow: bool,
        /// How many of the last lines.
        #[arg(long, default_value_t = 50)]
        tail: usize,
        /// Its name, as in `status`.
        consumer: String,
    },
    /// Changes how many consumers a group has; `GROUP/VARIANT` for those of a variant
    Scale {
        /// The group.
        group: String,
        /// How many, 0 to 100.
        replicas: u32,
    },
    /// Ends a consumer with SIGTERM: it leaves its group at once, and starts again
    Restart {
        /// Its name.
        consumer: String,
    },
    /// Kills a consumer with SIGKILL: its group notices after the session timeout; it starts again after --restart-delay
    Kill {
        /// Its name.
        consumer: String,
    },
    /// Holds a consumer with SIGSTOP, as one that hangs
    Pause {
        /// Its name.
        consumer: String,
    },
    /// Lets a held consumer go on
    Resume {
        /// Its name.
        consumer: String,
    },
    /// Stops a group: 0 consumers, its committed offsets stay
    Stop {
        /// The group.
        group: String,
    },
    /// Starts a stopped group with as many consumers as before
    Start {
        /// The group.
        group: String,
    },
    /// Sends messages
    Send(Send),
    /// Stops or starts a broker (with --kafka apache)
    Broker {
        /// What happens to it.
        action: BrokerAction,
        /// Its number.
        id: u32,
    },
    /// A child: one consumer.
    #[command(hide = true)]
    Worker {
        /// For the list of processes.
        name: String,
    },
    /// A child: the producer.
    #[command(hide = true)]
    Producer {
        /// For the list of processes.
        name: String,
    },
    /// A child: the broker in memory.
    #[command(hide = true)]
    Embedded {
        /// How many brokers to simulate.
        brokers: i32,
    },
    /// A child: runs a program that would not notice the end of its parent.
    #[command(hide = true)]
    Keeper {
        /// The program and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
}

/// What `up` is told.
#[derive(Debug, Clone, Args)]
pub struct Up {
    /// A file with one `ConsumerGroupPractice`. It is applied again whenever it is saved.
    pub manifest: PathBuf,
    /// The Kafka: `embedded` is in memory and starts at once; `apache` is the real one and needs Java 17 or later.
    #[arg(long, value_enum, default_value_t = Kind::Embedded)]
    pub kafka: Kind,
    /// Brokers of the Kafka, 1 to 9. Default: 1 of Apache Kafka; in memory as many as the largest replicationFactor.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=9), conflicts_with = "bootstrap")]
    pub brokers: Option<u32>,
    /// Uses a Kafka that runs already: `host:port`, or several separated by commas.
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "kafka", value_parser = servers)]
    pub bootstrap: Option<String>,
    /// The picture's port; the producer has the next one.
    #[arg(long, value_name = "N", default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..=65534))]
    pub port_base: u16,
    /// The address of picture and producer. Others than 127.0.0.1 let everybody who reaches this machine send messages.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub listen: IpAddr,
    /// How long a consumer that was killed or has crashed stays away.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    pub restart_delay: Duration,
}

/// Which Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// In memory.
    Embedded,
    /// Apache Kafka.
    Apache,
}

/// What happens to a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BrokerAction {
    /// It ends.
    Stop,
    /// It comes back.
    Start,
}

/// Messages to send.
#[derive(Debug, Clone, Args)]
pub struct Send {
    /// What they say.
    pub value: String,
    /// The topic; may be left out when there is one only.
    #[arg(short, long)]
    pub topic: Option<String>,
    /// The key; messages of one key go to one partition. Default: as the manifest says.
    #[arg(short, long)]
    pub key: Option<String>,
    /// The partition. Default: by the key.
    #[arg(short, long)]
    pub partition: Option<i32>,
    /// How many, 1 to 10000.
    #[arg(short = 'n', long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: u32,
}

fn servers(text: &str) -> Result<String, String> {
    parse_servers(text).map_err(str::to_owned)
}
