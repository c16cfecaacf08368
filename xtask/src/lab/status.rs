//! What does a daemon say of itself?
use anyhow::{Context as _, Result};
use serde_json::Value;

/// Counters that move beside `received`; every other one is a reason to reject a packet.
const NO_REJECTS: [&str; 8] = [
    "received",
    "priority_zero",
    "interval_differs",
    "address_list_differs",
    "other_checksum_form",
    "ring_full",
    "v2_ignored",
    "surplus",
];

/// The answer of `xvrrp show --json`, as far as the lab shows it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Status {
    /// Its virtual routers.
    pub(super) instances: Vec<Instance>,
    /// Its interfaces.
    pub(super) ports: Vec<Port>,
}

/// One interface.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Port {
    /// Its name.
    pub(super) interface: String,
    /// How adverts arrive.
    pub(super) path: String,
    /// The first line of why not by a faster way.
    pub(super) why: Option<String>,
    /// Packets of no router that were rejected.
    pub(super) strays: u64,
}

/// One virtual router.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Instance {
    /// Its name.
    pub(super) name: String,
    /// MASTER, BACKUP, FAULT or INIT.
    pub(super) state: String,
    /// Effective priority.
    pub(super) priority: u64,
    /// How long in this state.
    pub(super) since_ms: u64,
    /// Who is master, `self` or an address.
    pub(super) master: Option<String>,
    /// How adverts arrive.
    pub(super) path: String,
    /// Why it is in FAULT.
    pub(super) faults: Vec<String>,
    /// Its addresses.
    pub(super) addresses: Vec<Address>,
    /// Adverts it sent.
    pub(super) sent: u64,
    /// Valid adverts that arrived.
    pub(super) received: u64,
    /// Packets that were rejected.
    pub(super) rejected: u64,
    /// Times it became master.
    pub(super) became_master: u64,
    /// Times it stopped being master.
    pub(super) released_master: u64,
}

/// One virtual address.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Address {
    /// With its prefix length.
    pub(super) address: String,
    /// Its interface.
    pub(super) dev: String,
    /// Whether it is there, or why not.
    pub(super) state: String,
    /// Whether it lives without its interface's link.
    pub(super) no_track: bool,
    /// Announcements sent.
    pub(super) announced: u64,
    /// Faults that `no_track` spared the router.
    pub(super) prevented: u64,
}

impl Status {
    /// Reads the JSON form.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let json: Value = serde_json::from_str(text).context("`xvrrp show --json` is no JSON")?;
        let instances = list(&json, "instances")?;
        let ports = list(&json, "ports")?;
        Ok(Self {
            instances: instances.iter().map(Instance::parse).collect::<Result<_>>()?,
            ports: ports.iter().map(Port::parse).collect::<Result<_>>()?,
        })
    }

    /// The router of that name.
    pub(super) fn instance(&self, name: &str) -> Option<&Instance> {
        self.instances.iter().find(|instance| instance.name == name)
    }
}

impl Port {
    fn parse(json: &Value) -> Result<Self> {
        let why = json["why"].as_str().and_then(|why| why.lines().next());
        Ok(Self {
            interface: text(json, "interface")?,
            path: text(json, "path")?,
            why: why.map(str::to_owned),
            strays: rejected(&json["counters"]),
        })
    }
}

impl Instance {
    fn parse(json: &Value) -> Result<Self> {
        let fault = |fault: &Value| {
            let word = |key: &str| fault[key].as_str().unwrap_or("?").to_owned();
            format!("{} {}", word("reason"), word("object"))
        };
        Ok(Self {
            name: text(json, "name")?,
            state: text(json, "state")?,
            priority: number(json, "priority")?,
            since_ms: number(json, "since_ms")?,
            master: json["master"].as_str().map(str::to_owned),
            path: text(json, "path")?,
            faults: list(json, "faults")?.iter().map(fault).collect(),
            addresses: list(json, "addresses")?
                .iter()
                .map(Address::parse)
                .collect::<Result<_>>()?,
            sent: number(json, "adverts_sent")?,
            received: number(&json["counters"], "received")?,
            rejected: rejected(&json["counters"]),
            became_master: number(json, "became_master")?,
            released_master: number(json, "released_master")?,
        })
    }

