//! Where do log lines go, in which form, and which of them.
//!
//! Whoever logs never waits: lines go through a bounded queue to a thread of their own, and those
//! that find it full are dropped and counted.
use anyhow::Context as _;
use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{fmt as lines, reload};

/// Log lines that may wait for a slow reader before they are dropped.
const LINES: usize = 16_384;

/// The longest filter that is taken from a client.
const LONGEST_FILTER: usize = 1024;

/// `daemon` in syslog's list of facilities, and the first of those for local use.
const DAEMON: u8 = 3;
const LOCAL0: u8 = 16;

/// How lines look and where they go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Format {
    /// To stderr, for people
    #[default]
    Text,
    /// To stderr, a JSON object each
    Json,
    /// To systemd's journal, with the instance in a field of its own
    Journald,
    /// To the system's log
    Syslog,
}

/// Takes a new filter, or says what is wrong with it.
type Set = dyn Fn(&str) -> Result<(), String> + Send + Sync;

/// Says what is logged from now on, and what was lost.
#[derive(Clone)]
pub struct Control {
    set: Arc<Set>,
    dropped: Option<ErrorCounter>,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}

impl Control {
    /// Of a process that logs nothing.
    pub fn none() -> Self {
        Self { set: Arc::new(|_| Err("this process does not log".to_owned())), dropped: None }
    }

    /// Logs what `filter` lets through from now on.
    ///
    /// # Errors
    /// In words, where it is no filter.
    pub fn set(&self, filter: &str) -> Result<(), String> {
        if filter.len() > LONGEST_FILTER {
            return Err(format!("a filter has at most {LONGEST_FILTER} bytes"));
        }
        // It is logged, and nobody but the daemon begins a line there.
        if filter.contains(char::is_control) {
            return Err("a filter has no control characters".to_owned());
        }
        (self.set)(filter)?;
        tracing::warn!("the log level is {filter} from now on");
        Ok(())
    }

    /// Lines that were dropped.
    pub fn dropped(&self) -> u64 {
        let dropped = self.dropped.as_ref().map_or(0, ErrorCounter::dropped_lines);
        u64::try_from(dropped).unwrap_or(u64::MAX)
    }
}

/// Starts to log. What is still queued when the guard is dropped is written then.
///
/// # Errors
/// Where `filter` is no filter, or the log that was asked for is not there.
pub fn start(
    filter: &str,
    format: Format,
    facility: Option<u8>,
) -> anyhow::Result<(WorkerGuard, Control)> {
    let filter = parse(filter).map_err(anyhow::Error::msg)?;
    let (filter, handle) = reload::Layer::new(filter);
    let queue = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES);
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let registry = tracing_subscriber::registry().with(filter);
    let (dropped, guard) = match format {
        Format::Text => {
            let (writer, guard) = queue.finish(io::stderr());
            let dropped = writer.error_counter();
            let layer = lines::layer().with_writer(writer).with_ansi(colour).with_target(false);
            registry.with(layer).init();
            (dropped, guard)
        }
        Format::Json => {
            let (writer, guard) = queue.finish(io::stderr());
            let dropped = writer.error_counter();
            let layer = lines::layer().json().flatten_event(true).with_current_span(false);
            registry.with(layer.with_span_list(false).with_writer(writer)).init();
            (dropped, guard)
        }
        Format::Journald | Format::Syslog => {
            let sink = if format == Format::Journald {
                Sink::open(Path::new("/run/systemd/journal/socket"), Protocol::Journal)
            } else {
                let facility = facility.map_or(DAEMON, |local| LOCAL0 + local);
                Sink::open(Path::new("/dev/log"), Protocol::Syslog { facility })
            };
            let (writer, guard) = queue.finish(sink?);
            let dropped = writer.error_counter();
            registry.with(lines::layer().event_format(WithLevel).with_writer(writer)).init();
            (dropped, guard)
        }
    };
    let set = move |filter: &str| {
        handle.reload(parse(filter)?).map_err(|why| format!("changing the log level: {why}"))
    };
    Ok((guard, Control { set: Arc::new(set), dropped: Some(dropped) }))
}

fn parse(filter: &str) -> Result<EnvFilter, String> {
    let bad = |why: String| {
        format!(
            "`{filter}` is no log filter (error, warn, info, debug, trace, or MODULE=LEVEL): {why}"
        )
    };
    // An empty one, or a word that is no level, would silently mean something else.
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    for part in filter.split(',') {
        let level = part.rsplit('=').next().unwrap_or_default().trim().to_lowercase();
        if !levels.contains(&level.as_str()) {
            return Err(bad(format!("`{level}` is no level")));
        }
    }
    EnvFilter::try_new(filter).map_err(|why| bad(why.to_string()))
}

/// A line for [`Sink`]: a digit that says how bad it is, and what there is to say.
struct WithLevel;

impl<S, N> FormatEvent<S, N> for WithLevel
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let severity = match *event.metadata().level() {
            Level::ERROR => '3',
            Level::WARN => '4',
            Level::INFO => '6',
            Level::DEBUG | Level::TRACE => '7',
        };
        writer.write_char(severity)?;
        context.field_format().format_fields(writer, event)
    }
}

