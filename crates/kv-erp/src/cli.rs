//! The command line. Every flag has an environment variable; secrets are shown in neither help nor errors.
#![expect(clippy::doc_markdown, reason = "the comments are the help text, and a terminal shows backticks as they are")]

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use kv_coord::queue::{Priority, QueueTag};
use kv_store::access::Role;
use kv_types::JobId;
use secrecy::SecretString;

use crate::config::origin::Places;
use crate::config::values::{
    LEASE_MS, address, database_url, http_url, key_tag, log_filter, platform_token, queue_name, ratio, redis_url,
    schedule, whole,
};

/// Multi-tenant inventory and orders.
#[derive(Debug, Parser)]
#[command(name = "kv-erp", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// A TOML file with settings; the environment and the command line win over it.
    #[arg(long, global = true, env = "KV_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to log, for example `info` or `kv_erp=debug,kv_store=debug`.
    #[arg(long, global = true, env = "KV_LOG", default_value = "info", value_name = "FILTER", value_parser = log_filter)]
    pub log: String,
    /// An OpenTelemetry collector for traces and metrics, as http://HOST:4318; needs a build with the feature otlp.
    #[arg(long, global = true, env = "KV_OTLP_ENDPOINT", value_name = "URL", value_parser = http_url)]
    pub otlp_endpoint: Option<String>,
    /// Of traces that no caller has decided about, how many are recorded: 0 to 1.
    #[arg(long, global = true, env = "KV_OTLP_SAMPLE_RATIO", default_value = "1", value_name = "RATIO", value_parser = ratio)]
    pub otlp_sample_ratio: f64,
    /// How to log; always to stderr.
    #[arg(long, global = true, env = "KV_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything on this machine: a private PostgreSQL in a folder, and the service.
    Up(UpArgs),
    /// Run the service against a PostgreSQL (and Redis) that is there already.
    Api(ApiArgs),
    /// Do the jobs that follow from what the service commits.
    Worker(WorkerArgs),
    /// Create the roles and bring the schema up to date.
    Migrate(MigrateArgs),
    /// Make tenants, accounts and API tokens.
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Print the description of the interface (OpenAPI 3.1, JSON).
    Openapi,
    /// Print how a running service does; fails when it is not ready.
    Status(StatusArgs),
    /// Print what a command would run with, where each value comes from, and what is wrong with it.
    Config(ConfigArgs),
}

impl Command {
    /// The settings of a command that serves.
    pub fn service_mut(&mut self) -> Option<&mut ServiceArgs> {
        match self {
            Self::Up(args) => Some(&mut args.service),
            Self::Api(args) => Some(&mut args.service),
            _ => None,
        }
    }
}

/// `kv-erp status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Where the service is.
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub url: String,
    /// Print all metrics as one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `kv-erp config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// How to print it; `reference` is a table of all settings there are.
    #[arg(long, value_enum, default_value_t = ConfigFormat::Toml, value_name = "FORMAT")]
    pub format: ConfigFormat,
    /// The command as it is to be run, with its flags [default: api].
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub of: Vec<OsString>,
}

/// The form of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ConfigFormat {
    /// As a file for --config.
    Toml,
    /// One JSON object.
    Json,
    /// A table of all settings, as in docs/configuration.md.
    Reference,
}

/// `kv-erp up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// The folder of the private PostgreSQL [default: /var/lib/kv-erp for root, else ~/.local/share/kv-erp].
    #[arg(long, env = "KV_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Fill an empty database with two tenants, their accounts, 1,000 customers and products each, and stock.
    #[arg(long, env = "KV_DEMO", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub demo: bool,
    /// The service itself.
    #[command(flatten)]
    pub service: ServiceArgs,
    /// Its jobs.
    #[command(flatten)]
    pub work: WorkArgs,
}

/// `kv-erp api`.
#[derive(Debug, Args)]
pub struct ApiArgs {
    /// The database, as the ordinary role kv_app: postgresql://kv_app:PASSWORD@HOST/kv_saas_erp.
    #[arg(long, env = "KV_DATABASE_URL", hide_env_values = true, value_name = "URL", value_parser = database_url)]
    pub database_url: SecretString,
    /// The service itself.
    #[command(flatten)]
    pub service: ServiceArgs,
}

