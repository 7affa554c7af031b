//! The names of fields: as Wireshark's display filters have them, and for people in English and Korean.

use std::str::FromStr;

/// The language of what people read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Korean.
    Korean,
}

impl Language {
    /// One of two texts.
    pub(super) fn pick<'a>(self, english: &'a str, korean: &'a str) -> &'a str {
        match self {
            Self::English => english,
            Self::Korean => korean,
        }
    }
}

impl FromStr for Language {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "en" => Ok(Self::English),
            "ko" => Ok(Self::Korean),
            _ => Err(format!("{text:?} is no language that is spoken here; en and ko are")),
        }
    }
}

macro_rules! keys {
    ($($key:ident = $name:literal, $english:literal, $korean:literal;)+) => {
        /// Which field.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the names below say it")]
        pub enum Key { $($key,)+ }

        impl Key {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$key,)+];

            /// The name in JSON.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$key => $name,)+ }
            }

            /// The name for people.
            pub fn label(self, language: Language) -> &'static str {
                match self { $(Self::$key => language.pick($english, $korean),)+ }
            }
        }
    };
}

keys! {
    EthDst = "eth.dst", "Destination", "목적지 MAC";
    EthSrc = "eth.src", "Source", "출발지 MAC";
    EthType = "eth.type", "Type", "유형";
    EthLen = "eth.len", "Length", "길이";
    EthPadding = "eth.padding", "Padding", "패딩";
    EthTrailer = "eth.trailer", "Trailer", "꼬리 바이트";
    EthFcs = "eth.fcs", "FCS", "FCS";

    ArpHardwareType = "arp.hw.type", "Hardware type", "하드웨어 유형";
    ArpProtocolType = "arp.proto.type", "Protocol type", "프로토콜 유형";
    ArpHardwareSize = "arp.hw.size", "Hardware size", "하드웨어 주소 길이";
    ArpProtocolSize = "arp.proto.size", "Protocol size", "프로토콜 주소 길이";
    ArpOpcode = "arp.opcode", "Operation", "동작";
    ArpSenderMac = "arp.src.hw_mac", "Sender MAC", "보낸 쪽 MAC";
    ArpSenderIp = "arp.src.proto_ipv4", "Sender address", "보낸 쪽 IP";
    ArpTargetMac = "arp.dst.hw_mac", "Target MAC", "대상 MAC";
    ArpTargetIp = "arp.dst.proto_ipv4", "Target address", "대상 IP";

    IpVersion = "ip.version", "Version", "버전";
    IpHeaderLen = "ip.hdr_len", "Header length", "헤더 길이";
    IpDscp = "ip.dsfield.dscp", "DSCP", "DSCP (서비스 등급)";
    IpEcn = "ip.dsfield.ecn", "ECN", "ECN (혼잡 알림)";
    IpLen = "ip.len", "Total length", "전체 길이";
    IpId = "ip.id", "Identification", "식별자";
    IpFlags = "ip.flags", "Flags", "플래그";
    IpFragmentOffset = "ip.frag_offset", "Fragment offset", "단편 위치";
    IpTtl = "ip.ttl", "Time to live", "TTL (수명)";
    IpProtocol = "ip.proto", "Protocol", "프로토콜";
    IpChecksum = "ip.checksum", "Header checksum", "헤더 체크섬";
    IpSrc = "ip.src", "Source", "출발지 IP";
    IpDst = "ip.dst", "Destination", "목적지 IP";
    IpOption = "ip.opt.type", "Option", "옵션";

    IcmpType = "icmp.type", "Type", "유형";
    IcmpCode = "icmp.code", "Code", "코드";
    IcmpChecksum = "icmp.checksum", "Checksum", "체크섬";
    IcmpIdent = "icmp.ident", "Identifier", "식별자";
    IcmpSeq = "icmp.seq", "Sequence", "순번";
    IcmpMtu = "icmp.mtu", "Next-hop MTU", "다음 구간 MTU";
    IcmpPointer = "icmp.pointer", "Pointer", "위치";

    UdpSrcPort = "udp.srcport", "Source port", "출발지 포트";
    UdpDstPort = "udp.dstport", "Destination port", "목적지 포트";
    UdpLength = "udp.length", "Length", "길이";
    UdpChecksum = "udp.checksum", "Checksum", "체크섬";

    TcpSrcPort = "tcp.srcport", "Source port", "출발지 포트";
    TcpDstPort = "tcp.dstport", "Destination port", "목적지 포트";
    TcpSeq = "tcp.seq_raw", "Sequence number", "순서 번호";
    TcpAck = "tcp.ack_raw", "Acknowledgment", "확인 번호";
    TcpHeaderLen = "tcp.hdr_len", "Header length", "헤더 길이";
    TcpReserved = "tcp.flags.res", "Reserved bits", "예약 비트";
    TcpFlags = "tcp.flags", "Flags", "플래그";
    TcpWindow = "tcp.window_size_value", "Window", "윈도우";
    TcpChecksum = "tcp.checksum", "Checksum", "체크섬";
    TcpUrgent = "tcp.urgent_pointer", "Urgent pointer", "긴급 포인터";
    TcpLen = "tcp.len", "Payload", "데이터 길이";
    TcpNop = "tcp.options.nop", "Option NOP", "옵션 NOP";
    TcpEol = "tcp.options.eol", "Option end", "옵션 끝";
    TcpMss = "tcp.options.mss_val", "Option MSS", "옵션 MSS";
    TcpWindowScale = "tcp.options.wscale.shift", "Option window scale", "옵션 윈도우 배율";
    TcpSackPermitted = "tcp.options.sack_perm", "Option SACK permitted", "옵션 SACK 허용";
    TcpSackLeft = "tcp.options.sack_le", "Option SACK, left edge", "옵션 SACK 왼쪽 끝";
    TcpSackRight = "tcp.options.sack_re", "Option SACK, right edge", "옵션 SACK 오른쪽 끝";
    TcpTsVal = "tcp.options.timestamp.tsval", "Option timestamp", "옵션 시각";
    TcpTsEcr = "tcp.options.timestamp.tsecr", "Option timestamp echo", "옵션 시각 메아리";
    TcpOption = "tcp.options.unknown", "Option", "옵션";

    HttpMethod = "http.request.method", "Method", "메서드";
    HttpTarget = "http.request.uri", "Target", "요청 대상";
    HttpRequestVersion = "http.request.version", "Version", "버전";
    HttpResponseVersion = "http.response.version", "Version", "버전";
    HttpStatus = "http.response.code", "Status", "상태 코드";
    HttpReason = "http.response.phrase", "Reason", "상태 문구";
    HttpField = "http.field", "", "";
    HttpBody = "http.file_data", "Body", "본문";

    TlsType = "tls.record.content_type", "Content type", "내용 유형";
    TlsVersion = "tls.record.version", "Version", "버전";
    TlsLength = "tls.record.length", "Length", "길이";
    TlsData = "tls.app_data", "Encrypted", "암호문";

    DataLen = "data.len", "Length", "길이";
    Data = "data.data", "Data", "데이터";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = Key::ALL.iter().map(|k| k.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Key::ALL.len());
    }
}
