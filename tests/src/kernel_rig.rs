//! Where does a test meet the real kernel: a network namespace of its own, and the XDP program in
//! `BPF_PROG_TEST_RUN`.
use std::io::Write as _;
use std::process::Command;
use std::{env, panic, thread};
use vrrp_common::counter::COUNTERS;
use vrrp_common::ident::{Family, RouterId, Vrid};
use vrrp_common::layout::{self, Counts, Peer, PeerKey, Rule, rule_index};
use vrrp_common::mirror::{Judged, LONGEST, wanted};
use vrrp_common::wire::check::{self, Meaning, Owner, Verdict};
use xvrrp::dataplane::memory::Memory;
use xvrrp::dataplane::mirror::{Link, Look, Wanted};
use xvrrp::dataplane::plane::{Plane, Settings};
use xvrrp::dataplane::port::{Dataplane, RouterRule, XdpMode};
use xvrrp::engine::input::Heard;

/// Whether a test that needs root may run; says so where it may not, past what the harness captures
/// of a passing test. With `XVRRP_REQUIRE_ROOT=1` it fails instead.
pub fn ready() -> bool {
    if rustix::process::geteuid().is_root() {
        return true;
    }
    let reason = "needs root (network namespaces, BPF)";
    assert!(
        env::var_os("XVRRP_REQUIRE_ROOT").is_none_or(|value| value != "1"),
        "{reason}, and XVRRP_REQUIRE_ROOT=1 forbids skipping"
    );
    let test = thread::current().name().unwrap_or("test").to_owned();
    let _unsaid = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
    false
}

/// Runs `test` on a thread in a network namespace that lives as long as the thread. Child processes
/// are in it too.
pub fn in_namespace(test: impl FnOnce() + Send + 'static) {
    if !ready() {
        return;
    }
    let thread = thread::spawn(move || {
        #[expect(deprecated, reason = "this thread shares no file descriptor table")]
        rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNET).expect("a new namespace");
        test();
    });
    if let Err(why) = thread.join() {
        panic::resume_unwind(why);
    }
}

