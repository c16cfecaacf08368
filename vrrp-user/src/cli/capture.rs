//! `xvrrp capture`: the frames that XDP consumes or rejects, which no other program sees.
use super::asked::Asked;
use super::{FAILED, complain};
use crate::control::client;
use crate::control::protocol::{Answer, Command, Verdict};
use crate::report::capture::{Frame, bytes};
use crate::report::pcapng::Writer;
use anyhow::{Context as _, bail};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fs::File;
use std::io::{IsTerminal as _, Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long the daemon may take to end a capture.
const PATIENCE: Duration = Duration::from_secs(3);

/// Arguments of `xvrrp capture`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Frames of this instance only
    name: Option<String>,
    /// Write them to a file for wireshark (pcapng), or to stdout as `-`, instead of printing lines
    #[arg(short, long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Valid adverts only
    #[arg(long, group = "verdicts")]
    accepted: bool,
    /// Rejected packets only
    #[arg(long, group = "verdicts")]
    rejected: bool,
    /// Both, which is the default
    #[arg(long, group = "verdicts")]
    all: bool,
    /// End after so many frames
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    #[command(flatten)]
    asked: Asked,
}

/// Captures until it is interrupted.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.write.as_ref().is_some_and(|path| path.as_os_str() == "-") && stdout().is_terminal() {
        bail!(
            "`-w -` writes binary data, and stdout is a terminal; name a file, or a pipe to read it"
        );
    }
    let verdict = match (args.accepted, args.rejected) {
        (true, _) => Verdict::Accepted,
        (_, true) => Verdict::Rejected,
        _ => Verdict::All,
    };
    let command = Command::Capture { instance: args.name.clone(), verdict };
    let stream = client::connect(&args.asked.control, command)?;
    stream.set_nonblocking(true)?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let stream = UnixStream::from_std(stream)?;
        follow(args, stream).await
    })
}

/// What ends a capture here.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

async fn follow(args: &Args, stream: UnixStream) -> anyhow::Result<ExitCode> {
    let interrupt = signal(SignalKind::interrupt())?;
    let mut signals = Signals { interrupt, terminate: signal(SignalKind::terminate())? };
    let (reading, mut writing) = stream.into_split();
    let mut answers = BufReader::new(reading).lines();
    match next(&mut answers).await? {
        Some(Answer::Capturing) => {}
        Some(Answer::Error(why)) => bail!("{why}"),
        Some(_) => bail!("the daemon answered something else"),
        None => bail!("the daemon closed the control socket without an answer (are you root?)"),
    }
    // Not before the daemon has agreed: a file that is there already may be worth something.
    let mut sink = Sink::open(args)?;
    let (mut shown, mut gone) = (0_u64, false);
    let ended = loop {
        let enough = gone || args.count.is_some_and(|count| shown >= count);
        if enough {
            break end(&mut answers, &mut writing).await;
        }
        tokio::select! {
            () = signals.any() => gone = true,
            answer = next(&mut answers) => match answer? {
                Some(Answer::Frame(frame)) => {
                    shown += 1;
                    // Whoever reads what we write has seen enough: no failure.
                    if let Err(why) = sink.frame(&frame) {
                        if why.kind() != std::io::ErrorKind::BrokenPipe {
                            return Err(why).context(sink.name());
                        }
                        gone = true;
                    }
                }
                ended => break ended,
            }
        }
    };
    sink.flush().or_else(|why| match why.kind() {
        std::io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(why).context(sink.name()),
    })?;
    let frames = if shown == 1 { "frame" } else { "frames" };
    let (why, lost) = match ended {
        Some(Answer::Captured { lost, why, .. }) => (why, Some(lost)),
        _ => (Some("the daemon has gone".to_owned()), None),
    };
    let lost = match lost {
        Some(0) => "none lost".to_owned(),
        Some(lost) => format!("{lost} lost, which came faster than they were read"),
        None => "how many were lost is not known".to_owned(),
    };
    complain(format_args!("{shown} {frames} captured, {lost}"));
    match why {
        Some(why) => {
            complain(format_args!("error: the capture was ended: {why}"));
            Ok(FAILED.into())
        }
        None => Ok(ExitCode::SUCCESS),
    }
}

/// The next answer; nothing where the daemon has gone.
async fn next(answers: &mut Lines<BufReader<OwnedReadHalf>>) -> anyhow::Result<Option<Answer>> {
    match answers.next_line().await.context("the daemon's answer")? {
        Some(line) => client::understand(&line).map(Some),
        None => Ok(None),
    }
}

/// Asks the daemon to end it; its last word, after what was on its way.
async fn end(
    answers: &mut Lines<BufReader<OwnedReadHalf>>,
    writing: &mut tokio::net::unix::OwnedWriteHalf,
) -> Option<Answer> {
    writing.shutdown().await.ok()?;
    let last = async {
        loop {
            match next(answers).await {
                Ok(Some(Answer::Frame(_))) => {}
                Ok(last) => return last,
                Err(_) => return None,
            }
        }
    };
    tokio::time::timeout(PATIENCE, last).await.ok()?
}

/// Where frames go.
enum Sink {
    Lines(TimeZone),
    File { name: String, writer: Writer, to: Box<dyn Write> },
}

impl Sink {
    fn open(args: &Args) -> anyhow::Result<Self> {
        let Some(path) = &args.write else { return Ok(Self::Lines(TimeZone::system())) };
        let mut to: Box<dyn Write> = if path.as_os_str() == "-" {
            Box::new(stdout())
        } else {
            Box::new(File::create(path).with_context(|| format!("-w {}", path.display()))?)
        };
        let name = format!("-w {}", path.display());
        to.write_all(&Writer::begin()).with_context(|| name.clone())?;
        to.flush().with_context(|| name.clone())?;
        Ok(Self::File { name, writer: Writer::default(), to })
    }

    fn name(&self) -> String {
        match self {
            Self::Lines(_) => "stdout".to_owned(),
            Self::File { name, .. } => name.clone(),
        }
    }

    fn frame(&mut self, frame: &Frame) -> std::io::Result<()> {
        let bytes = bytes(&frame.bytes).unwrap_or_default();
        match self {
            Self::Lines(zone) => {
                let mut out = stdout().lock();
                writeln!(out, "{}", frame.line(&time(frame, zone), &bytes))
            }
            Self::File { writer, to, .. } => {
                to.write_all(&writer.frame(frame, &bytes))?;
                // Whoever follows the file sees a packet as soon as it is there.
                to.flush()
            }
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Lines(_) => stdout().flush(),
            Self::File { to, .. } => to.flush(),
        }
    }
}

/// The time of day where the reader is.
fn time(frame: &Frame, zone: &TimeZone) -> String {
    let seconds = i64::try_from(frame.time_s).unwrap_or(0);
    let nanos = i32::try_from(frame.time_ns).unwrap_or(0);
    match Timestamp::new(seconds, nanos) {
        Ok(at) => at.to_zoned(zone.clone()).strftime("%H:%M:%S%.9f").to_string(),
        Err(_) => format!("{seconds}.{nanos:09}"),
    }
}
