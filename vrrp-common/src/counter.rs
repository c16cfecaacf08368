//! What is counted, and what does each counter call itself elsewhere.
//!
//! A received VRRP packet moves exactly one *verdict* counter: [`Counter::Received`] or one reject
//! reason. The *remark* counters (priority zero, interval, address list, checksum form, version 2 beside
//! version 3, too many at once) move beside [`Counter::Received`].

macro_rules! counters {
    ($( $(#[doc = $doc:literal])* $name:ident = $value:literal, $kind:ident, $yang:expr, $mib:expr, $keepalived:expr, $metric:literal; )*) => {
        /// One thing that is counted per router, or per interface where no router is known.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u32)]
        pub enum Counter { $( $(#[doc = $doc])* $name = $value, )* }

        impl Counter {
            /// Every counter, in the order of its number.
            pub const ALL: &'static [Self] = &[ $( Self::$name, )* ];

            /// Verdict or remark.
            pub const fn kind(self) -> Kind { match self { $( Self::$name => Kind::$kind, )* } }

            /// Leaf of `ietf-vrrp` (RFC 8347), where one exists.
            pub const fn yang_name(self) -> Option<&'static str> { match self { $( Self::$name => $yang, )* } }

            /// Object of the VRRPv3 MIB (RFC 6527) or the VRRPv2 MIB (RFC 2787), where one exists.
            pub const fn mib_name(self) -> Option<&'static str> { match self { $( Self::$name => $mib, )* } }

            /// Key in keepalived's JSON statistics, where one exists.
            pub const fn keepalived_name(self) -> Option<&'static str> { match self { $( Self::$name => $keepalived, )* } }

            /// Our own name: the `reason` label of metrics and the key in reports.
            pub const fn name(self) -> &'static str { match self { $( Self::$name => $metric, )* } }
        }
    };
}

impl Counter {
    /// Its value of `vrrpv3StatisticsProtoErrReason` (RFC 6527), where it is a protocol error.
    #[inline(always)]
    pub const fn protocol_error(self) -> Option<u8> {
        match self {
            Self::Ttl => Some(1),
            Self::Version => Some(2),
            Self::Checksum => Some(3),
            Self::Vrid => Some(4),
            _ => None,
        }
    }
}

/// What moving a counter means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The advert was valid.
    Accepted,
    /// The packet was rejected for this reason, and nothing else changed.
    Rejected,
    /// Something worth knowing about a valid advert.
    Remark,
}

counters! {
    /// Valid adverts, expected or news.
    Received = 0, Accepted, Some("advertisement-rcvd"), Some("vrrpv3StatisticsRcvdAdvertisements"), Some("advert_rcvd"), "received";
    /// Valid adverts with priority 0.
    PriorityZero = 1, Remark, Some("priority-zero-pkts-rcvd"), Some("vrrpv3StatisticsRcvdPriZeroPackets"), Some("pri_zero_rcvd"), "priority_zero";
    /// VRRPv3: the advertised interval is not ours; the advert is used (RFC 9568 section 7.1).
    IntervalDiffers = 2, Remark, Some("interval-errors"), Some("vrrpv3StatisticsAdvIntervalErrors"), None, "interval_differs";
    /// The address list is not ours; the advert is used.
    AddressListDiffers = 3, Remark, Some("address-list-errors"), Some("vrrpv3StatisticsAddressListErrors"), Some("addr_list_err"), "address_list_differs";
    /// VRRPv3 over IPv4: the checksum matched in the form this router does not itself send.
    OtherChecksumForm = 4, Remark, None, None, None, "other_checksum_form";
    /// TTL or hop limit is not 255, or outside a peer's `min_ttl`..`max_ttl`.
    Ttl = 5, Rejected, Some("ip-ttl-errors"), Some("vrrpv3StatisticsIpTtlErrors"), Some("ip_ttl_err"), "ttl";
    /// Version is not one this router speaks.
    Version = 6, Rejected, Some("version-errors"), Some("vrrpv3RouterVersionErrors"), Some("vers_err"), "version";
    /// Type is not ADVERTISEMENT.
    Type = 7, Rejected, Some("invalid-type-pkts-rcvd"), Some("vrrpv3StatisticsRcvdInvalidTypePackets"), Some("invalid_type_rcvd"), "type";
    /// Too short or too long for its address count.
    Length = 8, Rejected, Some("packet-length-errors"), Some("vrrpv3StatisticsPacketLengthErrors"), Some("packet_len_err"), "length";
    /// Checksum does not match in any form this router takes.
    Checksum = 9, Rejected, Some("checksum-errors"), Some("vrrpv3RouterChecksumErrors"), Some("chk_err"), "checksum";
    /// VRID is 0 or not configured on this interface in this family.
    Vrid = 10, Rejected, Some("vrid-errors"), Some("vrrpv3RouterVrIdErrors"), Some("vrid_err"), "vrid";
    /// No address in the list (RFC 9568 erratum 8299).
    AddressCountZero = 11, Rejected, None, None, None, "address_count_zero";
    /// IPv6: the first address is not link-local (erratum 8300).
    FirstAddressNotLinkLocal = 12, Rejected, None, None, None, "first_address_not_link_local";
    /// Interval of zero (erratum 8301).
    IntervalZero = 13, Rejected, None, None, None, "interval_zero";
    /// VRRPv2: the advertised interval is not ours (RFC 3768 section 7.1).
    Interval = 14, Rejected, Some("interval-errors"), Some("vrrpStatsAdvertiseIntervalErrors"), Some("advert_interval_err"), "interval";
    /// VRRPv2: an authentication type that does not exist.
    AuthTypeInvalid = 15, Rejected, None, Some("vrrpStatsInvalidAuthType"), Some("invalid_authtype"), "auth_type_invalid";
    /// VRRPv2: an authentication type other than ours.
    AuthTypeMismatch = 16, Rejected, None, Some("vrrpStatsAuthTypeMismatch"), Some("authtype_mismatch"), "auth_type_mismatch";
    /// VRRPv2: wrong password.
    AuthFailure = 17, Rejected, None, Some("vrrpStatsAuthFailures"), Some("auth_failure"), "auth_failure";
    /// The source is no host's address: unspecified, multicast, loopback or broadcast; IPv6: not link-local.
    Source = 18, Rejected, None, None, None, "source";
    /// Unicast: the source is not a configured peer.
    PeerSource = 19, Rejected, None, None, None, "peer_source";
    /// Multicast to a unicast router, or the reverse.
    ModeMismatch = 20, Rejected, None, None, None, "mode_mismatch";
    /// A fragment.
    Fragment = 21, Rejected, None, None, None, "fragment";
    /// An IP header that cannot be right: header length, total length, header checksum, extension headers before VRRP.
    IpHeader = 22, Rejected, None, None, None, "ip_header";
    /// News that found the ring buffer full.
    RingFull = 23, Remark, None, None, None, "ring_full";
    /// VRRPv2 adverts that were ignored, for their sender's VRRPv3 adverts are followed (RFC 9568 section 8.4.2).
    V2Ignored = 24, Remark, None, None, None, "v2_ignored";
    /// The source is our own address: an advert of ours that came back, or a router that has our address.
    OwnAddress = 25, Rejected, None, None, None, "own_address";
    /// VRRPv2 in strict mode: the address list is not ours, and the owner did not send it (RFC 3768
    /// section 7.1). The controller judges this, for the XDP program does not compare lists.
    AddressList = 26, Rejected, Some("address-list-errors"), Some("vrrpStatsAddressListErrors"), Some("addr_list_err"), "address_list";
    /// Valid adverts beyond those a router is told of in one moment: a flood of what is valid.
    Surplus = 27, Remark, None, None, None, "surplus";
}

/// Number of counters.
pub const COUNTERS: usize = Counter::ALL.len();