/// Runs `ip` with the words of `command`.
pub fn ip(command: &str) {
    let output = Command::new("ip").args(command.split_whitespace()).output().expect("ip");
    assert!(output.status.success(), "ip {command}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What one frame did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Effect {
    /// Whether the frame went on.
    pub passed: bool,
    /// Counters that moved: router, or none for the port; number of the counter; by how much.
    pub moved: Vec<(Option<u32>, usize, u64)>,
    /// News: router, remarks, packet.
    pub news: Vec<(u32, u32, Vec<u8>)>,
    /// Stamps: router, generation.
    pub stamped: Vec<(u32, u32)>,
    /// What whoever looks was told of it.
    pub judged: Vec<Judged>,
}

/// The program and its twin in plain memory, with the same routers.
pub struct Rig {
    /// The program's side.
    pub plane: Plane,
    /// The twin's side.
    pub memory: Memory,
    port: u32,
    routers: u32,
    look: Option<Look>,
}

/// Name of the port test runs come in by: the namespace's loopback, whose ifindex is 1.
pub const PORT: &str = "lo";

impl Rig {
    /// Loads the program.
    pub fn new() -> Self {
        // Thousands of frames in a moment are not a flood here.
        let settings = Settings { news: None, ..Settings::new(XdpMode::Skb) };
        let mut plane = Plane::new(settings).expect("the program loads");
        plane.open(PORT, 1).expect("lo opens");
        let port = plane.settled(PORT).expect("lo takes the program").port;
        plane.listen(PORT);
        let verdicts = wanted::ACCEPTED | wanted::REJECTED;
        let mirror = plane.mirror(Wanted { verdicts, router: None }).expect("descriptors");
        let look = mirror.look().expect("the ring buffer is mapped");
        Self { plane, memory: Memory::default(), port, routers: 0, look: Some(look) }
    }

    /// Looks at judged frames as nobody else does from now on.
    pub fn look(&mut self, wanted: Wanted) -> Look {
        self.look = None;
        self.plane.mirror(wanted).expect("descriptors").look().expect("the ring buffer is mapped")
    }

    /// Adds a router to both sides; its number.
    pub fn router(&mut self, family: Family, vrid: u8, rule: Rule, peers: &[(&str, Peer)]) -> u32 {
        let router = self.routers;
        self.routers += 1;
        let vrid = Vrid::new(vrid).expect("a VRID");
        let peers: Vec<_> =
            peers.iter().map(|(peer, ttl)| (peer.parse().expect("an address"), *ttl)).collect();
        for (peer, ttl) in &peers {
            let key = PeerKey { router, pad: 0, source: layout::address(*peer) };
            self.memory.peers.insert(key, *ttl);
        }
        let index = rule_index(self.port, family, vrid);
        self.memory.rules.insert(index, Rule { router: router + 1, ..rule });
        let rule = RouterRule { router: RouterId(router), family, vrid, rule, peers };
        self.plane.set_router(PORT, &rule).expect("the router is set");
        router
    }

    /// Sets an expectation on both sides.
    pub fn expect(&mut self, router: u32, expect: &layout::Expect) {
        self.memory.expect.insert(router, *expect);
        self.plane.expect(RouterId(router), expect);
    }

    /// What userspace says a frame does.
    pub fn predict(&self, frame: &[u8]) -> Effect {
        let mut effect = Effect::default();
        let mut moved = |owner: Owner, counter: usize| match owner {
            Owner::Router(router) => effect.moved.push((Some(router), counter, 1)),
            Owner::Port(_) => effect.moved.push((None, counter, 1)),
        };
        let verdict = check::frame(frame, &self.memory.at(self.port));
        effect.judged.extend(Judged::of(&verdict));
        match verdict {
            Verdict::Pass => effect.passed = true,
            Verdict::Reject(counter, owner) => moved(owner, counter as usize),
            Verdict::Accept(accepted) => {
                moved(Owner::Router(accepted.router), 0);
                for counter in 1..COUNTERS {
                    if accepted.remarks & 1 << counter != 0 {
                        moved(Owner::Router(accepted.router), counter);
                    }
                }
                match accepted.meaning {
                    Meaning::Ignored => {}
                    Meaning::Expected(generation) => {
                        effect.stamped.push((accepted.router, generation));
                    }
                    Meaning::News(_) => {
                        let end = accepted.offset + accepted.length;
                        let packet = frame[accepted.offset..end].to_vec();
                        effect.news.push((accepted.router, accepted.remarks, packet));
                    }
                }
            }
        }
        effect
    }

    /// Every counter: of each router, then of the port.
    fn counts(&self) -> Vec<Counts> {
        let routers = (0..self.routers).map(|router| self.plane.counts(RouterId(router)));
        let port = self.plane.ports().into_iter().find(|port| port.port == self.port);
        routers.chain(port.map(|port| port.counts)).collect()
    }

    /// What the kernel does with a frame. The frame must come back as it was.
    pub fn run(&mut self, frame: &[u8]) -> Effect {
        let before = self.counts();
        let stamps = |plane: &Plane, routers: u32| -> Vec<_> {
            (0..routers).map(|router| plane.stamp(RouterId(router))).collect()
        };
        let stamps_before = stamps(&self.plane, self.routers);
        let (action, after_run) = self.test_run(frame);
        assert_eq!(after_run, frame, "a frame was changed");
        let mut effect = Effect { passed: action == XDP_PASS, ..Effect::default() };
        assert!(effect.passed || action == XDP_DROP, "action {action}");
        for (owner, (before, after)) in before.iter().zip(self.counts()).enumerate() {
            let router = u32::try_from(owner).ok().filter(|router| *router < self.routers);
            for (counter, (before, after)) in before.0.iter().zip(after.0).enumerate() {
                if after != *before {
                    effect.moved.push((router, counter, after - before));
                }
            }
        }
        self.plane.drain(&mut |news| {
            assert!(news.at.as_nanos() > 0);
            effect.news.push((news.router.0, news.remarks, news.packet.to_vec()));
        });
        for shown in self.look.iter_mut().flat_map(Look::frames) {
            assert_eq!(shown.length as usize, frame.len());
            assert_eq!(shown.bytes, frame[..frame.len().min(LONGEST)]);
            assert_eq!((shown.ifindex, shown.link), (1, Link::Ethernet));
            effect.judged.push(shown.judged);
        }
        let after = stamps(&self.plane, self.routers);
        for (router, (before, after)) in stamps_before.iter().zip(after).enumerate() {
            if *before != after {
                assert!(after.at > before.at, "time runs backwards");
                effect.stamped.push((u32::try_from(router).unwrap(), after.generation));
            }
        }
        effect
    }

    /// Runs the program once; its answer and the frame afterwards.
    fn test_run(&mut self, frame: &[u8]) -> (u32, Vec<u8>) {
        use aya::programs::{TestRun as _, TestRunOptions};
        let mut out = vec![0; frame.len() + 256];
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        options.data_out = Some(&mut out);
        let program = self.plane.program().expect("loaded");
        let result = program.raw(|xdp| xdp.test_run(options)).expect("loaded").expect("a test run");
        out.truncate(result.data_size_out as usize);
        (result.return_value, out)
    }

    /// Nanoseconds a packet over `repeat` runs.
    pub fn measure(&mut self, frame: &[u8], repeat: u32) -> u128 {
        use aya::programs::{TestRun as _, TestRunOptions};
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        options.repeat = repeat;
        let program = self.plane.program().expect("loaded");
        let result = program.raw(|xdp| xdp.test_run(options)).expect("loaded");
        result.expect("a test run").duration.as_nanos()
    }
}

impl Default for Rig {
    fn default() -> Self {
        Self::new()
    }
}

const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;

/// A socket that puts frames on an interface.
pub struct Wire {
    socket: socket2::Socket,
    to: socket2::SockAddr,
}

impl Wire {
    /// On the interface with this index.
    pub fn on(ifindex: u32) -> Self {
        let socket =
            socket2::Socket::new(socket2::Domain::PACKET, socket2::Type::RAW, None).expect("root");
        let mut storage = socket2::SockAddrStorage::zeroed();
        // SAFETY: every bit pattern is a `sockaddr_ll`, and a storage has room for any address.
        let link = unsafe { storage.view_as::<libc::sockaddr_ll>() };
        link.sll_family = u16::try_from(libc::AF_PACKET).unwrap();
        link.sll_ifindex = i32::try_from(ifindex).unwrap();
        let len = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).unwrap();
        // SAFETY: the storage was filled as the family says, to this length.
        let to = unsafe { socket2::SockAddr::new(storage, len) };
        Self { socket, to }
    }

    /// Sends a frame.
    pub fn send(&self, frame: &[u8]) {
        let sent = self.socket.send_to(frame, &self.to).expect("a frame is sent");
        assert_eq!(sent, frame.len());
    }
}

