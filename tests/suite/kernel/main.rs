//! Does the XDP program in the kernel judge every frame as userspace does, and as the RFCs say.
//!
//! - `fixture`: the routers every case meets, and what is asserted of a frame
//! - `faults`: each reject reason
//! - `valid`: what is news, expected, or not ours
//! - `vectors`: messages of other projects
//! - `anything`: mutations and noise
//! - `shown`: what whoever looks sees of it
//! - `copies`: a flood of copies of what is expected
//! - `last_error`: which error was the last, by the program or by a socket
//! - `surplus`: a flood of what is valid and not expected
mod anything;
mod copies;
mod faults;
mod fixture;
mod last_error;
mod shown;
mod surplus;
mod transition;
mod valid;
mod vectors;