/// What `up` and `api` have in common.
#[derive(Debug, Args)]
pub struct ServiceArgs {
    /// Where to listen; port 0 takes any free one.
    #[arg(long, env = "KV_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT", value_parser = address)]
    pub listen: SocketAddr,
    /// Redis for locks, rate limits and jobs shared by several replicas, as redis://, rediss:// or redis+sentinel://; without it they live in this process.
    #[arg(long, env = "KV_REDIS_URL", hide_env_values = true, value_name = "URL", value_parser = redis_url)]
    pub redis_url: Option<SecretString>,
    /// Another Redis for the job queue; without it the queue is in the one above.
    #[arg(long, env = "KV_QUEUE_REDIS_URL", hide_env_values = true, value_name = "URL", value_parser = redis_url)]
    pub queue_redis_url: Option<SecretString>,
    /// Certificates in PEM of the authorities to believe of rediss:// and rediss+sentinel://, instead of the machine's.
    #[arg(long, env = "KV_REDIS_CA_FILE", value_name = "FILE")]
    pub redis_ca_file: Option<PathBuf>,
    /// A word in braces before every key in Redis, for a cluster; then everything is in database 0.
    #[arg(long, env = "KV_REDIS_KEY_TAG", value_name = "WORD", value_parser = key_tag)]
    pub redis_key_tag: Option<QueueTag>,
    /// A PostgreSQL that follows the primary and answers reads; may be given several times.
    #[arg(long, env = "KV_REPLICA_URL", hide_env_values = true, value_name = "URL", value_delimiter = ',', action = ArgAction::Append, value_parser = database_url)]
    pub replica_url: Vec<SecretString>,
    /// How far behind the primary a replica may be that answers, in milliseconds.
    #[arg(long, env = "KV_REPLICA_MAX_LAG_MS", default_value_t = 1_000, value_name = "MS", value_parser = whole::<u64>(100..=60_000))]
    pub replica_max_lag_ms: u64,
    /// Whether the database is behind a pooler in transaction mode, such as PgBouncer; limits are then the role's own.
    #[arg(long, env = "KV_TRANSACTION_POOLER", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub transaction_pooler: bool,
    /// Database connections for reads and single writes.
    #[arg(long, env = "KV_POOL_SIZE", default_value_t = 16, value_name = "N", value_parser = whole::<usize>(1..=1_000))]
    pub pool_size: usize,
    /// Tasks that write stock, each with a database connection of its own.
    #[arg(long, env = "KV_STOCK_WRITERS", default_value_t = 2, value_name = "N", value_parser = whole::<usize>(1..=64))]
    pub stock_writers: usize,
    /// Requests per user and minute, for accounts without a number of their own.
    #[arg(long, env = "KV_RATE_LIMIT_PER_MINUTE", default_value_t = 60, value_name = "N", value_parser = whole::<u32>(1..=1_000_000_000))]
    pub rate_limit_per_minute: u32,
    /// Requests per tenant and minute, besides the users' limits [default: none].
    #[arg(long, env = "KV_TENANT_RATE_LIMIT_PER_MINUTE", value_name = "N", value_parser = whole::<u32>(1..=1_000_000_000))]
    pub tenant_rate_limit_per_minute: Option<u32>,
    /// How many replicas share Redis; while it is away each allows its share of a rate limit.
    #[arg(long, env = "KV_REPLICAS", default_value_t = 1, value_name = "N", value_parser = whole::<u32>(1..=1_000))]
    pub replicas: u32,
    /// How many proxies in front of the service add to X-Forwarded-For; 0 believes the connection's address.
    #[arg(long, env = "KV_TRUSTED_PROXIES", default_value_t = 0, value_name = "N", value_parser = whole::<u32>(0..=16))]
    pub trusted_proxies: u32,
    /// The token with which whoever runs the platform makes, lists, suspends and resumes tenants under /platform/v1, 32 characters or more [default: none, and nobody does].
    #[arg(long, env = "KV_PLATFORM_TOKEN", hide_env_values = true, value_name = "TOKEN", value_parser = platform_token)]
    pub platform_token: Option<SecretString>,
    /// How long a request may take, in milliseconds.
    #[arg(long, env = "KV_REQUEST_TIMEOUT_MS", default_value_t = 10_000, value_name = "MS", value_parser = whole::<u64>(1_000..=300_000))]
    pub request_timeout_ms: u64,
    /// How long to go on accepting after SIGTERM while /readyz says 503, in milliseconds: time for a load balancer to look.
    #[arg(long, env = "KV_DRAIN_DELAY_MS", default_value_t = 0, value_name = "MS", value_parser = whole::<u64>(0..=60_000))]
    pub drain_delay_ms: u64,
    /// How long a request waits for a database connection, in milliseconds.
    #[arg(long, env = "KV_POOL_WAIT_MS", default_value_t = 2_000, value_name = "MS", value_parser = whole::<u64>(10..=60_000))]
    pub pool_wait_ms: u64,
    /// How long PostgreSQL may work on one statement, in milliseconds.
    #[arg(long, env = "KV_STATEMENT_TIMEOUT_MS", default_value_t = 5_000, value_name = "MS", value_parser = whole::<u64>(100..=120_000))]
    pub statement_timeout_ms: u64,
    /// How long one statement may wait for a row that another one changes, in milliseconds.
    #[arg(long, env = "KV_ROW_LOCK_TIMEOUT_MS", default_value_t = 2_000, value_name = "MS", value_parser = whole::<u64>(10..=60_000))]
    pub row_lock_timeout_ms: u64,
    /// How long a lock lives for which its client names no lifetime, in milliseconds.
    #[arg(long, env = "KV_LOCK_TTL_MS", default_value_t = 10_000, value_name = "MS", value_parser = whole::<u64>(100..=300_000))]
    pub lock_ttl_ms: u64,
    /// Where each setting comes from, for what is said of it.
    #[arg(skip)]
    pub places: Places,
}

