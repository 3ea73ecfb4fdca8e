//! The command line. Every flag has an environment variable; secrets are shown in neither help nor errors.
#![expect(clippy::doc_markdown, reason = "the comments are the help text, and a terminal shows backticks as they are")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use kv_store::access::Role;
use secrecy::SecretString;

/// Multi-tenant inventory and orders.
#[derive(Debug, Parser)]
#[command(name = "kv-erp", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What to log, for example `info` or `kv_erp=debug,kv_store=debug`.
    #[arg(long, global = true, env = "KV_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
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
    /// Create the roles and bring the schema up to date.
    Migrate(MigrateArgs),
    /// Make tenants, accounts and API tokens.
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Print the description of the interface (OpenAPI 3.1, JSON).
    Openapi,
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
}

/// `kv-erp api`.
#[derive(Debug, Args)]
pub struct ApiArgs {
    /// The database, as the ordinary role kv_app: postgresql://kv_app:PASSWORD@HOST/kv_saas_erp.
    #[arg(long, env = "KV_DATABASE_URL", hide_env_values = true, value_name = "URL", value_parser = secret)]
    pub database_url: SecretString,
    /// The service itself.
    #[command(flatten)]
    pub service: ServiceArgs,
}

/// What `up` and `api` have in common.
#[derive(Debug, Args)]
pub struct ServiceArgs {
    /// Where to listen; port 0 takes any free one.
    #[arg(long, env = "KV_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,
    /// Redis for locks and rate limits shared by several replicas; without it both live in this process.
    #[arg(long, env = "KV_REDIS_URL", hide_env_values = true, value_name = "URL", value_parser = secret)]
    pub redis_url: Option<SecretString>,
    /// Database connections for reads and single writes.
    #[arg(long, env = "KV_POOL_SIZE", default_value_t = 16, value_name = "N")]
    pub pool_size: usize,
    /// Tasks that write stock, each with a database connection of its own.
    #[arg(long, env = "KV_STOCK_WRITERS", default_value_t = 2, value_name = "N")]
    pub stock_writers: usize,
    /// Requests per user and minute, for accounts without a number of their own.
    #[arg(long, env = "KV_RATE_LIMIT_PER_MINUTE", default_value_t = 60, value_name = "N")]
    pub rate_limit_per_minute: u32,
    /// Requests per tenant and minute, besides the users' limits [default: none].
    #[arg(long, env = "KV_TENANT_RATE_LIMIT_PER_MINUTE", value_name = "N")]
    pub tenant_rate_limit_per_minute: Option<u32>,
    /// How many replicas share Redis; while it is away each allows its share of a rate limit.
    #[arg(long, env = "KV_REPLICAS", default_value_t = 1, value_name = "N")]
    pub replicas: u32,
    /// How many proxies in front of the service add to X-Forwarded-For; 0 believes the connection's address.
    #[arg(long, env = "KV_TRUSTED_PROXIES", default_value_t = 0, value_name = "N")]
    pub trusted_proxies: u32,
    /// How long a request may take, in milliseconds.
    #[arg(long, env = "KV_REQUEST_TIMEOUT_MS", default_value_t = 10_000, value_name = "MS")]
    pub request_timeout_ms: u64,
    /// How long to go on accepting after SIGTERM while /readyz says 503, in milliseconds: time for a load balancer to look.
    #[arg(long, env = "KV_DRAIN_DELAY_MS", default_value_t = 0, value_name = "MS")]
    pub drain_delay_ms: u64,
}

/// A database connection that may create roles and act as kv_owner.
#[derive(Debug, Args)]
pub struct AdminConnection {
    /// The database, as a role that may create roles.
    #[arg(long, env = "KV_ADMIN_DATABASE_URL", hide_env_values = true, value_name = "URL", value_parser = secret)]
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
    /// Make a tenant and print its number.
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
        /// What the account may do.
        #[arg(long, value_parser = role, default_value = "clerk", value_name = "owner|manager|clerk|read_only")]
        role: Role,
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

#[expect(clippy::unnecessary_wraps, reason = "the shape that clap wants of a parser")]
fn secret(raw: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(raw))
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
        for name in ["up", "api", "migrate"] {
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
        let args =
            ["kv-erp", "api", "--database-url", "postgresql://u:hunter2@h/d", "--redis-url", "redis://:hunter2@h"];
        let cli = Cli::try_parse_from(args).unwrap();
        assert!(!format!("{cli:?}").contains("hunter2"));
    }
}