/// The index of an interface of this namespace.
pub fn ifindex(interface: &str) -> u32 {
    let output = Command::new("ip").args(["-o", "link", "show", "dev", interface]).output();
    let text = String::from_utf8(output.expect("ip").stdout).expect("text");
    text.split(':').next().and_then(|index| index.parse().ok()).expect("an interface")
}

/// Makes a pair of virtual Ethernet interfaces that are up; the index of each.
pub fn veth(one: &str, other: &str) -> (u32, u32) {
    ip(&format!("link add {one} type veth peer name {other}"));
    ip(&format!("link set {one} up"));
    ip(&format!("link set {other} up"));
    (ifindex(one), ifindex(other))
}

/// Detaches every BPF link that holds this program on an interface of this namespace, as an
/// operator could; how many there were.
pub fn detach_links_of(program: u32) -> usize {
    const LINK_GET_FD_BY_ID: i32 = 30;
    const LINK_GET_NEXT_ID: i32 = 31;
    const OBJ_GET_INFO_BY_FD: i32 = 15;
    const LINK_DETACH: i32 = 34;
    let (mut id, mut detached) = (0, 0);
    loop {
        // Start id in, next id out in the second word.
        let mut next = [id, 0, 0, 0];
        if bpf(LINK_GET_NEXT_ID, &mut next) < 0 {
            return detached;
        }
        id = next[1];
        let link = bpf(LINK_GET_FD_BY_ID, &mut [id, 0, 0, 0]);
        let Ok(link) = u32::try_from(link) else {
            continue;
        };
        // `struct bpf_link_info` begins with type, id and program id.
        let mut info = [0_u32; 32];
        let address = (&raw mut info).addr() as u64;
        let [low, high] = [address & 0xffff_ffff, address >> 32];
        let words = [low, high].map(|word| u32::try_from(word).unwrap());
        let mut query = [link, 128, words[0], words[1]];
        if bpf(OBJ_GET_INFO_BY_FD, &mut query) == 0
            && info[2] == program
            && bpf(LINK_DETACH, &mut [link, 0, 0, 0]) == 0
        {
            detached += 1;
        }
        let link = i32::try_from(link).unwrap();
        // SAFETY: the descriptor was opened above and is used nowhere else.
        unsafe { libc::close(link) };
    }
}

/// The `bpf` system call on an attribute that fits 16 bytes.
fn bpf(command: i32, attribute: &mut [u32; 4]) -> i64 {
    // SAFETY: the kernel reads and writes the attribute within its size; where it holds an address,
    // that is of 128 bytes the caller owns.
    unsafe { libc::syscall(libc::SYS_bpf, command, attribute.as_mut_ptr(), 16) }
}

/// From here on the process dies of any `bpf` system call that this thread, or what it starts,
/// makes.
pub fn forbid_bpf() {
    const RETURN: u16 = 0x06;
    const LOAD_WORD: u16 = 0x20;
    const JUMP_EQUAL: u16 = 0x15;
    let call = u32::try_from(libc::SYS_bpf).unwrap();
    let op = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    // The number of the call is the first word of what a filter sees.
    let mut filter = [
        op(LOAD_WORD, 0, 0, 0),
        op(JUMP_EQUAL, 0, 1, call),
        op(RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
        op(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
    // SAFETY: the filter outlives the call, which copies it.
    let done =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}