/// `kv-erp worker`.
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// The database, as the ordinary role kv_app: postgresql://kv_app:PASSWORD@HOST/kv_saas_erp.
    #[arg(long, env = "KV_DATABASE_URL", hide_env_values = true, value_name = "URL", value_parser = database_url)]
    pub database_url: SecretString,
    /// Redis with the queue that all workers share, as redis://, rediss:// or redis+sentinel://.
    #[arg(long, env = "KV_REDIS_URL", hide_env_values = true, value_name = "URL", value_parser = redis_url)]
    pub redis_url: SecretString,
    /// Another Redis for the job queue; without it the queue is in the one above.
    #[arg(long, env = "KV_QUEUE_REDIS_URL", hide_env_values = true, value_name = "URL", value_parser = redis_url)]
    pub queue_redis_url: Option<SecretString>,
    /// Certificates in PEM of the authorities to believe of rediss:// and rediss+sentinel://, instead of the machine's.
    #[arg(long, env = "KV_REDIS_CA_FILE", value_name = "FILE")]
    pub redis_ca_file: Option<PathBuf>,
    /// A word in braces before every key in Redis, for a cluster; then everything is in database 0.
    #[arg(long, env = "KV_REDIS_KEY_TAG", value_name = "WORD", value_parser = key_tag)]
    pub redis_key_tag: Option<QueueTag>,
    /// Where to answer /healthz, /readyz and /metrics; port 0 takes any free one.
    #[arg(long, env = "KV_WORKER_LISTEN", default_value = "127.0.0.1:8081", value_name = "ADDRESS:PORT", value_parser = address)]
    pub listen: SocketAddr,
    /// Database connections.
    #[arg(long, env = "KV_POOL_SIZE", default_value_t = 16, value_name = "N", value_parser = whole::<usize>(1..=1_000))]
    pub pool_size: usize,
    /// The work itself.
    #[command(flatten)]
    pub work: WorkArgs,
}

