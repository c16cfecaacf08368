//! Is what is planned what is wanted, whatever the kernel tells and in whatever order?
use super::*;
