//! Where are metrics served.
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Where metrics are served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// At an address and port.
    Tcp(SocketAddr),
    /// At a socket in the file system.
    Unix(PathBuf),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err("a path after `unix:` is missing".to_owned()),
                path => Ok(Self::Unix(path.into())),
            };
        }
        if text.starts_with('/') {
            return Ok(Self::Unix(text.into()));
        }
        if let Some(Ok(port)) = text.strip_prefix(':').map(str::parse) {
            return Ok(Self::Tcp((Ipv4Addr::LOCALHOST, port).into()));
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            "neither ADDRESS:PORT, as in 127.0.0.1:9165, nor :PORT, nor a path".to_owned()
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{VIP, text};

    #[test]
    fn places() {
        let place = |text: &str| text.parse::<Place>();
        assert_eq!(place("127.0.0.1:9165"), Ok(Place::Tcp(([127, 0, 0, 1], 9165).into())));
        assert_eq!(place(":9165"), Ok(Place::Tcp(([127, 0, 0, 1], 9165).into())));
        for unix in ["unix:/run/m", "/run/m"] {
            assert_eq!(place(unix), Ok(Place::Unix("/run/m".into())));
        }
        assert!(matches!(place("[::1]:9165"), Ok(Place::Tcp(_))));
        for bad in ["", "9165", "localhost:9165", "unix:", ":x", "10.0.0.1"] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn metrics_are_for_this_host_unless_said() {
        let place = |line: &str| {
            let (config, _) = text(&format!(
                "global_defs {{\n {line}\n}}\nvrrp_instance V {{\n interface eth0\n virtual_router_id 5\n\
                 {VIP}}}\n"
            ));
            config.map(|config| config.globals.metrics.map(|place| place.to_string()))
        };
        assert_eq!(place(""), Some(None));
        for (line, at) in [
            ("metrics :9165", "127.0.0.1:9165"),
            ("metrics [::1]:9165", "[::1]:9165"),
            ("metrics 10.0.0.1:9165 exposed", "10.0.0.1:9165"),
            ("metrics /run/m.sock", "/run/m.sock"),
        ] {
            assert_eq!(place(line), Some(Some(at.to_owned())), "{line}");
        }
        for bad in ["metrics 10.0.0.1:9165", "metrics 0.0.0.0:1 open", "metrics x", "metrics"] {
            assert_eq!(place(bad), None, "{bad}");
        }
    }
}