/// How jobs are done.
#[derive(Debug, Args)]
pub struct WorkArgs {
    /// The queues to take jobs from.
    #[arg(long, env = "KV_QUEUES", default_value = "high,default,low", value_delimiter = ',', value_name = "QUEUE,..", action = ArgAction::Append, value_parser = queue_name)]
    pub queues: Vec<Priority>,
    /// Jobs that are worked on at a time.
    #[arg(long, env = "KV_JOB_CONCURRENCY", default_value_t = 16, value_name = "N", value_parser = whole::<usize>(1..=1_000))]
    pub job_concurrency: usize,
    /// How long a job is a worker's without a sign of life, in milliseconds; then another takes it.
    #[arg(long, env = "KV_JOB_LEASE_MS", default_value_t = 30_000, value_name = "MS", value_parser = whole::<u64>(LEASE_MS))]
    pub job_lease_ms: u64,
    /// How long jobs may go on after SIGTERM before they are given back, in milliseconds.
    #[arg(long, env = "KV_JOB_GRACE_MS", default_value_t = 20_000, value_name = "MS", value_parser = whole::<u64>(0..=3_600_000))]
    pub job_grace_ms: u64,
    /// After how long a job that was handed to the queue and is not done is looked at again, in milliseconds.
    #[arg(long, env = "KV_JOB_PATIENCE_MS", default_value_t = 60_000, value_name = "MS", value_parser = whole::<u64>(100..=3_600_000))]
    pub job_patience_ms: u64,
    /// Send events to any address, also to private ones, loopback and link-local.
    #[arg(long, env = "KV_WEBHOOK_ALLOW_PRIVATE", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub webhook_allow_private: bool,
    /// When a regular job is due, instead of its usual time: forget_jobs="17 * * * *". UTC, unless a time zone stands behind.
    #[arg(long = "cron", env = "KV_CRON", value_delimiter = ';', value_name = "KIND=LINE", action = ArgAction::Append, value_parser = schedule)]
    pub cron: Vec<String>,
}

/// A database connection that may create roles and act as kv_owner.
#[derive(Debug, Args)]
pub struct AdminConnection {
    /// The database, as a role that may create roles.
    #[arg(long, env = "KV_ADMIN_DATABASE_URL", hide_env_values = true, value_name = "URL", value_parser = database_url)]
    pub database_url: SecretString,
}

/// `kv-erp migrate`.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Who migrates.
    #[command(flatten)]
    pub connection: AdminConnection,
    /// A file with the password to give to the service's role kv_app; its first line counts.
    #[arg(long, env = "KV_APP_PASSWORD_FILE", value_name = "FILE")]
    pub app_password_file: Option<PathBuf>,
    /// Then fill an empty database with the demonstration's tenants, accounts, catalogue and stock, as `kv-erp up --demo` does.
    #[arg(long, env = "KV_DEMO", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new(), requires = "app_password_file")]
    pub demo: bool,
}

/// `kv-erp admin ..`.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Make, list, suspend and resume tenants.
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Make a tenant and print its number; the same as `tenant create`.
    CreateTenant {
        /// Who makes it.
        #[command(flatten)]
        connection: AdminConnection,
        /// A short name, unique, for example `acme`.
        #[arg(long)]
        slug: String,
        /// The company's name.
        #[arg(long)]
        name: String,
    },
    /// Make an account and print its password, unless one is given.
    CreateUser {
        /// Who makes it.
        #[command(flatten)]
        connection: AdminConnection,
        /// The tenant's slug.
        #[arg(long)]
        tenant: String,
        /// The address to log in with, unique over all tenants.
        #[arg(long)]
        email: String,
        /// What the account may do [default: owner for a tenant that has none, else clerk].
        #[arg(long, value_parser = role, value_name = "owner|manager|clerk|read_only")]
        role: Option<Role>,
        /// A file with the password; its first line counts. Without it a random one is made.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Requests per minute, instead of the service's default.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)))]
        rate_limit_per_minute: Option<u32>,
    },
    /// Change an account's requests per minute.
    SetRateLimit {
        /// Who changes it.
        #[command(flatten)]
        connection: AdminConnection,
        /// The account's address.
        #[arg(long)]
        email: String,
        /// Requests per minute; without it the service's default holds again.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)))]
        per_minute: Option<u32>,
    },
    /// Verify the chains of stock movements: whether any was changed, taken out or put in behind the service's back.
    Verify {
        /// Who looks.
        #[command(flatten)]
        connection: AdminConnection,
        /// The tenant's slug; without it all of them.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// See and steer the queue of the workers.
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Show the newest deliveries of events to webhook endpoints, with their outcomes.
    Deliveries {
        /// Who looks.
        #[command(flatten)]
        connection: AdminConnection,
        /// The tenant's slug; without it all of them.
        #[arg(long)]
        tenant: Option<String>,
        /// Only in this state.
        #[arg(long, value_parser = ["pending", "succeeded", "failed"])]
        state: Option<String>,
        /// How many at most.
        #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
    /// Make an API token for an account and print it. It cannot be shown again.
    CreateToken {
        /// Who makes it.
        #[command(flatten)]
        connection: AdminConnection,
        /// The account's address.
        #[arg(long)]
        email: String,
        /// How many days it works.
        #[arg(long, default_value_t = 365, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3_650))]
        days: u32,
    },
}

/// `kv-erp admin tenant ..`.
#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// Make a tenant and print its number.
    Create {
        /// Who makes it.
        #[command(flatten)]
        connection: AdminConnection,
        /// A short name, unique, for example `acme`.
        #[arg(long)]
        slug: String,
        /// The company's name.
        #[arg(long)]
        name: String,
    },
    /// List the tenants, a line each: number, short name, status, name.
    List {
        /// Who asks.
        #[command(flatten)]
        connection: AdminConnection,
    },
    /// Suspend a tenant: within five seconds its accounts can do nothing any more. Its data stay.
    Suspend {
        /// Who does it.
        #[command(flatten)]
        connection: AdminConnection,
        /// The tenant's short name.
        #[arg(long)]
        slug: String,
    },
    /// Let a suspended tenant go on.
    Resume {
        /// Who does it.
        #[command(flatten)]
        connection: AdminConnection,
        /// The tenant's short name.
        #[arg(long)]
        slug: String,
    },
}

