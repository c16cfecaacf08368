//! Where does a test get somebody else's XDP program.
use aya::Ebpf;
use aya::programs::Xdp;
use aya::programs::xdp::XdpMode;

use vrrp_tests::lab::netns::Namespace;

/// `r0 = 2` (XDP_PASS); `exit`.
const PASS: [u8; 16] = [0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
const NAME: &str = "someone_elses";
/// `\0xdp\0.symtab\0.strtab\0someone_elses\0`, the names of sections and of the program.
const NAMES: &[u8] = b"\0xdp\0.symtab\0.strtab\0someone_elses\0";
const HEADER: u64 = 64;

/// A relocatable ELF file for the BPF machine that holds nothing but [`PASS`] in section `xdp`.
fn object() -> Vec<u8> {
    let code = HEADER;
    let symbols = code + PASS.len() as u64;
    let names = symbols + 48;
    let sections = (names + NAMES.len() as u64).next_multiple_of(8);
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    // Relocatable, machine 247, version 1; no entry, no segments; where the sections are.
    file.extend([1, 0, 247, 0, 1, 0, 0, 0]);
    file.extend([0; 16]);
    file.extend(sections.to_le_bytes());
    // Flags, sizes of this header, of segments and of section headers; four sections, names in 3.
    file.extend([0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 64, 0, 4, 0, 3, 0]);
    file.extend(PASS);
    // Symbols: none, then a global function of 16 bytes at the start of section 1.
    file.extend([0; 24]);
    file.extend([21, 0, 0, 0, 0x12, 0, 1, 0]);
    file.extend([0; 8]);
    file.extend((PASS.len() as u64).to_le_bytes());
    file.extend(NAMES);
    file.resize(usize::try_from(sections).expect("a small file"), 0);
    file.extend([0; 64]);
    // Name, type (1 code, 2 symbols, 3 strings), flags, place, size, link, first global, entry.
    let mut section = |name: u32, kind: u32, flags: u64, at: u64, size: usize, entry: u64| {
        file.extend(name.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend(flags.to_le_bytes());
        file.extend(0_u64.to_le_bytes());
        file.extend(at.to_le_bytes());
        file.extend((size as u64).to_le_bytes());
        let (link, info) = if kind == 2 { (3_u32, 1_u32) } else { (0, 0) };
        file.extend(link.to_le_bytes());
        file.extend(info.to_le_bytes());
        file.extend(8_u64.to_le_bytes());
        file.extend(entry.to_le_bytes());
    };
    section(1, 1, 6, code, PASS.len(), 0);
    section(5, 2, 0, symbols, 48, 24);
    section(13, 3, 0, names, NAMES.len(), 0);
    file
}

/// Attaches the program to `dev` in `namespace`; it stays until the result is dropped.
pub(crate) fn attach(namespace: &Namespace, dev: &str) -> (Ebpf, u32) {
    namespace.enter(|| {
        let mut object = Ebpf::load(&object()).unwrap_or_else(|error| panic!("{error:?}"));
        let program = object.program_mut(NAME).unwrap_or_else(|| panic!("no {NAME}"));
        let program: &mut Xdp = program.try_into().unwrap_or_else(|error| panic!("{error:?}"));
        program.load().unwrap_or_else(|error| panic!("{error:?}"));
        program.attach(dev, XdpMode::Driver).unwrap_or_else(|error| panic!("{error:?}"));
        let id = program.info().unwrap_or_else(|error| panic!("{error:?}")).id();
        (object, id)
    })
}