/// What the listener at a socket understands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Protocol {
    /// RFC 3164, without the time: the listener knows it.
    Syslog { facility: u8 },
    /// Fields, as `sd_journal_send` sends them.
    Journal,
}

/// Sends each line as a datagram. One that cannot be sent is lost; the listener may come again.
struct Sink {
    socket: UnixDatagram,
    path: PathBuf,
    protocol: Protocol,
}

impl Sink {
    fn open(path: &Path, protocol: Protocol) -> anyhow::Result<Self> {
        let socket = UnixDatagram::unbound().context("a socket for the log")?;
        socket
            .connect(path)
            .with_context(|| format!("no log at {}; use `--log-format text`", path.display()))?;
        Ok(Self { socket, path: path.to_owned(), protocol })
    }

    fn datagram(&self, line: &[u8]) -> Vec<u8> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let (severity, text) = line.split_first().unwrap_or((&b'6', &[]));
        let severity = severity.wrapping_sub(b'0').min(7);
        let mut datagram = Vec::with_capacity(text.len() + 64);
        match self.protocol {
            Protocol::Syslog { facility } => {
                let priority = u32::from(facility) * 8 + u32::from(severity);
                let head = format!("<{priority}>xvrrp[{}]: ", std::process::id());
                datagram.extend_from_slice(head.as_bytes());
                datagram.extend_from_slice(text);
            }
            Protocol::Journal => {
                field(&mut datagram, "MESSAGE", text);
                field(&mut datagram, "PRIORITY", severity.to_string().as_bytes());
                field(&mut datagram, "SYSLOG_IDENTIFIER", b"xvrrp");
                if let Some(instance) = instance(text) {
                    field(&mut datagram, "VRRP_INSTANCE", instance);
                }
            }
        }
        datagram
    }
}

impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let datagram = self.datagram(line);
        if self.socket.send(&datagram).is_err() && self.socket.connect(&self.path).is_ok() {
            let _lost = self.socket.send(&datagram);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A field in the journal's form: its length is told, for it may have more than one line.
fn field(datagram: &mut Vec<u8>, name: &str, value: &[u8]) {
    datagram.extend_from_slice(name.as_bytes());
    datagram.push(b'\n');
    datagram.extend_from_slice(&(value.len() as u64).to_le_bytes());
    datagram.extend_from_slice(value);
    datagram.push(b'\n');
}

/// The instance that a line is about: those lines begin with its name in parentheses.
fn instance(text: &[u8]) -> Option<&[u8]> {
    let rest = text.strip_prefix(b"(")?;
    let end = rest.iter().position(|byte| *byte == b')')?;
    rest.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(protocol: Protocol, line: &str) -> Vec<u8> {
        let name = format!("xvrrp-log-{}-{}", std::process::id(), protocol == Protocol::Journal);
        let path = std::env::temp_dir().join(name);
        let listener = UnixDatagram::bind(&path).unwrap();
        let mut sink = Sink::open(&path, protocol).unwrap();
        assert_eq!(sink.write(line.as_bytes()).unwrap(), line.len());
        let mut datagram = vec![0; 4096];
        let length = listener.recv(&mut datagram).unwrap();
        // A listener that went and came again is found again.
        drop(listener);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(sink.write(line.as_bytes()).unwrap(), line.len());
        let listener = UnixDatagram::bind(&path).unwrap();
        assert_eq!(sink.write(line.as_bytes()).unwrap(), line.len());
        let mut again = vec![0; 4096];
        assert_eq!(listener.recv(&mut again).unwrap(), length);
        std::fs::remove_file(&path).unwrap();
        datagram.truncate(length);
        datagram
    }

    #[test]
    fn the_system_log_is_told_how_bad_it_is() {
        let pid = std::process::id();
        let datagram = sent(Protocol::Syslog { facility: LOCAL0 }, "4(VI_1) late\n");
        assert_eq!(String::from_utf8(datagram).unwrap(), format!("<132>xvrrp[{pid}]: (VI_1) late"));
    }

    #[test]
    fn the_journal_gets_the_instance_as_a_field() {
        let datagram = sent(Protocol::Journal, "6(VI_1) two\nlines\n");
        let mut wanted = b"MESSAGE\n\x10\0\0\0\0\0\0\0(VI_1) two\nlines\n".to_vec();
        wanted.extend_from_slice(b"PRIORITY\n\x01\0\0\0\0\0\0\x006\n");
        wanted.extend_from_slice(b"SYSLOG_IDENTIFIER\n\x05\0\0\0\0\0\0\0xvrrp\n");
        wanted.extend_from_slice(b"VRRP_INSTANCE\n\x04\0\0\0\0\0\0\0VI_1\n");
        assert_eq!(datagram, wanted);
        assert_eq!(instance(b"no (VI_1)"), None);
        assert_eq!(instance(b"(open"), None);
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for good in ["info", "warn,xvrrp::engine=debug", "off"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in ["", "loud", "info,", "xvrrp=loud", "=;="] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(Control::none().set(&"x".repeat(2000)).is_err());
    }
}