/// The Redis with the workers' queue.
#[derive(Debug, Args)]
pub struct QueueConnection {
    /// Redis with the queue.
    #[arg(long, env = "KV_REDIS_URL", hide_env_values = true, value_name = "URL", value_parser = redis_url)]
    pub redis_url: SecretString,
}

/// `kv-erp admin queue ..`.
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// Show how many jobs there are: ready, delayed, in work and dead in the queue, and to be done or dead in the database.
    Status {
        /// The queue.
        #[command(flatten)]
        queue: QueueConnection,
        /// Who looks.
        #[command(flatten)]
        connection: AdminConnection,
    },
    /// Have workers pass a queue by; what they work on goes on, and jobs still come in.
    Pause {
        /// The queue.
        #[command(flatten)]
        queue: QueueConnection,
        /// Which of the three.
        #[arg(value_parser = ["high", "default", "low"])]
        name: String,
    },
    /// End a pause.
    Resume {
        /// The queue.
        #[command(flatten)]
        queue: QueueConnection,
        /// Which of the three.
        #[arg(value_parser = ["high", "default", "low"])]
        name: String,
    },
    /// Begin dead jobs anew, with all their attempts, and print how many.
    Replay {
        /// Who does it.
        #[command(flatten)]
        connection: AdminConnection,
        /// Only of the tenant with this slug.
        #[arg(long)]
        tenant: Option<String>,
        /// Only of this kind.
        #[arg(long)]
        kind: Option<String>,
        /// Only this one.
        #[arg(long)]
        id: Option<JobId>,
    },
}

fn role(raw: &str) -> Result<Role, String> {
    Role::parse(raw).ok_or_else(|| "use owner, manager, clerk or read_only".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_setting_of_the_service_has_a_variable() {
        for name in ["up", "api", "worker", "migrate"] {
            let command = Cli::command();
            let command = command.find_subcommand(name).unwrap();
            for arg in command.get_arguments().filter(|arg| arg.get_id() != "help") {
                let variable = arg.get_env().unwrap_or_else(|| panic!("{name} --{} has no variable", arg.get_id()));
                assert!(variable.to_str().unwrap().starts_with("KV_"));
            }
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let args = [
            "kv-erp",
            "api",
            "--database-url",
            "postgresql://u:hunter2@h/d",
            "--redis-url",
            "redis://:hunter2@h",
            "--platform-token=hunter2hunter2hunter2hunter2hunter2",
        ];
        let cli = Cli::try_parse_from(args).unwrap();
        assert!(!format!("{cli:?}").contains("hunter2"));
    }
}
