//! The log and the traces of this process.
//!
//! The log goes to stderr, never to stdout, which belongs to what a command prints. Traces and metrics go to an OpenTelemetry collector
//! when this build can ([`otlp`], a feature) and one is named.
//!
//! Invariant: what is in the database does not come into the log. The driver can log the parameters of statements, which hold
//! people's names and addresses; whatever filter is given, it is kept from that.

#[cfg(feature = "otlp")]
mod otlp;

use std::io::{self, IsTerminal as _};
use std::panic;

use tracing::Span;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::app::App;
use crate::cli::{Cli, LogFormat};
use crate::failure::Failure;
use crate::http::trace_context::TraceContext;

/// Libraries that show what they carry, and how much they may say at most.
const QUIET: [&str; 8] = [
    "tokio_postgres=info",
    "postgres_protocol=info",
    "redis=info",
    "hyper=info",
    "hyper_util=info",
    "h2=info",
    "rustls=info",
    "tower=info",
];

/// How the process tells of itself.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// What to log.
    pub filter: String,
    /// In what form.
    pub format: LogFormat,
    /// The collector, as `http://host:4318`.
    pub otlp_endpoint: Option<String>,
    /// Of traces that nobody else has decided about, how many are recorded: 0 to 1.
    pub otlp_sample_ratio: f64,
}

/// What is still on its way to a collector is sent when this is dropped.
#[derive(Debug, Default)]
pub struct Running {
    #[cfg(feature = "otlp")]
    exporter: Option<otlp::Exporter>,
}

impl Running {
    /// Sends the service's metrics to the collector too, if there is one.
    pub fn export_metrics_of(&self, app: &App) {
        #[cfg(feature = "otlp")]
        if let Some(exporter) = &self.exporter {
            exporter.export_metrics_of(app);
        }
        #[cfg(not(feature = "otlp"))]
        let _: &App = app;
    }
}

impl Telemetry {
    /// As the command line says.
    pub fn of(cli: &Cli) -> Self {
        Self {
            filter: cli.log.clone(),
            format: cli.log_format,
            otlp_endpoint: cli.otlp_endpoint.clone(),
            otlp_sample_ratio: cli.otlp_sample_ratio,
        }
    }

    /// Starts the log of this process, panics included. Must be called within a tokio runtime when there is a collector.
    ///
    /// # Errors
    /// A usage failure for a filter or an endpoint that cannot be used.
    pub fn start(&self) -> Result<Running, Failure> {
        crate::process::begin();
        let filter = filter(&self.filter)?;
        #[cfg(feature = "otlp")]
        let exporter =
            self.otlp_endpoint.as_deref().map(|to| otlp::Exporter::open(to, self.otlp_sample_ratio)).transpose()?;
        #[cfg(not(feature = "otlp"))]
        if self.otlp_endpoint.is_some() {
            return Err(Failure::usage("--otlp-endpoint is given, but this program was built without OpenTelemetry")
                .hint("build it with the feature otlp, or take the setting away"));
        }
        let layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = vec![log_layer(self.format)];
        #[cfg(feature = "otlp")]
        let layers: Vec<_> = layers.into_iter().chain(exporter.as_ref().map(otlp::Exporter::layer)).collect();
        // A second start in one process, as in tests, keeps the first log.
        let _started = tracing_subscriber::registry().with(layers).with(filter).try_init();
        log_panics();
        Ok(Running {
            #[cfg(feature = "otlp")]
            exporter,
        })
    }
}

/// The filter with what libraries may not say.
fn filter(given: &str) -> Result<EnvFilter, Failure> {
    let filter = EnvFilter::try_new(given).map_err(|error| {
        Failure::usage(format!("--log cannot be read: {error}")).hint("use for example info or kv_erp=debug")
    })?;
    Ok(QUIET.iter().fold(filter, |filter, quiet| filter.add_directive(quiet.parse().expect("a name and a level"))))
}

fn log_layer(format: LogFormat) -> Box<dyn Layer<Registry> + Send + Sync> {
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    match format {
        LogFormat::Json => layer.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
        LogFormat::Text => {
            layer.with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()).boxed()
        }
    }
}

fn log_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, panic = info.payload_as_str().unwrap_or("(no text)"), "a panic");
    }));
}

/// Makes a request's span part of the caller's trace; gives the trace as it is to be passed on.
pub(crate) fn join_trace(span: &Span, trace: TraceContext) -> TraceContext {
    #[cfg(feature = "otlp")]
    return otlp::join_trace(span, trace);
    #[cfg(not(feature = "otlp"))]
    {
        let _: &Span = span;
        trace
    }
}

/// Tells a request's span how it was answered.
pub(crate) fn note_status(span: &Span, status: u16) {
    #[cfg(feature = "otlp")]
    otlp::note_status(span, status);
    #[cfg(not(feature = "otlp"))]
    let _: (&Span, u16) = (span, status);
}