    /// Its address `ip`, whatever the prefix length.
    pub(super) fn address(&self, ip: std::net::Ipv4Addr) -> Option<&Address> {
        let ip = ip.to_string();
        self.addresses.iter().find(|address| address.address.split('/').next() == Some(&ip))
    }
}

impl Address {
    fn parse(json: &Value) -> Result<Self> {
        Ok(Self {
            address: text(json, "address")?,
            dev: text(json, "dev")?,
            state: text(json, "state")?,
            no_track: json["no_track"].as_bool().context("an address without no_track")?,
            announced: number(json, "announced")?,
            prevented: number(json, "prevented")?,
        })
    }
}

fn text(json: &Value, key: &str) -> Result<String> {
    json[key].as_str().map(str::to_owned).with_context(|| format!("no text {key} in {json}"))
}

fn number(json: &Value, key: &str) -> Result<u64> {
    json[key].as_u64().with_context(|| format!("no number {key} in {json}"))
}

fn list<'a>(json: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    json[key].as_array().with_context(|| format!("no list {key} in {json}"))
}

fn rejected(counters: &Value) -> u64 {
    let counters = counters.as_object().into_iter().flatten();
    counters
        .filter(|(name, _)| !NO_REJECTS.contains(&name.as_str()))
        .filter_map(|(_, count)| count.as_u64())
        .sum()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A router as the daemon describes it.
    pub(in super::super) const EXAMPLE: &str = r#"{"version":"0.1.0","pid":1,"instances":[
        {"name":"VI_1","interface":"eth0","vrid":51,"family":"ipv4","state":"MASTER",
         "priority":150,"base_priority":150,"since_ms":61234,"master":"self",
         "path":"xdp-native","source":"10.0.0.1","faults":[],
         "addresses":[
          {"address":"10.0.0.100/24","dev":"eth0","state":"present","no_track":false,
           "announced":5,"repaired":0,"prevented":0},
          {"address":"10.4.0.100/24","dev":"eth4","state":"pending (link down)","no_track":true,
           "announced":10,"repaired":1,"prevented":2}],
         "adverts_sent":17,"became_master":1,"released_master":0,
         "counters":{"received":3,"priority_zero":1,"ttl":4,"checksum":2}}],
        "ports":[{"interface":"eth0","vlan":null,"path":"xdp-native","why":null,"program_id":1,
                  "counters":{"received":3,"vrid":7}},
                 {"interface":"eth1","vlan":null,"path":"socket","why":"no room\nand so on",
                  "program_id":null,"counters":{}}],
        "controller":{"events":0,"wakeups":0}}"#;

    #[test]
    fn everything_shown_is_read() {
        let status = Status::parse(EXAMPLE).unwrap();
        assert_eq!((status.ports[0].strays, &status.ports[0].why), (7, &None));
        assert_eq!(status.ports[1].why.as_deref(), Some("no room"));
        let instance = status.instance("VI_1").unwrap();
        assert_eq!((instance.received, instance.rejected, instance.sent), (3, 6, 17));
        let free = instance.address(super::super::plan::FREE_VIP).unwrap();
        assert_eq!((free.state.as_str(), free.prevented), ("pending (link down)", 2));
        assert_eq!(status.instance("VI_2"), None);
    }

    #[test]
    fn what_is_missing_is_named() {
        let why = Status::parse(&EXAMPLE.replace("adverts_sent", "other")).unwrap_err();
        assert!(why.to_string().contains("adverts_sent"), "{why}");
        assert!(Status::parse("").is_err());
    }
}
