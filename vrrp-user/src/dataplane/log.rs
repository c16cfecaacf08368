//! Where does what the XDP program says itself go: to the log, when it was loaded to say something.
use aya::Ebpf;
use aya_log::EbpfLogger;

/// The program's messages.
pub struct Messages(EbpfLogger<ToTracing>);

impl std::fmt::Debug for Messages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Messages")
    }
}

impl Messages {
    /// Follows a program that was loaded with logging on.
    pub fn follow(ebpf: &mut Ebpf) -> Result<Self, aya_log::Error> {
        EbpfLogger::init_with_logger(ebpf, ToTracing).map(Self)
    }

    /// Passes on what it said since last time.
    pub fn pass_on(&mut self) {
        self.0.flush();
    }
}

struct ToTracing;

impl ::log::Log for ToTracing {
    fn enabled(&self, _: &::log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &::log::Record<'_>) {
        tracing::info!(target: "xvrrp::xdp", "{}", record.args());
    }

    fn flush(&self) {}
}
