//! What does `xvrrp show --json` say.
use serde_json::Value;

/// One answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Show(pub Value);

impl Show {
    /// From the text.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(text).map(Self).map_err(|error| error.to_string())
    }

    fn list(&self, key: &str) -> &[Value] {
        self.0.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Why the last reload was refused, if it was.
    pub fn reload_error(&self) -> Option<&str> {
        self.0.get("reload_error").and_then(Value::as_str)
    }

    /// Every instance.
    pub fn instances(&self) -> &[Value] {
        self.list("instances")
    }

    /// The instance called `name`.
    #[track_caller]
    pub fn instance(&self, name: &str) -> &Value {
        let found = self.instances().iter().find(|instance| text(instance, "name") == name);
        found.unwrap_or_else(|| panic!("show knows no instance {name}: {}", self.0))
    }

    /// The port on `interface`.
    #[track_caller]
    pub fn port(&self, interface: &str) -> &Value {
        let found = self.list("ports").iter().find(|port| text(port, "interface") == interface);
        found.unwrap_or_else(|| panic!("show knows no port on {interface}: {}", self.0))
    }

    /// Its state, in keepalived's word.
    #[track_caller]
    pub fn state(&self, name: &str) -> &str {
        text(self.instance(name), "state")
    }

    /// Every reason an instance is in FAULT for: kind and object.
    #[track_caller]
    pub fn faults(&self, name: &str) -> Vec<(&str, &str)> {
        let list = self.instance(name).get("faults").and_then(Value::as_array);
        let faults = list.into_iter().flatten();
        faults.map(|fault| (text(fault, "reason"), text(fault, "object"))).collect()
    }

    /// A counter of an instance.
    #[track_caller]
    pub fn counter(&self, name: &str, counter: &str) -> u64 {
        number(self.instance(name).get("counters"), counter)
    }

    /// A counter of a port.
    #[track_caller]
    pub fn port_counter(&self, interface: &str, counter: &str) -> u64 {
        number(self.port(interface).get("counters"), counter)
    }

    /// What the controller has been woken for.
    #[track_caller]
    pub fn controller(&self, key: &str) -> u64 {
        number(self.0.get("controller"), key)
    }

    /// An address of an instance.
    #[track_caller]
    pub fn address(&self, name: &str, address: &str) -> &Value {
        let list = self.instance(name).get("addresses").and_then(Value::as_array);
        let found = list.into_iter().flatten().find(|entry| text(entry, "address") == address);
        found.unwrap_or_else(|| panic!("{name} has no address {address}: {}", self.0))
    }

    /// What became of an address.
    #[track_caller]
    pub fn presence(&self, name: &str, address: &str) -> &str {
        text(self.address(name, address), "state")
    }
}

/// A text field.
#[track_caller]
pub fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    let found = value.get(key).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("no text {key} in {value}"))
}

/// A number field.
#[track_caller]
pub fn number(value: Option<&Value>, key: &str) -> u64 {
    let found = value.and_then(|value| value.get(key)).and_then(Value::as_u64);
    found.unwrap_or_else(|| panic!("no number {key} in {value:?}"))
}
